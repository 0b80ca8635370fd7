"""Resizing and mip chains as ONNX graphs, with filters as matrix products."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct

from accel.gpu_ops.graph import END, Nodes
from accel.image.color import Floats, decode_table
from accel.image.kernels import MIN_WEIGHT
from accel.image.mip_levels import Filter, Size
from accel.image.pixel_coding import CANCELLED, Coding
from accel.image.resample import FAINT, Axis, Edge, Kernel, axis
from accel.models.manifest import Tensor

NOTHING = 1e-9
"""Smaller weights are treated as 0 in divisions."""


class PixelCoding(Struct, frozen=True):
    """Pixel coding of a graph; see `Coding` for the fields."""

    dtype: str
    channels: int
    colors: int
    curve: bool = False
    weighted: bool = False
    vectors: bool = False
    signed: bool = False

    @classmethod
    def of(cls, coding: Coding) -> PixelCoding:
        """Returns the part of a coding that graphs depend on."""
        return cls(
            str(np.dtype(coding.dtype)), coding.channels, coding.colors,
            coding.curve, coding.weighted, coding.vectors, coding.signed,
        )  # fmt: skip

    @property
    def floats(self) -> bool:
        return self.dtype == "float32"

    @property
    def bounded(self) -> bool:
        """Whether the graph has the input `range`, the limits of float colours (`Coding.range`)."""
        return self.floats and self.weighted

    def tensor(self, name: str, *sides: int | str) -> Tensor:
        """Returns an input or output of such pixels: N x H x W x channels."""
        return Tensor(name, self.dtype, ("n", *sides, self.channels))  # type: ignore[arg-type]


def decode_nodes(nodes: Nodes, pixels: str, coded: PixelCoding) -> str:
    """Decodes pixels (N x H x W x C) to float32 (N x C x H x W) with full scale 1."""
    pixels = nodes.transpose(pixels, 0, 3, 1, 2)
    if coded.vectors:
        return _normalize(nodes, _stored(nodes, pixels, coded), coded, enter=True)
    if coded.channels == coded.colors:
        return _to_light(nodes, pixels, coded)
    alpha = _stored(nodes, nodes.part(pixels, 1, coded.colors, END), coded)
    colors = _to_light(nodes, nodes.part(pixels, 1, 0, coded.colors), coded)
    if coded.weighted:
        alpha = nodes.plus(nodes.clip(alpha) if coded.floats else alpha, float(MIN_WEIGHT))
        colors = nodes.add("Mul", [colors, alpha])
    return nodes.join(colors, alpha)


def encode_nodes(nodes: Nodes, values: str, coded: PixelCoding, output: str) -> None:
    """Encodes values, rounded to nearest, as the graph's named output."""
    if coded.vectors:
        result = _normalize(nodes, values, coded, enter=False)
    elif coded.channels == coded.colors:
        result = _colors(nodes, values, coded)
    else:
        result = _with_alpha(nodes, values, coded)
    if coded.floats:
        nodes.transpose(result, 0, 2, 3, 1, output=output)
        return
    codes = nodes.plus(nodes.times(nodes.clip(result), np.iinfo(coded.dtype).max), 0.5)
    nodes.transpose(nodes.cast(codes, coded.dtype), 0, 2, 3, 1, output=output)


def _with_alpha(nodes: Nodes, values: str, coded: PixelCoding) -> str:
    colors, alpha = nodes.part(values, 1, 0, coded.colors), nodes.part(values, 1, coded.colors, END)
    if coded.weighted:
        none = nodes.add("Less", [nodes.add("Abs", [alpha]), nodes.number(NOTHING)])
        divided = nodes.add("Div", [colors, nodes.add("Where", [none, nodes.number(1.0), alpha])])
        alpha = nodes.plus(alpha, -float(MIN_WEIGHT))
        if coded.floats:
            colors = _clip_to_range(nodes, divided)
            alpha = nodes.clip(alpha)
            # Remove rounding errors of the weights.
            some = nodes.add("GreaterOrEqual", [alpha, nodes.number(float(MIN_WEIGHT))])
            alpha = nodes.add("Where", [some, alpha, nodes.number(0.0)])
        else:
            colors = nodes.add("Where", [none, nodes.number(0.0), divided])
    return nodes.join(_colors(nodes, colors, coded), alpha)


def _clip_to_range(nodes: Nodes, colors: str) -> str:
    low, high = (nodes.part("range", 0, at, at + 1) for at in (0, 1))
    return nodes.add("Min", [nodes.add("Max", [colors, low]), high])


