"""Rectangles into as few and as small pages as a number of tries finds; always the same for the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.packing.maxrects import pack
from accel.image.packing.rules import FIXED, Ints, Rule, Way, growing, sorted_by
from accel.image.packing.sizes import Sizes

TRIES = {"fast": 2_000, "normal": 6_000, "best": 64_000}
"""How often any rectangle is placed, all tries together."""

FEWEST, MOST = {"fast": 2, "normal": 4, "best": 16}, {"fast": 16, "normal": 40, "best": 256}
"""Tries, however many or few rectangles there are."""

WIDTHS = 8
"""Widths that one way is tried with before the next, at least."""

CONTACT_MOST = 128
"""Rectangles up to which the contact of each with each is looked at: it costs their square."""

_FILLED = 0.995
"""What no try has ever filled of a page by more than a few rectangles."""


class Packed(Struct, frozen=True):
    """One page."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    members: NDArray[np.intp]
    """Which of the rectangles are on it, ascending."""
    places: Ints
    """For each of them: left, top, and 1 if it is turned."""


def pack_pages(widths: Ints, heights: Ints, sizes: Sizes, rotate: bool, effort: str) -> list[Packed]:
    """All rectangles on pages; each of them fits a page alone (`Sizes.holds`)."""
    left, pages = np.arange(len(widths)), []
    while len(left):
        packer = _Packer(widths[left], heights[left], sizes, rotate, effort)
        page = packer.smallest() or packer.fullest()
        on_page = left[page.members]
        pages.append(Packed(page.width, page.height, on_page, page.places))
        left = np.setdiff1d(left, on_page, assume_unique=True)
    return pages


class _Packer:
    """Tries for one page."""

    def __init__(self, widths: Ints, heights: Ints, sizes: Sizes, rotate: bool, effort: str) -> None:
        self._widths, self._heights, self._sizes, self._rotate = widths, heights, sizes, rotate
        self._area = int((widths * heights).sum())
        count = len(widths)
        self._tries = max(FEWEST[effort], min(MOST[effort], TRIES[effort] // count))
        fixed = [way for way in FIXED if way[0] is not Rule.CONTACT or count <= CONTACT_MOST]
        self._fixed = fixed[: self._tries]
        self._growing = growing(rotate)

    def smallest(self) -> Packed | None:
        """The smallest page found that holds all, or None."""
        if self._area > self._sizes.inner_longest**2:
            return None
        best = self._grown()
        return self._shrunk(best) if best else None

    def fullest(self) -> Packed:
        """A page of the largest size with as much on it as is found."""
        side = self._sizes.inner_longest
        ways = [*self._fixed[: self._tries // 2], *self._growing[: self._tries - self._tries // 2]]
        tries = [self._tried(side, side, way) for way in ways]
        areas = [int((self._widths * self._heights)[places[:, 0] >= 0].sum()) for places in tries]
        return self._page(tries[int(np.argmax(areas))])

    def _grown(self) -> Packed | None:
        """The best of pages of several widths, each as high as it becomes."""
        longest, best = self._sizes.inner_longest, None
        narrowest = np.minimum(self._widths, self._heights) if self._rotate else self._widths
        widths = self._sizes.widths(self._area, int(narrowest.max()))[: max(WIDTHS, self._tries // 4)]
        for number, (width, way) in enumerate(self._pairs(widths)):
            # Where all before found no page at all, others may.
            if number >= (self._tries if best else 3 * self._tries):
                break
            places = self._tried(width, longest, way)
            if (places[:, 0] >= 0).all():
                page = self._page(places)
                if best is None or _size(page) < _size(best):
                    best = page
        return best

    def _pairs(self, widths: list[int]) -> Iterator[tuple[int, Way]]:
        """Each width that could do with each way, the likeliest first; ways of a fixed page last."""
        longest = self._sizes.inner_longest
        wide = [width for width in widths if width * longest >= self._area]
        for way in self._growing:
            yield from ((width, way) for width in wide)
        yield from ((longest, way) for way in self._fixed)

    def _shrunk(self, best: Packed) -> Packed:
        """The page, or a smaller one that all fit on by the ways for a given size."""
        tries = max(FEWEST["normal"], self._tries // 2)
        for width, height in self._sizes.smaller(best.width, best.height):
            inner = self._sizes.inner(width), self._sizes.inner(height)
            if self._area > _FILLED * inner[0] * inner[1] and len(self._widths) > 1:
                continue
            for way in list(self._fixed):
                places = self._tried(*inner, way)
                tries -= 1
                if (places[:, 0] >= 0).all():
                    best = min(best, self._page(places), key=_size)
                    # What did it once is the likeliest to do it again.
                    self._fixed.remove(way)
                    self._fixed.insert(0, way)
                    break
                if tries <= 0:
                    return best
            else:
                if self._sizes.ends_shrinking:
                    return best
        return best

    def _tried(self, width: int, height: int, way: Way) -> Ints:
        rule, order = way
        indices = sorted_by(order, self._widths, self._heights)
        places = np.empty((len(indices), 3), np.int64)
        places[indices] = pack(
            self._widths[indices], self._heights[indices], width, height, rule, self._rotate
        )
        return places

    def _page(self, places: Ints) -> Packed:
        members = np.flatnonzero(places[:, 0] >= 0)
        x, y, turned = places[members].T
        widths, heights = self._widths[members], self._heights[members]
        right = int((x + np.where(turned, heights, widths)).max())
        bottom = int((y + np.where(turned, widths, heights)).max())
        width, height = self._sizes.outer(right, bottom)
        return Packed(width, height, members, places[members])


def _size(page: Packed) -> tuple[int, int, int]:
    return page.width * page.height, max(page.width, page.height), page.height
