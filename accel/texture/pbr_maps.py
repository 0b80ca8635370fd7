"""Estimates height, normal and roughness maps from an albedo map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from accel.ai.sessions import Network, networks
from accel.ai.super_resolution import TileFunction, run_tiled
from accel.image.color import Floats, encode_srgb
from accel.image.height_map import HeightField, height_to_normal
from accel.image.operation import Operated, first_layer
from accel.image.pixel_coding import DEPTHS
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.resample import LineBuffer, axis, strips, whole_image
from accel.image.statistics import data_format, luminance
from accel.texture.workloads import EstimatePbr, PbrEstimate
from accel.workload import Limits

STRIP = 1 << 18
"""Values processed at a time, to stay in the cache."""

Edge = Literal["clamp", "wrap"]


def brightness(image: Raster) -> Floats:
    """Returns height x width, 0..1: the ITU-R BT.709 sum of sRGB values, whose steps are about equally
    visible.

    Alpha is ignored; floats are clipped to 0..1.
    """
    made = np.empty((image.height, image.width), np.float32)
    top = np.float32(full_scale(image.pixels.dtype))
    each = max(1, STRIP // image.width)
    for begin in range(0, image.height, each):
        rows = image.pixels[begin : begin + each, :, : image.colors]
        made[begin : begin + each] = luminance(np.moveaxis(encode_values(rows, top), 2, 0))
    return made


def encode_values(pixels: Floats, top: np.float32) -> Floats:
    """Returns sRGB values, 0..1, of stored colours with full scale `top`; floats are linear."""
    values = np.divide(pixels, top, dtype=np.float32)
    return encode_srgb(values.clip(0, 1)) if pixels.dtype.kind == "f" else values


def remove_shading(values: Floats, period: float, edge: Edge) -> Floats:
    """Removes changes over about `period` texels or more, which are light or paint rather than height.

    Values are height x width. A period of 0 only removes the mean. With the edge `wrap`, tiling is preserved.
    The removed part is sampled every `period` texels with a tent filter and interpolated with the Catmull-Rom
    cubic, so that constant slopes are removed completely.
    """
    if not period:
        return values - np.float32(values.mean(dtype=np.float64))
    height, width = values.shape
    few, rows = max(1, round(width / period)), max(1, round(height / period))
    small = whole_image(
        LineBuffer(values[:, None]), axis(width, few, "linear", edge), axis(height, rows, "linear", edge)
    )
    made = np.empty_like(values)
    across, down = axis(few, width, "cubic", edge), axis(rows, height, "cubic", edge)
    for begin, lines in strips(LineBuffer(small), across, down):
        band = slice(begin, begin + len(lines))
        np.subtract(values[band], lines[:, 0], out=made[band])
    return made


MODEL, FILE = "estimate-pbr", "surface.onnx"

STEP = 8
"""Sides of tiles must be multiples of this, as the network halves them three times."""
MARGIN = 56
"""Texels that the network sees around a tile: 54 for tiles that begin and end at multiples of `STEP`, rounded
up to a multiple. Elsewhere it is up to 58, which the padding to the next multiple covers."""
TILE = 512


def estimate_heights(image: Raster, wrap: bool, limits: Limits) -> Floats:
    """Returns heights in texels, height x width, with a mean of 0; with `wrap` they tile, exactly if the
    sides are multiples of 8.

    Raises WorkloadError if the model is damaged.
    """
    network = networks(limits).get(MODEL, FILE)
    top = np.float32(full_scale(image.pixels.dtype))
    colors = image.colors

    def take(piece: Pixels) -> Floats:
        values = encode_values(piece[..., :colors], top)
        return values if colors == 3 else np.repeat(values, 3, axis=2)

    enlarger = TileFunction(lambda piece: _run(network, piece), 1, MARGIN, TILE)
    made: Floats = run_tiled(enlarger, image.pixels, take, lambda values: values, wrap=wrap)[..., 0]
    return made - np.float32(made.mean(dtype=np.float64))


def _run(network: Network, piece: Floats) -> Floats:
    """Runs the network on a tile, padded to multiples of `STEP`, and crops the margins."""
    height, width = piece.shape[:2]
    rest = [(0, -side % STEP) for side in (height, width)]
    found = network.image(np.pad(piece, (*rest, (0, 0)), "edge"))
    return found[:, MARGIN : height - MARGIN, MARGIN : width - MARGIN].transpose(1, 2, 0)


LUMINANCE_DEPTH = 4.0
"""Texels from black to white: the best fit for 200 materials with known normals (measured when the network
was trained)."""

MIN_DEPTH = 1.0
"""The least texels of full scale, so that noise on a plain colour doesn't become mountains."""

ROUNDING = 1e-5
"""Texels by which rounding makes heights of a flat surface differ."""


def estimate_pbr(images: Sequence[Raster], params: EstimatePbr, limits: Limits) -> Operated:
    (image,) = images
    kind = DEPTHS.get(params.bits, image.pixels.dtype.name)
    seen = remove_shading(brightness(image), params.shading, params.edge)
    rough = _quantize(seen, kind, -params.roughness_contrast, params.roughness)
    field = _estimate(image, seen, params, limits)
    meaning = {"has_alpha": False, "transfer": "linear", "data": True}
    relief = HeightField(1.0, "sobel", params.edge == "wrap", params.convention == "directx", "luminance")
    heights = image.with_pixels(field[..., None], **meaning)
    leaning = height_to_normal(heights, relief, "uint8" if kind == "uint8" else "uint16")
    low, high = float(field.min()), float(field.max())
    depth = max(high - low, MIN_DEPTH)
    made = {
        "height": _quantize(field, kind, 1 / depth, 0.5 - (low + high) / 2 / depth),
        "normal": leaning,
        "roughness": rough,
    }
    full = full_scale(rough.dtype)
    mean = float(rough.mean(dtype=np.float64)) / full
    facts = PbrEstimate(params.method, depth, mean, image.width, image.height, first_of=first_layer(image))
    maps = {
        name: image.with_pixels(one, format=data_format(image, one), **meaning) for name, one in made.items()
    }
    return Operated(maps, facts)


def _estimate(image: Raster, seen: Floats, params: EstimatePbr, limits: Limits) -> Floats:
    """Returns heights in texels; overwrites `seen`."""
    if params.method == "network":
        field = estimate_heights(image, params.edge == "wrap", limits)
    else:
        field = seen
        field *= np.float32(-LUMINANCE_DEPTH if params.invert else LUMINANCE_DEPTH)
    field *= np.float32(params.strength)
    if float(np.ptp(field)) < ROUNDING:
        field[:] = 0
    return field


def _quantize(values: Floats, kind: Any, factor: float, offset: float) -> Pixels:
    """Returns values * factor + offset, clipped to 0..1 and rounded, as one channel of a type."""
    made = np.empty((*values.shape, 1), kind)
    flat, out = values.reshape(-1), made.reshape(-1)
    full = full_scale(kind)
    # Casting truncates.
    half = np.float32(0 if made.dtype.kind == "f" else 0.5)
    for begin in range(0, len(flat), STRIP):
        part = flat[begin : begin + STRIP] * np.float32(factor) + np.float32(offset)
        out[begin : begin + STRIP] = part.clip(0, 1) * np.float32(full) + half
    return made