def _stored(nodes: Nodes, pixels: str, coded: PixelCoding) -> str:
    """Returns stored values divided by full scale."""
    if coded.floats:
        return pixels
    # Cast first, because few CUDA operators support 8- and 16-bit integers.
    return nodes.times(nodes.cast(pixels, "float32"), 1 / np.iinfo(coded.dtype).max)


def _to_light(nodes: Nodes, pixels: str, coded: PixelCoding) -> str:
    if not coded.curve:
        return _stored(nodes, pixels, coded)
    table = nodes.constant(decode_table(coded.dtype))
    return nodes.add("Gather", [table, nodes.cast(pixels, "int32")])


def _colors(nodes: Nodes, values: str, coded: PixelCoding) -> str:
    """Encodes light as sRGB (IEC 61966-2-1) if the pixels are sRGB."""
    if not coded.curve:
        return values
    values = nodes.clip(values)
    power = nodes.add("Pow", [nodes.add("Max", [values, nodes.number(NOTHING)]), nodes.number(1 / 2.4)])
    bent = nodes.plus(nodes.times(power, 1.055), -0.055)
    dark = nodes.add("LessOrEqual", [values, nodes.number(0.0031308)])
    return nodes.add("Where", [dark, nodes.times(values, 12.92), bent])


def _normalize(nodes: Nodes, values: str, coded: PixelCoding, *, enter: bool) -> str:
    """Normalises the first three channels; vectors without a direction become (0, 0, 1)."""
    vectors = nodes.part(values, 1, 0, 3)
    if enter and not coded.signed:
        vectors = nodes.plus(nodes.times(vectors, 2.0), -1.0)
    size = nodes.add("ReduceL2", [vectors], axes=(1,), keepdims=1)
    scaled = nodes.add("Div", [vectors, nodes.add("Max", [size, nodes.number(CANCELLED)])])
    lost = nodes.add("Less", [size, nodes.number(CANCELLED)])
    flat = nodes.constant(np.array([0, 0, 1], np.float32).reshape(1, 3, 1, 1))
    result = nodes.add("Where", [lost, flat, scaled])
    if not enter and not coded.signed:
        result = nodes.plus(nodes.times(result, 0.5), 0.5)
    return result if coded.channels == 3 else nodes.join(result, nodes.part(values, 1, 3, END))


@functools.cache
def resize_graph(coded: PixelCoding, soft: bool = False) -> bytes:
    """Returns a graph from `pixels` (N x H x W x C) to `resized` (N x h x w x C).

    Inputs are the weights `across` (W x w) and `down` (h x H) from `weights`; with `soft`, also those of a
    tent filter; with `coded.bounded`, also the two numbers of `range`.
    """
    nodes = Nodes("resize")
    values = decode_nodes(nodes, "pixels", coded)
    result = product(nodes, values, coded, "", soft)
    encode_nodes(nodes, result, coded, "resized")
    inputs = [coded.tensor("pixels", "height", "width"), *weight_tensors("", soft), *bounds(coded)]
    return nodes.file(inputs, [coded.tensor("resized", "new_height", "new_width")])


def product(nodes: Nodes, values: str, coded: PixelCoding, suffix: str, soft: bool) -> str:
    """Multiplies values (N x C x H x W) by the weights `across` and `down` with this suffix."""
    result = _product(nodes, values, suffix)
    if not (soft and coded.weighted):
        return result
    # As in `accel.image.resample.filter_image`: where negative weights cancel alpha, colours come from a tent
    # filter.
    colors, weight = nodes.part(result, 1, 0, coded.colors), nodes.part(result, 1, coded.colors, END)
    sound = _product(nodes, values, f"_soft{suffix}")
    slight = nodes.number(float(MIN_WEIGHT))
    away = nodes.add("Abs", [nodes.add("Sub", [weight, slight])])
    lost = nodes.add(
        "And",
        [
            nodes.add("Less", [weight, nodes.number(float(FAINT))]),
            nodes.add("Greater", [away, nodes.number(float(MIN_WEIGHT) / 1000)]),
        ],
    )
    weight = nodes.add("Where", [lost, nodes.add("Max", [weight, slight]), weight])
    share = nodes.add("Div", [weight, nodes.part(sound, 1, coded.colors, END)])
    tent_colors = nodes.add("Mul", [nodes.part(sound, 1, 0, coded.colors), share])
    return nodes.join(nodes.add("Where", [lost, tent_colors, colors]), weight)


