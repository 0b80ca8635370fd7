"""A normal map of heights as a graph: what `accel.image.relief` computes."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np

from accel.graphs.nodes import END, Nodes
from accel.image.light import Floats
from accel.image.relief import SMOOTH, Relief
from accel.models.manifest import Tensor

Stored = Literal["uint8", "uint16", "float32"]


@functools.cache
def normal_map_graph(
    heights: Stored, made: Literal["uint8", "uint16"], kernel: str, wrap: bool, green_down: bool
) -> bytes:
    """The file of a graph from `heights`, N x H x W, to `normals`, N x H x W x 3.

    `kernel`: a name of `relief.SMOOTH`. The input `scale`, one number, is what heights are multiplied with
    (`scale`), so that one graph serves every strength.
    """
    nodes = Nodes("normal_map")
    values = nodes.add("Mul", [nodes.cast("heights", "float32"), "scale"])
    values = nodes.add("Unsqueeze", [values, nodes.places(1)])
    for axis in (2, 3):
        values = _around(nodes, values, axis, wrap)
    slopes = nodes.add("Conv", [values, nodes.constant(_slopes(kernel, green_down))])
    # The length of (x, y, 1).
    squares = nodes.add("ReduceSum", [nodes.add("Mul", [slopes, slopes]), nodes.places(1)], keepdims=1)
    length = nodes.add("Sqrt", [nodes.plus(squares, 1.0)])
    z = nodes.add("Reciprocal", [length])
    vectors = nodes.join(nodes.add("Mul", [slopes, z]), z)
    half = np.iinfo(made).max / 2
    codes = nodes.cast(nodes.plus(nodes.times(vectors, half), half + 0.5), made)
    nodes.turned(codes, 0, 2, 3, 1, output="normals")
    return nodes.file(
        [Tensor("heights", heights, ("n", "height", "width")), Tensor("scale", "float32", (1,))],
        [Tensor("normals", made, ("n", "height", "width", 3))],
    )


def scale(relief: Relief, dtype: np.dtype[np.generic]) -> Floats:
    """What stored heights are multiplied with: texels by full scale, over the sum of the kernel's weights."""
    middle = SMOOTH[relief.kernel]
    weights = 1.0 if middle is None else 2 + middle
    full = 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)  # type: ignore[type-var]
    # Two steps lie between the texels that are compared.
    return np.array([relief.strength / full / (2 * weights)], np.float32)


def _around(nodes: Nodes, values: str, axis: int, wrap: bool) -> str:
    """One more texel at both ends: the last again, or the other end's (`Pad` wraps from opset 19 on)."""
    first, last = nodes.part(values, axis, 0, 1), nodes.part(values, axis, -1, END)
    ends = (last, first) if wrap else (first, last)
    return nodes.join(ends[0], values, ends[1], axis=axis)


def _slopes(kernel: str, green_down: bool) -> Floats:
    """Left less right, and below less above (rows run down): 2 x 1 x 3 x 3."""
    middle = SMOOTH[kernel]
    smooth = np.array([0, 1, 0] if middle is None else [1, middle, 1], np.float32)
    across = np.outer(smooth, [1, 0, -1])
    up = np.outer([-1, 0, 1], smooth) * (-1 if green_down else 1)
    return np.stack([across, up])[:, None].astype(np.float32)
