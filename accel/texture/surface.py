"""The maps of a surface, made of one height field and one brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from accel.image.decoded import Pixels, full_scale
from accel.image.first import first_of
from accel.image.light import DEPTHS, Floats
from accel.image.operation import Operated
from accel.image.planes import data_format
from accel.image.raster import Raster
from accel.image.relief import Relief, normals
from accel.texture.estimate_pbr import Estimated
from accel.texture.shading import STRIP, brightness, without_shading
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.texture.estimate_pbr import EstimatePbr

LUMINANCE_DEPTH = 4.0
"""Texels from black to white: of 200 materials whose normals are known, nearest to them (measured when the
network was trained)."""

LEAST_DEPTH = 1.0
"""Texels that full scale stands for at least, so that noise on an even colour doesn't become mountains."""

EVEN = 1e-5
"""Texels by which an even surface differs by rounding alone."""


def estimated(image: Raster, params: EstimatePbr, limits: Limits) -> Operated:
    """Height, normals and roughness. Raises WorkloadError."""
    kind = DEPTHS.get(params.bits, image.pixels.dtype.name)
    seen = without_shading(brightness(image), params.shading, params.edge)
    rough = _stored(seen, kind, -params.roughness_contrast, params.roughness)
    field = _heights(image, seen, params, limits)
    meaning = {"has_alpha": False, "transfer": "linear", "data": True}
    relief = Relief(1.0, "sobel", params.edge == "wrap", params.convention == "directx", "luminance")
    heights = image.with_pixels(field[..., None], **meaning)
    leaning = normals(heights, relief, "uint8" if kind == "uint8" else "uint16")
    low, high = float(field.min()), float(field.max())
    depth = max(high - low, LEAST_DEPTH)
    made = {
        "height": _stored(field, kind, 1 / depth, 0.5 - (low + high) / 2 / depth),
        "normal": leaning,
        "roughness": rough,
    }
    full = full_scale(rough.dtype)
    mean = float(rough.mean(dtype=np.float64)) / full
    facts = Estimated(params.method, depth, mean, image.width, image.height, first_of=first_of(image))
    maps = {
        name: image.with_pixels(one, format=data_format(image, one), **meaning) for name, one in made.items()
    }
    return Operated(maps, facts)


def _heights(image: Raster, seen: Floats, params: EstimatePbr, limits: Limits) -> Floats:
    """Texels; `seen` is given up."""
    if params.method == "network":
        from accel.texture.surface_net import heights

        field = heights(image, params.edge == "wrap", limits)
    else:
        field = seen
        field *= np.float32(-LUMINANCE_DEPTH if params.invert else LUMINANCE_DEPTH)
    field *= np.float32(params.strength)
    if float(np.ptp(field)) < EVEN:
        field[:] = 0
    return field


def _stored(values: Floats, kind: Any, factor: float, offset: float) -> Pixels:
    """Values times a factor, moved, cut to 0..1, as one channel of a type, rounded."""
    made = np.empty((*values.shape, 1), kind)
    flat, out = values.reshape(-1), made.reshape(-1)
    full = full_scale(kind)
    # What is cast is cut, and so rounded down.
    half = np.float32(0 if made.dtype.kind == "f" else 0.5)
    for begin in range(0, len(flat), STRIP):
        part = flat[begin : begin + STRIP] * np.float32(factor) + np.float32(offset)
        out[begin : begin + STRIP] = part.clip(0, 1) * np.float32(full) + half
    return made