def _product(nodes: Nodes, values: str, suffix: str) -> str:
    return nodes.add("MatMul", [nodes.add("MatMul", [f"down{suffix}", values]), f"across{suffix}"])


def weight_tensors(suffix: str, soft: bool) -> list[Tensor]:
    ends = [suffix, f"_soft{suffix}"] if soft else [suffix]
    return [
        Tensor(f"{name}{end}", "float32", (f"{name}{suffix}_rows", f"{name}{suffix}_columns"))
        for end in ends
        for name in ("across", "down")
    ]


def bounds(coded: PixelCoding) -> list[Tensor]:
    """Returns the input `range`, if there is one."""
    return [Tensor("range", "float32", (2,))] if coded.bounded else []


def rings(old: tuple[int, int], new: tuple[int, int], kernel: Kernel, edge: Edge) -> bool:
    """Whether a kernel has negative weights for these sizes (width, height) and thus needs `soft`."""
    return any(axis(one, to, kernel, edge).rings for one, to in zip(old, new, strict=True))


def weights(
    old: tuple[int, int],
    new: tuple[int, int],
    kernel: Kernel,
    edge: Edge,
    suffix: str = "",
    soft: bool = False,
) -> Mapping[str, Floats]:
    """Returns the values of the weight inputs for these sizes (width, height)."""
    kernels = {suffix: kernel, f"_soft{suffix}": "linear"} if soft else {suffix: kernel}
    found: dict[str, Floats] = {}
    for end, each in kernels.items():
        across, down = (axis(one, to, each, edge) for one, to in zip(old, new, strict=True))
        found[f"across{end}"] = np.ascontiguousarray(matrix(across).T)
        found[f"down{end}"] = matrix(down)
    return found


def matrix(line: Axis) -> Floats:
    """Returns the weights of an axis as a matrix, new x old. Weights beyond the ends are added to the texels
    that the edge mode maps them to."""
    result = np.zeros((line.new, line.old), np.float32)
    places = line.inside(line.first[:, None] + np.arange(line.weights.shape[1]))
    np.add.at(result, (np.arange(line.new)[:, None], places), line.weights)
    return result


Steps = tuple[str, ...]
"""How each level is computed from the previous one: `halved` averages 2 x 2, `weights` filters, `soft`
filters with negative weights."""


def steps(size: Size, levels: Sequence[Size], filter: Filter, edge: Edge) -> Steps:
    """Returns the steps from an image of `size` to the sizes of its mip levels."""
    return tuple(_step(old, new, filter, edge) for old, new in zip((size, *levels), levels, strict=False))


def _step(old: Size, new: Size, filter: Filter, edge: Edge) -> str:
    if filter == "box":
        return "halved" if old == (2 * new[0], 2 * new[1]) else "weights"
    return "soft" if rings(old, new, filter, edge) else "weights"


@functools.lru_cache(maxsize=256)
def mips_graph(coded: PixelCoding, steps: Steps) -> bytes:
    """Returns a graph from `pixels` (N x H x W x C) to `level1`, `level2`, …, each computed from the
    unrounded values of the previous one. `mip_feed` returns the other inputs."""
    nodes = Nodes("mips")
    values = decode_nodes(nodes, "pixels", coded)
    inputs, outputs = [coded.tensor("pixels", "height", "width"), *bounds(coded)], []
    for level, step in enumerate(steps, 1):
        if step == "halved":
            values = nodes.add("AveragePool", [values], kernel_shape=(2, 2), strides=(2, 2))
        else:
            soft = step == "soft" and coded.weighted
            inputs += weight_tensors(str(level), soft)
            values = product(nodes, values, coded, str(level), soft)
        encode_nodes(nodes, values, coded, f"level{level}")
        outputs.append(_level(coded, level))
    return nodes.file(inputs, outputs)


def _level(coded: PixelCoding, level: int) -> Tensor:
    return coded.tensor(f"level{level}", f"height{level}", f"width{level}")


def mip_feed(
    coded: PixelCoding, size: Size, levels: Sequence[Size], filter: Filter, edge: Edge
) -> Mapping[str, Floats]:
    """Returns the weights of all levels that aren't halved."""
    found: dict[str, Floats] = {}
    kernel: Kernel = "area" if filter == "box" else filter
    before = (size, *levels)
    for level, step in enumerate(steps(size, levels, filter, edge), 1):
        if step != "halved":
            soft = step == "soft" and coded.weighted
            found |= weights(before[level - 1], levels[level - 1], kernel, edge, str(level), soft)
    return found
