"""All mip levels of a texture by one graph: the pixels go to the device once, the levels come back."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from accel.graphs.coded import Coded, decoded, encoded
from accel.graphs.nodes import Nodes
from accel.graphs.resampling import bounds, product, rings, weight_tensors, weights
from accel.image.filters import Edge, Kernel
from accel.image.levels import Filter, Size
from accel.image.light import Floats
from accel.models.manifest import Tensor

Steps = tuple[str, ...]
"""How each level is made of the one before: `halved`, by means of 2 x 2; by `weights`; or by `soft` ones too,
where they are negative somewhere."""


def steps(size: Size, levels: Sequence[Size], filter: Filter, edge: Edge) -> Steps:
    """For an image of `size` and the sizes of its further levels."""
    return tuple(_step(old, new, filter, edge) for old, new in zip((size, *levels), levels, strict=False))


def _step(old: Size, new: Size, filter: Filter, edge: Edge) -> str:
    if filter == "box":
        return "halved" if old == (2 * new[0], 2 * new[1]) else "weights"
    return "soft" if rings(old, new, filter, edge) else "weights"


@functools.lru_cache(maxsize=256)
def mips_graph(coded: Coded, steps: Steps) -> bytes:
    """The file of a graph from `pixels`, N x H x W x C, to `level1`, `level2`, …, each made of values of the
    one before that weren't rounded. Inputs as those of `mip_feed`."""
    nodes = Nodes("mips")
    values = decoded(nodes, "pixels", coded)
    inputs, outputs = [coded.tensor("pixels", "height", "width"), *bounds(coded)], []
    for level, step in enumerate(steps, 1):
        if step == "halved":
            values = nodes.add("AveragePool", [values], kernel_shape=(2, 2), strides=(2, 2))
        else:
            soft = step == "soft" and coded.weighted
            inputs += weight_tensors(str(level), soft)
            values = product(nodes, values, coded, str(level), soft)
        encoded(nodes, values, coded, f"level{level}")
        outputs.append(_level(coded, level))
    return nodes.file(inputs, outputs)


def _level(coded: Coded, level: int) -> Tensor:
    return coded.tensor(f"level{level}", f"height{level}", f"width{level}")


def mip_feed(
    coded: Coded, size: Size, levels: Sequence[Size], filter: Filter, edge: Edge
) -> Mapping[str, Floats]:
    """The weights for all levels that aren't halved."""
    found: dict[str, Floats] = {}
    kernel: Kernel = "area" if filter == "box" else filter
    before = (size, *levels)
    for level, step in enumerate(steps(size, levels, filter, edge), 1):
        if step != "halved":
            soft = step == "soft" and coded.weighted
            found |= weights(before[level - 1], levels[level - 1], kernel, edge, str(level), soft)
    return found
