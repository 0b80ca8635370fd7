"""Which sizes a page may have, and which are worth a try."""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

SHAPES = (
    1.0, 1.12, 0.9, 1.05, 0.95, 1.18, 0.85, 1.25, 0.8, 1.08, 0.92, 1.15, 0.88, 1.02, 0.98, 1.21, 0.83, 1.3,
    0.77, 1.35, 0.75, 1.1, 0.97, 1.03,
)  # fmt: skip
"""Widths that are tried for a page of any shape, as parts of the side of a square that is nearly full."""

FILLS = (
    0.98, 0.97, 0.985, 0.96, 0.95, 0.975, 0.99, 0.93, 0.94, 0.965, 0.955, 0.91, 0.945, 0.92, 0.935, 0.9,
    0.88, 0.86, 0.84, 0.8,
)  # fmt: skip
"""The same for a square, as the share that would be filled."""


class Sizes(Struct, frozen=True):
    """What pages may measure."""

    longest: int
    """Most pixels of a side."""
    step: int
    """Sides are multiples of it, pixels; 0 for powers of two."""
    square: bool
    """Whether both sides are equal."""
    border: int
    """Pixels that stay empty at each edge."""
    padding: int
    """Pixels that stay empty between rectangles; each of them has grown by so much to the right and below."""

    @property
    def side(self) -> int:
        """The longest side that is allowed."""
        if self.step:
            return self.longest // self.step * self.step
        return 1 << (self.longest.bit_length() - 1)

    @property
    def inner_longest(self) -> int:
        """The space in that."""
        return self.inner(self.side)

    def inner(self, side: int) -> int:
        """The space along a side, for rectangles that have grown."""
        return side - 2 * self.border + self.padding

    def holds(self, width: int, height: int) -> bool:
        """Whether a rectangle that has grown fits on the largest page."""
        return max(width, height) <= self.inner_longest

    def outer(self, right: int, bottom: int) -> tuple[int, int]:
        """The page's width and height for the space that is used."""
        width, height = self._rounded(right), self._rounded(bottom)
        return (max(width, height),) * 2 if self.square else (width, height)

    def widths(self, area: int, least: int) -> list[int]:
        """The spaces whose width is worth a try, the likeliest first; none is under `least`."""
        side = math.sqrt(area)
        if self.step == 0:
            powers = [self.inner(1 << power) for power in range(self.side.bit_length())]
            wanted = sorted((w for w in powers if w >= least), key=lambda w: abs(math.log2(max(w, 1) / side)))
        elif self.square:
            wanted = [math.ceil(side / math.sqrt(fill)) for fill in FILLS]
        else:
            wanted = [math.ceil(side * shape / math.sqrt(0.98)) for shape in SHAPES]
        # What is rounded up anyway may be used.
        spaces = [min(self.inner_longest, self.inner(self._rounded(max(width, least)))) for width in wanted]
        return list(dict.fromkeys(spaces))

    def smaller(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        """Smaller pages, the ones to try first before those that depend on their success."""
        if self.step == 0:
            yield from self._smaller_powers(width, height)
            return
        while min(width, height) > self.step:
            # A two-hundredth at a time.
            less = max(1, round(max(width, height) / 200 / self.step)) * self.step
            if self.square:
                width = height = width - less
            elif width > height:
                width -= less
            else:
                height -= less
            yield width, height

    @property
    def ends_shrinking(self) -> bool:
        """Whether a page that is too small makes all further ones so."""
        return self.step > 0

    def _smaller_powers(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        sides = [1 << power for power in range(self.side.bit_length())]
        pairs = [
            (a, b) for a in sides for b in sides if a * b < width * height and (a == b or not self.square)
        ]
        # From large to small: those of half the area are the likeliest.
        yield from sorted(pairs, key=lambda pair: (-pair[0] * pair[1], max(pair), pair))

    def _rounded(self, used: int) -> int:
        """The side for the space that is used along it."""
        side = max(1, used - self.padding + 2 * self.border)
        if self.step:
            return -(-side // self.step) * self.step
        return 1 << (side - 1).bit_length()
