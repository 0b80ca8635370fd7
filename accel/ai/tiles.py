"""Images through a network tile by tile, with the same result as in one piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.fitting import fitting
from accel.image.decoded import Pixels
from accel.progress import progress

Floats = NDArray[np.float32]

LEAST_TILE = 32
"""Pixels a side of the smallest tiles, of which most are margins already."""


class Enlarger(Struct, frozen=True):
    """A function that enlarges a piece of an image."""

    run: Callable[[Floats], Floats]
    """From height x width x 3 with a margin on each side, to what lies within the margins, enlarged."""
    factor: int
    margin: int
    """Pixels around each one by which it is decided: how much tiles overlap."""
    tile: int
    """Pixels a side, without the margins, of a square piece that suits the network."""


def tiled(
    enlarger: Enlarger,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    *,
    wrap: bool,
) -> Pixels:
    """`source`, enlarged; only one tile at a time is held as floats.

    `take` makes a piece of it what the network wants, `give` the other way round. Beyond the edges lies the
    last pixel, or with `wrap` the opposite edge. Where memory is full, tiles become smaller.
    """
    # Of several tiles all have that size, of one it may be less.
    tile = min(enlarger.tile, max(source.shape[:2]))
    made = fitting(lambda: _tiled(enlarger, source, take, give, wrap), tile > LEAST_TILE)
    if made is not None:
        return made
    smaller = msgspec.structs.replace(enlarger, tile=max(LEAST_TILE, tile // 2))
    return tiled(smaller, source, take, give, wrap=wrap)


def _tiled(
    enlarger: Enlarger,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    wrap: bool,
) -> Pixels:
    height, width = source.shape[:2]
    k = enlarger.factor
    high, wide = _sides(enlarger, height, width)
    made: Pixels | None = None
    done, tiles = 0, -(-height // high) * -(-width // wide)
    for top, bottom in _spans(height, high):
        rows = _around(top, bottom, height, enlarger.margin, wrap)
        for left, right in _spans(width, wide):
            progress(done, tiles)
            done += 1
            columns = _around(left, right, width, enlarger.margin, wrap)
            piece = give(enlarger.run(take(source[rows][:, columns])))
            if made is None:
                made = np.empty((height * k, width * k, piece.shape[2]), piece.dtype)
            made[top * k : bottom * k, left * k : right * k] = piece
    assert made is not None
    return made


def _sides(enlarger: Enlarger, height: int, width: int) -> tuple[int, int]:
    """Pixels of a tile down and across. Along a thin image it is several times as long, with no more pixels
    than a square one has: there are fewer margins to compute."""
    tile, margins = enlarger.tile, 2 * enlarger.margin

    def along(thickness: int) -> int:
        longest = (tile + margins) ** 2 // (min(thickness, tile) + margins) - margins
        return tile * max(1, longest // tile)

    return along(width), along(height)


def _spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, length, tile):
        yield begin, min(begin + tile, length)


def _around(begin: int, end: int, length: int, margin: int, wrap: bool) -> NDArray[np.intp]:
    at = np.arange(begin - margin, end + margin)
    return at % length if wrap else at.clip(0, length - 1)
