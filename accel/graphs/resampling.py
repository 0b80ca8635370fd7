"""Another number of pixels as two products of matrices, whose weights are inputs: one graph for all sizes."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from accel.graphs.coded import Coded, decoded, encoded
from accel.graphs.nodes import END, Nodes
from accel.image.filters import Axis, Edge, Kernel, axis
from accel.image.kernels import SLIGHT
from accel.image.light import Floats
from accel.image.resampling import FAINT
from accel.models.manifest import Tensor


@functools.cache
def resize_graph(coded: Coded, soft: bool = False) -> bytes:
    """The file of a graph from `pixels`, N x H x W x C, to `resized`, N x h x w x C.

    Inputs: the weights `across`, W x w, and `down`, h x H (`weights`); with `soft` those of a tent as well;
    with `coded.bounded` the two numbers of `range`.
    """
    nodes = Nodes("resize")
    values = decoded(nodes, "pixels", coded)
    made = product(nodes, values, coded, "", soft)
    encoded(nodes, made, coded, "resized")
    inputs = [coded.tensor("pixels", "height", "width"), *weight_tensors("", soft), *bounds(coded)]
    return nodes.file(inputs, [coded.tensor("resized", "new_height", "new_width")])


def product(nodes: Nodes, values: str, coded: Coded, suffix: str, soft: bool) -> str:
    """Values N x C x H x W times the weights `across` and `down` with that suffix."""
    made = _product(nodes, values, suffix)
    if not (soft and coded.weighted):
        return made
    # As `accel.image.resampling.filtered`: where negative weights leave next to nothing of alpha, a tent
    # tells the colours.
    colors, weight = nodes.part(made, 1, 0, coded.colors), nodes.part(made, 1, coded.colors, END)
    sound = _product(nodes, values, f"_soft{suffix}")
    slight = nodes.number(float(SLIGHT))
    away = nodes.add("Abs", [nodes.add("Sub", [weight, slight])])
    lost = nodes.add(
        "And",
        [
            nodes.add("Less", [weight, nodes.number(float(FAINT))]),
            nodes.add("Greater", [away, nodes.number(float(SLIGHT) / 1000)]),
        ],
    )
    weight = nodes.add("Where", [lost, nodes.add("Max", [weight, slight]), weight])
    share = nodes.add("Div", [weight, nodes.part(sound, 1, coded.colors, END)])
    told = nodes.add("Mul", [nodes.part(sound, 1, 0, coded.colors), share])
    return nodes.join(nodes.add("Where", [lost, told, colors]), weight)


def _product(nodes: Nodes, values: str, suffix: str) -> str:
    return nodes.add("MatMul", [nodes.add("MatMul", [f"down{suffix}", values]), f"across{suffix}"])


def weight_tensors(suffix: str, soft: bool) -> list[Tensor]:
    """The inputs that hold weights."""
    ends = [suffix, f"_soft{suffix}"] if soft else [suffix]
    return [
        Tensor(f"{name}{end}", "float32", (f"{name}{suffix}_rows", f"{name}{suffix}_columns"))
        for end in ends
        for name in ("across", "down")
    ]


def bounds(coded: Coded) -> list[Tensor]:
    """The input `range`, if there is one."""
    return [Tensor("range", "float32", (2,))] if coded.bounded else []


def rings(old: tuple[int, int], new: tuple[int, int], kernel: Kernel, edge: Edge) -> bool:
    """Whether a kernel has negative weights for these sizes (width, height): then `soft` is wanted."""
    return any(axis(one, to, kernel, edge).rings for one, to in zip(old, new, strict=True))


def weights(
    old: tuple[int, int],
    new: tuple[int, int],
    kernel: Kernel,
    edge: Edge,
    suffix: str = "",
    soft: bool = False,
) -> Mapping[str, Floats]:
    """What the inputs of weights are given for sizes, (width, height)."""
    kernels = {suffix: kernel, f"_soft{suffix}": "linear"} if soft else {suffix: kernel}
    found: dict[str, Floats] = {}
    for end, each in kernels.items():
        across, down = (axis(one, to, each, edge) for one, to in zip(old, new, strict=True))
        found[f"across{end}"] = np.ascontiguousarray(matrix(across).T)
        found[f"down{end}"] = matrix(down)
    return found


def matrix(line: Axis) -> Floats:
    """All weights of an axis, new x old; what lies beyond the ends is added to what stands for it there."""
    made = np.zeros((line.new, line.old), np.float32)
    places = line.inside(line.first[:, None] + np.arange(line.weights.shape[1]))
    np.add.at(made, (np.arange(line.new)[:, None], places), line.weights)
    return made
