"""Packs rectangles onto pages with MaxRects: heuristics, page sizes and the search for the smallest page.

J. Jylänki, "A Thousand Ways to Pack the Bin" (2010), section 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image import compiled
from accel.image.compiled.constants import SHIFT, Heuristic

Ints = NDArray[np.int64]

Keys = tuple[Ints, Ints]
"""Primary and secondary sort keys; larger comes first."""

Order = Callable[[Ints, Ints], Keys]
"""Computes sort keys from widths and heights."""


def by_short_side(widths: Ints, heights: Ints) -> Keys:
    return np.minimum(widths, heights), np.maximum(widths, heights)


def by_long_side(widths: Ints, heights: Ints) -> Keys:
    return np.maximum(widths, heights), np.minimum(widths, heights)


def by_perimeter(widths: Ints, heights: Ints) -> Keys:
    return widths + heights, np.maximum(widths, heights)


def by_area(widths: Ints, heights: Ints) -> Keys:
    return widths * heights, np.maximum(widths, heights)


def by_height(widths: Ints, heights: Ints) -> Keys:
    return heights, widths


def by_width(widths: Ints, heights: Ints) -> Keys:
    return widths, heights


Strategy = tuple[Heuristic, Order]


def growing_strategies(rotate: bool) -> tuple[Strategy, ...]:
    """Returns the strategies for a page of any height, best first, as measured on many kinds of sprites.

    Sorting matters most: by the shorter side if sprites may be rotated, otherwise by height, so that
    neighbours line up. Trying the first strategy at many widths gains more than trying other strategies.
    """
    first, second = (by_short_side, by_height) if rotate else (by_height, by_short_side)
    orders = (first, by_perimeter, by_area, second, by_long_side, by_width)
    return tuple((rule, order) for order in orders for rule in (Heuristic.GROWTH, Heuristic.BOTTOM_LEFT))


FIXED_STRATEGIES: tuple[Strategy, ...] = (
    (Heuristic.CONTACT, by_long_side), (Heuristic.GUILLOTINE, by_short_side), (Heuristic.CONTACT, by_area),
    (Heuristic.GUILLOTINE, by_height), (Heuristic.SHORT_SIDE, by_perimeter), (Heuristic.AREA, by_short_side),
    (Heuristic.AREA, by_area), (Heuristic.SHORT_SIDE, by_short_side), (Heuristic.CONTACT, by_perimeter),
    (Heuristic.SHORT_SIDE, by_height), (Heuristic.LONG_SIDE, by_area), (Heuristic.CONTACT, by_short_side),
    (Heuristic.AREA, by_perimeter), (Heuristic.LONG_SIDE, by_short_side), (Heuristic.CONTACT, by_height),
    (Heuristic.SHORT_SIDE, by_long_side), (Heuristic.AREA, by_long_side),
)  # fmt: skip
"""Strategies for a page of a given size."""


def sort_indices(order: Order, widths: Ints, heights: Ints) -> NDArray[np.intp]:
    """Returns the indices of rectangles sorted from largest to smallest; the sort is stable."""
    first, second = order(widths, heights)
    return np.lexsort((-second, -first))


COMPILED_ABOVE = 200
"""Number of rectangles above which loading the compiled loop pays."""

_NEVER = np.int64(1) << 62


def pack(
    widths: Ints, heights: Ints, width: int, height: int, rule: Heuristic, rotate: bool, *, fast: bool = True
) -> Ints:
    """Places rectangles in order. Returns n x 3: left, top (-1 if it doesn't fit), and 1 if rotated.

    Sides are 1 to 32768. `fast` uses numba, if installed, with the same result.
    """
    if fast and len(widths) > COMPILED_ABOVE and compiled.available():
        from accel.image.compiled import maxrects

        loops: Ints = maxrects.pack(widths, heights, width, height, int(rule), rotate)
        return loops
    return _Page(len(widths), width, height, rule).fill(widths, heights, rotate)


class _Page:
    """The free rectangles of a page (rows: left, top, right, bottom) and the placed ones."""

    def __init__(self, count: int, width: int, height: int, rule: Heuristic) -> None:
        self._size = width, height
        self._rule = rule
        self._free = np.array([[0], [0], [width], [height]], np.int64)
        self._placed = np.zeros((4, count), np.int64)
        self._count = 0
        self._top = 0

    def fill(self, widths: Ints, heights: Ints, rotate: bool) -> Ints:
        found = np.full((len(widths), 3), (-1, -1, 0), np.int64)
        for index, (w, h) in enumerate(zip(widths.tolist(), heights.tolist(), strict=True)):
            score, at = self._best(w, h)
            rotated = 0
            if rotate and w != h:
                other, there = self._best(h, w)
                if other < score:
                    score, at, rotated, w, h = other, there, 1, h, w
            if score < _NEVER:
                x, y = self._free[0, at].item(), self._free[1, at].item()
                found[index] = x, y, rotated
                if self._rule is Heuristic.GUILLOTINE:
                    self._split_corner(int(at), x + w, y + h)
                else:
                    self._place(x, y, x + w, y + h)
        return found

    def _best(self, w: int, h: int) -> tuple[np.int64, np.intp]:
        """Returns the best score and the index of its free rectangle; the first wins ties."""
        free = self._free
        if not free.shape[1]:
            return _NEVER, np.intp(0)
        over_x, over_y = free[2] - free[0] - w, free[3] - free[1] - h
        scores = self._scores(w, h, over_x, over_y)
        scores[(over_x < 0) | (over_y < 0)] = _NEVER
        at = scores.argmin()
        return scores[at], at

    def _scores(self, w: int, h: int, over_x: Ints, over_y: Ints) -> Ints:
        first, second = self._parts(w, h, over_x, over_y)
        scores: Ints = first * SHIFT + second
        return scores

    def _parts(self, w: int, h: int, over_x: Ints, over_y: Ints) -> tuple[Ints, Ints]:
        """Returns both parts of the rule's score in each free rectangle."""
        short = np.minimum(over_x, over_y)
        match self._rule:
            case Heuristic.SHORT_SIDE | Heuristic.GUILLOTINE:
                return short, np.maximum(over_x, over_y)
            case Heuristic.LONG_SIDE:
                return np.maximum(over_x, over_y), short
            case Heuristic.AREA:
                return (over_x + w) * (over_y + h) - w * h, short
            case Heuristic.BOTTOM_LEFT:
                return self._free[1] + h, self._free[0]
            case Heuristic.GROWTH:
                return np.maximum(self._free[1] + h, self._top), short
            case Heuristic.CONTACT:
                return 2 * (w + h) - self._contact(w, h), short

    def _contact(self, w: int, h: int) -> Ints:
        """Returns, for each free rectangle, the border length that a new one would share with others."""
        x0, y0 = self._free[:2]
        x1, y1 = x0 + w, y0 + h
        width, height = self._size
        sides, ends = (x0 == 0).astype(np.int64) + (x1 == width), (y0 == 0).astype(np.int64) + (y1 == height)
        shared: Ints = h * sides + w * ends
        left, top, right, bottom = self._placed[:, : self._count, None]
        beside = (left == x1) | (right == x0)
        along = (top == y1) | (bottom == y0)
        shared += (beside * np.maximum(np.minimum(bottom, y1) - np.maximum(top, y0), 0)).sum(axis=0)
        shared += (along * np.maximum(np.minimum(right, x1) - np.maximum(left, x0), 0)).sum(axis=0)
        return shared

    def _split_corner(self, at: int, x1: int, y1: int) -> None:
        """Splits the free rectangle in whose corner one was placed in two."""
        left, top, right, bottom = self._free[:, at].tolist()
        parts = [(x1, top, right, y1), (left, y1, right, bottom)]
        if right - x1 >= bottom - y1:
            parts = [(x1, top, right, bottom), (left, y1, x1, bottom)]
        remains = [part for part in parts if part[0] < part[2] and part[1] < part[3]]
        kept = np.delete(self._free, at, axis=1)
        self._free = np.concatenate((kept, np.array(remains, np.int64).reshape(-1, 4).T), axis=1)

    def _place(self, x0: int, y0: int, x1: int, y1: int) -> None:
        self._placed[:, self._count] = x0, y0, x1, y1
        self._count += 1
        self._top = max(self._top, y1)
        free = self._free
        hit = (free[0] < x1) & (free[2] > x0) & (free[1] < y1) & (free[3] > y0)
        parts = _remaining_parts(free[:, hit], x0, y0, x1, y1)
        kept = free[:, ~hit]
        parts = parts[:, ~_inside(parts, kept).any(axis=1)]
        within = _inside(parts, parts)
        # Of equal parts, keep the first.
        lost = within & (~within.T | np.tri(len(within), k=-1, dtype=bool))
        np.fill_diagonal(lost, False)
        self._free = np.concatenate((kept, parts[:, ~lost.any(axis=1)]), axis=1)


def _remaining_parts(free: Ints, x0: int, y0: int, x1: int, y1: int) -> Ints:
    """Returns what is left of each free rectangle on the four sides of a placed one."""
    parts = np.repeat(free, 4, axis=1)
    parts[2, 0::4], parts[0, 1::4], parts[3, 2::4], parts[1, 3::4] = x0, x1, y0, y1
    remains: Ints = parts[:, (parts[0] < parts[2]) & (parts[1] < parts[3])]
    return remains


def _inside(parts: Ints, others: Ints) -> NDArray[np.bool_]:
    """Returns whether each part lies within each of the other rectangles."""
    part = parts[:, :, None]
    within: NDArray[np.bool_] = (
        (others[0] <= part[0]) & (others[1] <= part[1]) & (others[2] >= part[2]) & (others[3] >= part[3])
    )
    return within


SHAPES = (
    1.0, 1.12, 0.9, 1.05, 0.95, 1.18, 0.85, 1.25, 0.8, 1.08, 0.92, 1.15, 0.88, 1.02, 0.98, 1.21, 0.83, 1.3,
    0.77, 1.35, 0.75, 1.1, 0.97, 1.03,
)  # fmt: skip
"""Page widths to try for any shape, relative to the side of a nearly full square."""

FILLS = (
    0.98, 0.97, 0.985, 0.96, 0.95, 0.975, 0.99, 0.93, 0.94, 0.965, 0.955, 0.91, 0.945, 0.92, 0.935, 0.9,
    0.88, 0.86, 0.84, 0.8,
)  # fmt: skip
"""Square pages to try, as the share that would be filled."""


class PageSizes(Struct, frozen=True):
    """Constraints on page sizes."""

    longest: int
    """Maximum side length in pixels."""
    step: int
    """Sides are multiples of this many pixels; 0 for powers of two."""
    square: bool
    """Whether pages must be square."""
    border: int
    """Empty pixels along each edge."""
    padding: int
    """Empty pixels between rectangles. Rectangles are extended by it to the right and bottom."""

    @property
    def side(self) -> int:
        """The longest allowed side."""
        if self.step:
            return self.longest // self.step * self.step
        return 1 << (self.longest.bit_length() - 1)

    @property
    def inner_longest(self) -> int:
        """The usable space along the longest side."""
        return self.inner(self.side)

    def inner(self, side: int) -> int:
        """Returns the space along a side that extended rectangles can use."""
        return side - 2 * self.border + self.padding

    def holds(self, width: int, height: int) -> bool:
        """Whether an extended rectangle fits on the largest page."""
        return max(width, height) <= self.inner_longest

    def outer(self, right: int, bottom: int) -> tuple[int, int]:
        """Returns the width and height of the page for the space used."""
        width, height = self._round_up(right), self._round_up(bottom)
        return (max(width, height),) * 2 if self.square else (width, height)

    def widths(self, area: int, least: int) -> list[int]:
        """Returns the usable widths to try, at least `least`, most promising first."""
        side = math.sqrt(area)
        if self.step == 0:
            powers = [self.inner(1 << power) for power in range(self.side.bit_length())]
            wanted = sorted((w for w in powers if w >= least), key=lambda w: abs(math.log2(max(w, 1) / side)))
        elif self.square:
            wanted = [math.ceil(side / math.sqrt(fill)) for fill in FILLS]
        else:
            wanted = [math.ceil(side * shape / math.sqrt(0.98)) for shape in SHAPES]
        # Use the space gained by rounding up.
        spaces = [min(self.inner_longest, self.inner(self._round_up(max(width, least)))) for width in wanted]
        return list(dict.fromkeys(spaces))

    def smaller(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        """Yields smaller pages in the order to try them."""
        if self.step == 0:
            yield from self._smaller_powers(width, height)
            return
        while min(width, height) > self.step:
            # Shrink by about 1/200 at a time.
            less = max(1, round(max(width, height) / 200 / self.step)) * self.step
            if self.square:
                width = height = width - less
            elif width > height:
                width -= less
            else:
                height -= less
            yield width, height

    @property
    def stops_at_failure(self) -> bool:
        """Whether a page that is too small means that all later ones are too."""
        return self.step > 0

    def _smaller_powers(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        sides = [1 << power for power in range(self.side.bit_length())]
        pairs = [
            (a, b) for a in sides for b in sides if a * b < width * height and (a == b or not self.square)
        ]
        # From large to small, since half the area is the most likely to succeed.
        yield from sorted(pairs, key=lambda pair: (-pair[0] * pair[1], max(pair), pair))

    def _round_up(self, space: int) -> int:
        """Returns the smallest allowed side with this much usable space."""
        side = max(1, space - self.padding + 2 * self.border)
        if self.step:
            return -(-side // self.step) * self.step
        return 1 << (side - 1).bit_length()


TRIES = {"fast": 2_000, "normal": 6_000, "best": 64_000}
"""Total number of rectangles to place in all attempts."""

FEWEST, MOST = {"fast": 2, "normal": 4, "best": 16}, {"fast": 16, "normal": 40, "best": 256}
"""Minimum and maximum number of attempts."""

WIDTHS = 8
"""Minimum number of widths to try per strategy."""

CONTACT_MOST = 128
"""Maximum number of rectangles for which to try the contact heuristic, whose time is quadratic."""

_FILLED = 0.995
"""Share of a page that two or more rectangles hardly ever exceed."""


class PackedPage(Struct, frozen=True):
    """A page and the rectangles on it."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    members: NDArray[np.intp]
    """Indices of the rectangles on the page, ascending."""
    places: Ints
    """One row per rectangle: left, top, and 1 if rotated."""


def pack_pages(widths: Ints, heights: Ints, sizes: PageSizes, rotate: bool, effort: str) -> list[PackedPage]:
    """Packs all rectangles onto pages. Each must fit on an empty page (`PageSizes.holds`)."""
    left, pages = np.arange(len(widths)), []
    while len(left):
        packer = _Packer(widths[left], heights[left], sizes, rotate, effort)
        page = packer.smallest() or packer.fullest()
        on_page = left[page.members]
        pages.append(PackedPage(page.width, page.height, on_page, page.places))
        left = np.setdiff1d(left, on_page, assume_unique=True)
    return pages


class _Packer:
    """Searches for the best page for a set of rectangles."""

    def __init__(self, widths: Ints, heights: Ints, sizes: PageSizes, rotate: bool, effort: str) -> None:
        self._widths, self._heights, self._sizes, self._rotate = widths, heights, sizes, rotate
        self._area = int((widths * heights).sum())
        count = len(widths)
        self._tries = max(FEWEST[effort], min(MOST[effort], TRIES[effort] // count))
        fixed = [
            each for each in FIXED_STRATEGIES if each[0] is not Heuristic.CONTACT or count <= CONTACT_MOST
        ]
        self._fixed = fixed[: self._tries]
        self._growing = growing_strategies(rotate)

    def smallest(self) -> PackedPage | None:
        """Returns the smallest page found that holds all rectangles, or None."""
        if self._area > self._sizes.inner_longest**2:
            return None
        best = self._grow()
        return self._shrink(best) if best else None

    def fullest(self) -> PackedPage:
        """Returns the best-filled page of the largest size."""
        side = self._sizes.inner_longest
        strategies = [*self._fixed[: self._tries // 2], *self._growing[: self._tries - self._tries // 2]]
        tries = [self._try(side, side, strategy) for strategy in strategies]
        areas = [int((self._widths * self._heights)[places[:, 0] >= 0].sum()) for places in tries]
        return self._page(tries[int(np.argmax(areas))])

    def _grow(self) -> PackedPage | None:
        """Tries several widths with any height; returns the smallest page, or None."""
        longest, best = self._sizes.inner_longest, None
        narrowest = np.minimum(self._widths, self._heights) if self._rotate else self._widths
        widths = self._sizes.widths(self._area, int(narrowest.max()))[: max(WIDTHS, self._tries // 4)]
        for number, (width, strategy) in enumerate(self._pairs(widths)):
            # Try longer if none has succeeded yet.
            if number >= (self._tries if best else 3 * self._tries):
                break
            places = self._try(width, longest, strategy)
            if (places[:, 0] >= 0).all():
                page = self._page(places)
                if best is None or _size(page) < _size(best):
                    best = page
        return best

    def _pairs(self, widths: list[int]) -> Iterator[tuple[int, Strategy]]:
        """Yields widths that may suffice with strategies, most promising first; the fixed page comes last."""
        longest = self._sizes.inner_longest
        wide = [width for width in widths if width * longest >= self._area]
        for strategy in self._growing:
            yield from ((width, strategy) for width in wide)
        yield from ((longest, strategy) for strategy in self._fixed)

    def _shrink(self, best: PackedPage) -> PackedPage:
        """Returns the page, or a smaller one found by the strategies for a fixed size."""
        tries = max(FEWEST["normal"], self._tries // 2)
        for width, height in self._sizes.smaller(best.width, best.height):
            inner = self._sizes.inner(width), self._sizes.inner(height)
            if self._area > _FILLED * inner[0] * inner[1] and len(self._widths) > 1:
                continue
            for strategy in list(self._fixed):
                places = self._try(*inner, strategy)
                tries -= 1
                if (places[:, 0] >= 0).all():
                    best = min(best, self._page(places), key=_size)
                    # A strategy that succeeded is likely to do so again.
                    self._fixed.remove(strategy)
                    self._fixed.insert(0, strategy)
                    break
                if tries <= 0:
                    return best
            else:
                if self._sizes.stops_at_failure:
                    return best
        return best

    def _try(self, width: int, height: int, strategy: Strategy) -> Ints:
        rule, order = strategy
        indices = sort_indices(order, self._widths, self._heights)
        places = np.empty((len(indices), 3), np.int64)
        places[indices] = pack(
            self._widths[indices], self._heights[indices], width, height, rule, self._rotate
        )
        return places

    def _page(self, places: Ints) -> PackedPage:
        members = np.flatnonzero(places[:, 0] >= 0)
        x, y, rotated = places[members].T
        widths, heights = self._widths[members], self._heights[members]
        right = int((x + np.where(rotated, heights, widths)).max())
        bottom = int((y + np.where(rotated, widths, heights)).max())
        width, height = self._sizes.outer(right, bottom)
        return PackedPage(width, height, members, places[members])


def _size(page: PackedPage) -> tuple[int, int, int]:
    return page.width * page.height, max(page.width, page.height), page.height
