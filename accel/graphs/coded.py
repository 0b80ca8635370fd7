"""Pixels as values that may be averaged and back, as `accel.image.coding` does it, in nodes of a graph."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from accel.graphs.nodes import END, Nodes
from accel.image.coding import CANCELLED, Coding
from accel.image.kernels import SLIGHT
from accel.image.light import decode_table
from accel.models.manifest import Tensor

NOTHING = 1e-9
"""The weight below which a colour can't be divided by it."""


class Coded(Struct, frozen=True):
    """How a graph's pixels are stored; the fields are those of `Coding`."""

    dtype: str
    channels: int
    colors: int
    curve: bool = False
    weighted: bool = False
    vectors: bool = False
    signed: bool = False

    @classmethod
    def of(cls, coding: Coding) -> Coded:
        """What a graph has to know of a coding."""
        return cls(
            str(np.dtype(coding.dtype)), coding.channels, coding.colors,
            coding.curve, coding.weighted, coding.vectors, coding.signed,
        )  # fmt: skip

    @property
    def floats(self) -> bool:
        return self.dtype == "float32"

    @property
    def bounded(self) -> bool:
        """Whether the graph has the input `range`, which colours of floats may not leave (`Coding.range`)."""
        return self.floats and self.weighted

    def tensor(self, name: str, *sides: int | str) -> Tensor:
        """An input or output of such pixels: N x H x W x channels, as they lie in memory."""
        return Tensor(name, self.dtype, ("n", *sides, self.channels))  # type: ignore[arg-type]


def decoded(nodes: Nodes, pixels: str, coded: Coded) -> str:
    """N x C x H x W of float32, full scale 1, of pixels N x H x W x C."""
    pixels = nodes.turned(pixels, 0, 3, 1, 2)
    if coded.vectors:
        return _unit(nodes, _stored(nodes, pixels, coded), coded, enter=True)
    if coded.channels == coded.colors:
        return _light(nodes, pixels, coded)
    alpha = _stored(nodes, nodes.part(pixels, 1, coded.colors, END), coded)
    colors = _light(nodes, nodes.part(pixels, 1, 0, coded.colors), coded)
    if coded.weighted:
        alpha = nodes.plus(nodes.clip(alpha) if coded.floats else alpha, float(SLIGHT))
        colors = nodes.add("Mul", [colors, alpha])
    return nodes.join(colors, alpha)


def encoded(nodes: Nodes, values: str, coded: Coded, output: str) -> None:
    """Makes the graph's output of that name, rounded to the nearest code."""
    if coded.vectors:
        made = _unit(nodes, values, coded, enter=False)
    elif coded.channels == coded.colors:
        made = _colors(nodes, values, coded)
    else:
        made = _with_alpha(nodes, values, coded)
    if coded.floats:
        nodes.turned(made, 0, 2, 3, 1, output=output)
        return
    codes = nodes.plus(nodes.times(nodes.clip(made), np.iinfo(coded.dtype).max), 0.5)
    nodes.turned(nodes.cast(codes, coded.dtype), 0, 2, 3, 1, output=output)


def _with_alpha(nodes: Nodes, values: str, coded: Coded) -> str:
    colors, alpha = nodes.part(values, 1, 0, coded.colors), nodes.part(values, 1, coded.colors, END)
    if coded.weighted:
        none = nodes.add("Less", [nodes.add("Abs", [alpha]), nodes.number(NOTHING)])
        divided = nodes.add("Div", [colors, nodes.add("Where", [none, nodes.number(1.0), alpha])])
        alpha = nodes.plus(alpha, -float(SLIGHT))
        if coded.floats:
            colors = _within(nodes, divided)
            alpha = nodes.clip(alpha)
            # What is left of the rounding of weights is nothing.
            some = nodes.add("GreaterOrEqual", [alpha, nodes.number(float(SLIGHT))])
            alpha = nodes.add("Where", [some, alpha, nodes.number(0.0)])
        else:
            colors = nodes.add("Where", [none, nodes.number(0.0), divided])
    return nodes.join(_colors(nodes, colors, coded), alpha)


def _within(nodes: Nodes, colors: str) -> str:
    low, high = (nodes.part("range", 0, at, at + 1) for at in (0, 1))
    return nodes.add("Min", [nodes.add("Max", [colors, low]), high])


def _stored(nodes: Nodes, pixels: str, coded: Coded) -> str:
    """Stored values over full scale."""
    if coded.floats:
        return pixels
    # In floats first: of CUDA's operators few take integers of 8 and 16 bit.
    return nodes.times(nodes.cast(pixels, "float32"), 1 / np.iinfo(coded.dtype).max)


def _light(nodes: Nodes, pixels: str, coded: Coded) -> str:
    if not coded.curve:
        return _stored(nodes, pixels, coded)
    table = nodes.constant(decode_table(coded.dtype))
    return nodes.add("Gather", [table, nodes.cast(pixels, "int32")])


def _colors(nodes: Nodes, values: str, coded: Coded) -> str:
    """Light by sRGB's curve (IEC 61966-2-1), if that is how it is stored."""
    if not coded.curve:
        return values
    values = nodes.clip(values)
    power = nodes.add("Pow", [nodes.add("Max", [values, nodes.number(NOTHING)]), nodes.number(1 / 2.4)])
    bent = nodes.plus(nodes.times(power, 1.055), -0.055)
    dark = nodes.add("LessOrEqual", [values, nodes.number(0.0031308)])
    return nodes.add("Where", [dark, nodes.times(values, 12.92), bent])


def _unit(nodes: Nodes, values: str, coded: Coded, *, enter: bool) -> str:
    """The first three channels brought to length 1; those without a direction become (0, 0, 1), flat."""
    vectors = nodes.part(values, 1, 0, 3)
    if enter and not coded.signed:
        vectors = nodes.plus(nodes.times(vectors, 2.0), -1.0)
    size = nodes.add("ReduceL2", [vectors], axes=(1,), keepdims=1)
    scaled = nodes.add("Div", [vectors, nodes.add("Max", [size, nodes.number(CANCELLED)])])
    lost = nodes.add("Less", [size, nodes.number(CANCELLED)])
    flat = nodes.constant(np.array([0, 0, 1], np.float32).reshape(1, 3, 1, 1))
    made = nodes.add("Where", [lost, flat, scaled])
    if not enter and not coded.signed:
        made = nodes.plus(nodes.times(made, 0.5), 0.5)
    return made if coded.channels == 3 else nodes.join(made, nodes.part(values, 1, 3, END))
