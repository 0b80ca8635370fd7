"""Filters for another number of texels: which of a line's texels make each new one, and with what weight."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.light import Floats

Kernel = Literal["lanczos", "kaiser", "cubic", "linear", "area", "nearest"]
Edge = Literal["clamp", "wrap"]

BLOCK = 16
"""New texels that one matrix makes: more make it wider than its weights, fewer make small matrices."""

SPAN = 64
"""Old texels that a matrix takes, about, beside those that its kernel reaches for."""

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


class Axis(Struct, frozen=True):
    """How a line of `old` texels becomes one of `new`."""

    old: int
    new: int
    first: Indices
    """For each new texel the first old one that counts; beyond the line's ends where the kernel reaches."""
    weights: Floats
    """new x taps; each row's sum is 1."""
    edge: Edge
    """What lies beyond the ends: the last texel again, or the line from its other end."""

    def inside(self, places: Indices) -> Indices:
        """Places on the endless line as indices of texels."""
        return places % self.old if self.edge == "wrap" else places.clip(0, self.old - 1)

    @property
    def rings(self) -> bool:
        """Whether weights are negative somewhere, so that a result may lie beyond all that it is made of."""
        return bool(self.weights.min() < 0)

    def blocks(self) -> Iterator[Block]:
        """All new texels, in order."""
        each = max(1, min(BLOCK, SPAN * self.new // self.old))
        for begin in range(0, self.new, each):
            yield self.block(begin, min(begin + each, self.new))

    def block(self, begin: int, end: int) -> Block:
        """Some new texels."""
        taps = self.weights.shape[1]
        low, high = int(self.first[begin]), int(self.first[end - 1]) + taps
        matrix = np.zeros((end - begin, high - low), np.float32)
        places = (self.first[begin:end] - low)[:, None] + np.arange(taps)
        np.put_along_axis(matrix, places, self.weights[begin:end], 1)
        return Block(begin, end, low, high, matrix)


class Block(Struct, frozen=True):
    """Some neighbouring new texels: `matrix` times the old ones from `low` to `high`."""

    begin: int
    end: int
    low: int
    high: int
    matrix: Floats


@functools.lru_cache(maxsize=64)
def axis(old: int, new: int, kernel: Kernel, edge: Edge) -> Axis:
    """The weights. Texels are squares whose centres lie at n + 1/2, so that a picture keeps its place;
    towards fewer texels a kernel is widened in proportion, so that nothing is left out."""
    if kernel == "area":
        first, weights = _overlaps(old, new)
    elif kernel == "nearest":
        first, weights = nearest(old, new), np.ones((new, 1))
    else:
        first, weights = _sampled(old / new, new, *KERNELS[kernel])
    weights = weights / weights.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.abs(weights).max(axis=0) > 1e-9)
    weights = weights[:, used[0] : used[-1] + 1].astype(np.float32)
    return Axis(old, new, first + used[0], weights, edge)


def nearest(old: int, new: int) -> Indices:
    """For each new texel the old one in which its centre lies."""
    return (2 * np.arange(new, dtype=np.int64) + 1) * old // (2 * new)


def _overlaps(old: int, new: int) -> tuple[Indices, Doubles]:
    """Each old texel by what it shares with the new one, in whole numbers: 1/new of an old texel."""
    begin = np.arange(new, dtype=np.int64)[:, None] * old
    first = begin[:, 0] // new
    left = (first[:, None] + np.arange(-(-old // new) + 1)) * new
    shared = np.minimum(begin + old, left + new) - np.maximum(begin, left)
    return first, np.maximum(shared, 0).astype(np.float64)


def _sampled(
    scale: float, new: int, radius: float, shape: Callable[[Doubles], Doubles]
) -> tuple[Indices, Doubles]:
    stretch = max(1.0, scale)
    centres = (np.arange(new) + 0.5) * scale - 0.5
    first = np.ceil(centres - radius * stretch - 1e-9).astype(np.int64)
    places = first[:, None] + np.arange(int(2 * radius * stretch) + 1)
    distance = np.abs(places - centres[:, None]) / stretch
    return first, np.where(distance < radius, shape(distance), 0)


def _lanczos(x: Doubles) -> Doubles:
    return np.asarray(np.sinc(x) * np.sinc(x / 3))


def _kaiser(x: Doubles) -> Doubles:
    # NVIDIA's texture tools take a width of 3 and an alpha of 4 for their mipmaps.
    window = np.i0(4 * np.sqrt(np.maximum(1 - (x / 3) ** 2, 0))) / np.i0(4)
    return np.asarray(np.sinc(x) * window)


def _cubic(x: Doubles) -> Doubles:
    # Keys 1981 with a = -1/2, known as Catmull-Rom.
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2)


def _linear(x: Doubles) -> Doubles:
    return 1 - x


KERNELS: dict[str, tuple[float, Callable[[Doubles], Doubles]]] = {
    "lanczos": (3, _lanczos),
    "kaiser": (3, _kaiser),
    "cubic": (2, _cubic),
    "linear": (1, _linear),
}
"""By name: how far a kernel reaches, in texels, and its value at a distance."""
