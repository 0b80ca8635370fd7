"""Resizing, mip chains, channel packing and normal maps as ONNX graphs."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from accel.devices import current
from accel.gpu_ops.graph import END, Nodes, Runner
from accel.gpu_ops.resample import PixelCoding, mip_feed, mips_graph, resize_graph, rings, steps, weights
from accel.image.channel_packing import clipped_in_packing, loses_alpha, plan_channels
from accel.image.color import Floats
from accel.image.height_map import SMOOTH, HeightField, normal_type
from accel.image.mip_levels import level_sizes
from accel.image.operation import Operated, check_size
from accel.image.operations.channels import ChannelSource, PackChannels, pack_channels
from accel.image.operations.geometry import Mipmaps, Resize, mipmaps, resize
from accel.image.operations.normals import NormalFromHeight
from accel.image.pixel_coding import Coding, channel_kind, channel_semantics, coding_of
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.image.resample import target_size
from accel.image.statistics import data_format, plane_index, plane_of
from accel.models.manifest import Tensor
from accel.workload import Limits

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue (ITU-R BT.709)."""


class PackedImage(Struct, frozen=True):
    dtype: str
    channels: int


class PlaneSource(Struct, frozen=True):
    """Source of an output channel: an input's channel, or a constant."""

    input: int | None = None
    """Index of the input, from 0; None for a constant."""
    channel: int = 0
    """Index of its channel; -1 for luminance of the first three."""
    value: float = 0.0
    """The constant, 0 to 1."""
    invert: bool = False


@functools.lru_cache(maxsize=256)
def packing_graph(images: tuple[PackedImage, ...], planes: tuple[PlaneSource, ...], dtype: str) -> bytes:
    """Returns a graph from `image0`, `image1`, … (N x H x W x channels) to `packed` (N x H x W x planes) of
    type `dtype`, `uint8` or `uint16`. At least one plane must have an input."""
    nodes = Nodes("packing")
    full = int(np.iinfo(dtype).max)
    found = [None if one.input is None else _values(nodes, one, images[one.input], full) for one in planes]
    some = next(one for one in found if one is not None)
    nothing = nodes.times(some, 0.0)
    parts = [
        nodes.plus(nothing, float(_constant(plane, full))) if values is None else values
        for plane, values in zip(planes, found, strict=True)
    ]
    nodes.cast(nodes.join(*parts, axis=3), dtype, "packed")
    inputs = [
        Tensor(f"image{at}", one.dtype, ("n", "height", "width", one.channels))  # type: ignore[arg-type]
        for at, one in enumerate(images)
    ]
    return nodes.file(inputs, [Tensor("packed", dtype, ("n", "height", "width", len(planes)))])  # type: ignore[arg-type]


def _values(nodes: Nodes, plane: PlaneSource, image: PackedImage, full: int) -> str:
    """Adds a plane's values, rounded, as floats up to full scale: N x H x W x 1."""
    name = f"image{plane.input}"
    if plane.channel < 0:
        sums = nodes.constant(np.array(LUMINANCE, np.float32).reshape(3, 1))
        values = nodes.add("MatMul", [nodes.cast(nodes.part(name, 3, 0, 3), "float32"), sums])
    else:
        values = nodes.cast(nodes.part(name, 3, plane.channel, plane.channel + 1), "float32")
    if image.dtype == "float32":
        values = nodes.times(nodes.clip(values), full)
    else:
        values = nodes.times(values, full / int(np.iinfo(image.dtype).max))
    values = nodes.add("Floor", [nodes.plus(values, 0.5)])
    return nodes.add("Sub", [nodes.number(float(full)), values]) if plane.invert else values


def _constant(plane: PlaneSource, full: int) -> int:
    value = int(plane.value * full + 0.5)
    return full - value if plane.invert else value


Stored = Literal["uint8", "uint16", "float32"]


@functools.cache
def normal_map_graph(
    heights: Stored, dtype: Literal["uint8", "uint16"], kernel: str, wrap: bool, green_down: bool
) -> bytes:
    """Returns a graph from `heights` (N x H x W) to `normals` (N x H x W x 3).

    `kernel` is a key of `height_map.SMOOTH`. The input `scale`, a single number, multiplies the heights, so
    that one graph serves every strength.
    """
    nodes = Nodes("normal_map")
    values = nodes.add("Mul", [nodes.cast("heights", "float32"), "scale"])
    values = nodes.add("Unsqueeze", [values, nodes.places(1)])
    for axis in (2, 3):
        values = _pad(nodes, values, axis, wrap)
    slopes = nodes.add("Conv", [values, nodes.constant(_slopes(kernel, green_down))])
    # Length of (x, y, 1).
    squares = nodes.add("ReduceSum", [nodes.add("Mul", [slopes, slopes]), nodes.places(1)], keepdims=1)
    length = nodes.add("Sqrt", [nodes.plus(squares, 1.0)])
    z = nodes.add("Reciprocal", [length])
    vectors = nodes.join(nodes.add("Mul", [slopes, z]), z)
    half = np.iinfo(dtype).max / 2
    codes = nodes.cast(nodes.plus(nodes.times(vectors, half), half + 0.5), dtype)
    nodes.transpose(codes, 0, 2, 3, 1, output="normals")
    return nodes.file(
        [Tensor("heights", heights, ("n", "height", "width")), Tensor("scale", "float32", (1,))],
        [Tensor("normals", dtype, ("n", "height", "width", 3))],
    )


