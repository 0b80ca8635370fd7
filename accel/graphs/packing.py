"""Channels of several images as those of one, in a graph: what `accel.image.channel_packing` does."""

from __future__ import annotations

import functools

import numpy as np
from msgspec import Struct

from accel.graphs.nodes import Nodes
from accel.models.manifest import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""ITU-R BT.709."""


class Packed(Struct, frozen=True):
    """An image that goes in."""

    dtype: str
    channels: int


class Plane(Struct, frozen=True):
    """A channel that comes out: of an input, or one value for all texels."""

    input: int | None = None
    """The input, counted from 0."""
    channel: int = 0
    """Which channel of it; -1 for the luminance of the first three."""
    value: float = 0.0
    """Instead of an input: 0 to 1."""
    invert: bool = False


@functools.lru_cache(maxsize=256)
def packing_graph(images: tuple[Packed, ...], planes: tuple[Plane, ...], made: str) -> bytes:
    """The file of a graph from `image0`, `image1`, …, all N x H x W x their channels, to `packed`,
    N x H x W x the planes, of the type `made` (`uint8` or `uint16`). One plane at least has an input."""
    nodes = Nodes("packing")
    full = int(np.iinfo(made).max)
    found = [None if one.input is None else _values(nodes, one, images[one.input], full) for one in planes]
    some = next(one for one in found if one is not None)
    nothing = nodes.times(some, 0.0)
    parts = [
        nodes.plus(nothing, float(_constant(plane, full))) if values is None else values
        for plane, values in zip(planes, found, strict=True)
    ]
    nodes.cast(nodes.join(*parts, axis=3), made, "packed")
    inputs = [
        Tensor(f"image{at}", one.dtype, ("n", "height", "width", one.channels))  # type: ignore[arg-type]
        for at, one in enumerate(images)
    ]
    return nodes.file(inputs, [Tensor("packed", made, ("n", "height", "width", len(planes)))])  # type: ignore[arg-type]


def _values(nodes: Nodes, plane: Plane, image: Packed, full: int) -> str:
    """Whole numbers up to full scale, as floats: N x H x W x 1."""
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


def _constant(plane: Plane, full: int) -> int:
    value = int(plane.value * full + 0.5)
    return full - value if plane.invert else value