def scale(relief: HeightField, dtype: np.dtype[np.generic]) -> Floats:
    """Returns the factor for stored heights: texels per full scale over the sum of the kernel's weights."""
    middle = SMOOTH[relief.kernel]
    weights = 1.0 if middle is None else 2 + middle
    full = 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)  # type: ignore[type-var]
    # The compared texels are two steps apart.
    return np.array([relief.strength / full / (2 * weights)], np.float32)


def _pad(nodes: Nodes, values: str, axis: int, wrap: bool) -> str:
    """Pads both ends of an axis by one texel, repeated or wrapped around (`Pad` only wraps from opset 19)."""
    first, last = nodes.part(values, axis, 0, 1), nodes.part(values, axis, -1, END)
    ends = (last, first) if wrap else (first, last)
    return nodes.join(ends[0], values, ends[1], axis=axis)


def _slopes(kernel: str, green_down: bool) -> Floats:
    """Returns kernels for left minus right and below minus above: 2 x 1 x 3 x 3."""
    middle = SMOOTH[kernel]
    smooth = np.array([0, 1, 0] if middle is None else [1, middle, 1], np.float32)
    across = np.outer(smooth, [1, 0, -1])
    up = np.outer([-1, 0, 1], smooth) * (-1 if green_down else 1)
    return np.stack([across, up])[:, None].astype(np.float32)


@functools.cache
def runner() -> Runner:
    """Returns this process's runner."""
    return Runner(current.current_choice())


def normal_from_height_on_gpu(images: Sequence[Raster], params: NormalFromHeight, limits: Limits) -> Operated:
    (image,) = images
    relief = HeightField.of(params)
    heights = plane_of(image, params.channel)
    graph = normal_map_graph(
        heights.dtype.name, normal_type(image, params.bits), relief.kernel, relief.wrap, relief.green_down
    )
    found = runner().run(graph, {"heights": heights[None], "scale": scale(relief, heights.dtype)})
    pixels: Pixels = found["normals"].fetch()[0]
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": data_format(image, pixels)}
    return Operated({"normal": image.with_pixels(pixels, has_alpha=False, **meaning)})


def resize_on_gpu(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    (image,) = images
    size = target_size(image, params)
    check_size(image.name, *size, limits)
    if params.kernel == "nearest" or size == (image.width, image.height):
        return resize.operate(images, params, limits)
    kind = channel_kind(image, params.kind)
    how = coding_of(image, kind, params.linear_light, params.alpha_weighted)
    old = (image.width, image.height)
    soft = how.weighted and rings(old, size, params.kernel, params.edge)
    feed = {**_pixel_feed(image, how), **weights(old, size, params.kernel, params.edge, soft=soft)}
    found = runner().run(resize_graph(PixelCoding.of(how), soft), feed)
    pixels = how.clip_ringing(found["resized"].fetch()[0], image.pixels)
    return Operated({"resized": image.with_pixels(pixels, **channel_semantics(image, kind))})


def mipmaps_on_gpu(images: Sequence[Raster], params: Mipmaps, limits: Limits) -> Operated:
    if len(images) > 1 or params.coverage:
        return mipmaps.operate(images, params, limits)
    (image,) = images
    kind = channel_kind(image, params.kind)
    how = coding_of(image, kind, params.linear_light, params.alpha_weighted)
    coded, size = PixelCoding.of(how), (image.width, image.height)
    sizes = level_sizes(*size, params.levels)
    outputs: dict[str, Any] = {}
    if sizes:
        feed = {**_pixel_feed(image, how), **mip_feed(coded, size, sizes, params.filter, params.edge)}
        outputs = runner().run(mips_graph(coded, steps(size, sizes, params.filter, params.edge)), feed)
    levels = [outputs[f"level{level}"].fetch()[0] for level in range(1, len(sizes) + 1)]
    meaning = channel_semantics(image, kind)
    return Operated(
        {"mipmaps": image.with_pixels(image.pixels, mips=tuple(levels), read_mips=False, **meaning)}
    )


def pack_channels_on_gpu(images: Sequence[Raster], params: PackChannels, limits: Limits) -> Operated:
    sources = plan_channels(params, [one.name for one in images])
    used = [images[source.input] for source in sources if source.input is not None]
    same = len({(one.width, one.height) for one in used}) == 1
    if not same or loses_alpha(params, sources):
        return pack_channels.operate(images, params, limits)
    deep = params.bits in ("16", "32") or (params.bits == "same" and any(one.bit_depth > 8 for one in used))
    kinds = tuple(PackedImage(one.pixels.dtype.name, one.channels) for one in images)
    planes = tuple(_plane(images, source) for source in sources)
    graph = packing_graph(kinds, planes, "uint16" if deep else "uint8")
    feed = {f"image{at}": one.pixels[None] for at, one in enumerate(images)}
    pixels = runner().run(graph, feed)["packed"].fetch()[0]
    first = images[0]
    format = data_format(first, pixels)
    packed = Raster(
        first.name, pixels, len(sources) > 3, "linear", format, data=True, kind="data",
        first_of=max(one.first_of for one in images), **clipped_in_packing(images, sources),
    )  # fmt: skip
    return Operated({"packed": packed})


def _plane(images: Sequence[Raster], source: ChannelSource) -> PlaneSource:
    if source.input is None:
        return PlaneSource(value=source.value or 0.0, invert=source.invert)
    image = images[source.input]
    if source.channel == "luminance":
        return PlaneSource(source.input, -1 if image.colors == 3 else 0, invert=source.invert)
    return PlaneSource(source.input, plane_index(image, source.channel), invert=source.invert)


def _pixel_feed(image: Raster, how: Coding) -> dict[str, Any]:
    feed: dict[str, Any] = {"pixels": image.pixels[None]}
    if PixelCoding.of(how).bounded:
        feed["range"] = np.array(how.range, np.float32)
    return feed
