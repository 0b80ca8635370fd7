"""Regions of a mask as rectangles, however they are turned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.vips_image import image_of

Floats = NDArray[np.float64]


class Box(Struct, frozen=True):
    """A rectangle: its corners lie clockwise (y goes down), the first side from the first to the second."""

    corners: Floats
    """4 x 2: x and y in pixels; whole numbers are the edges between pixels."""

    @property
    def width(self) -> float:
        """Of the first side."""
        return float(np.hypot(*(self.corners[1] - self.corners[0])))

    @property
    def height(self) -> float:
        """Of the second side."""
        return float(np.hypot(*(self.corners[2] - self.corners[1])))

    def grown(self, by: float) -> Box:
        """Larger by so many pixels on each side."""
        center = self.corners.mean(0)
        along = (self.corners[1] - self.corners[0]) / max(self.width, 1e-9)
        down = (self.corners[2] - self.corners[1]) / max(self.height, 1e-9)
        half = along * (self.width / 2 + by), down * (self.height / 2 + by)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return Box(np.array([center + a * half[0] + b * half[1] for a, b in signs]))

    def scaled(self, across: float, down: float) -> Box:
        """In pixels of an image of another size."""
        return Box(self.corners * (across, down))

    def turned(self, quarters: int) -> Box:
        """The same rectangle, seen from another side: its first corner is the `quarters`-th clockwise."""
        return Box(np.roll(self.corners, -quarters, axis=0))

    def meets(self, other: Box) -> bool:
        """Whether the middle of one lies within the other."""
        return self._holds(other.corners.mean(0)) or other._holds(self.corners.mean(0))

    def _holds(self, point: Floats) -> bool:
        sides = self.corners[[1, 3]] - self.corners[0]
        along = sides @ (point - self.corners[0])
        return bool((along >= 0).all() and (along <= (sides**2).sum(1)).all())


def regions(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """The pixels of each connected region, n x 2 of y and x; neighbours share a side."""
    labels = image_of(mask.astype(np.uint8)[..., None], "b-w").labelregions()
    numbers = np.frombuffer(labels.write_to_memory(), np.int32).reshape(mask.shape)
    places = np.flatnonzero(mask)
    if not len(places):
        return
    found = numbers.reshape(-1)[places]
    order = np.argsort(found, kind="stable")
    ends = np.flatnonzero(np.diff(found[order])) + 1
    for part in np.split(places[order], ends):
        yield np.stack(np.unravel_index(part, mask.shape), 1)


def around(pixels: NDArray[np.intp]) -> Box:
    """The smallest rectangle around pixels, n x 2 of y and x; its first side is the one nearest to level."""
    hull = _hull(_outline(pixels))
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2))
    # A smallest rectangle has a side along one of the hull's (Freeman and Shapira, 1975).
    along = np.stack([np.cos(angles), np.sin(angles)], 1)
    down = np.stack([-along[:, 1], along[:, 0]], 1)
    x, y = hull @ along.T, hull @ down.T
    best = int(((x.max(0) - x.min(0)) * (y.max(0) - y.min(0))).argmin())
    bounds = x[:, best].min(), x[:, best].max(), y[:, best].min(), y[:, best].max()
    left, right, top, bottom = bounds
    places = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    box = Box(places @ np.stack([along[best], down[best]]))
    # Turned by 0 to 90 degrees so far.
    return box if angles[best] <= np.pi / 4 else box.turned(3)


def _outline(pixels: NDArray[np.intp]) -> Floats:
    """The corners, x and y, of the first and last pixel of each row: all others lie within their hull."""
    ordered = pixels[np.lexsort((pixels[:, 1], pixels[:, 0]))]
    rows, starts = np.unique(ordered[:, 0], return_index=True)
    ends = np.append(starts[1:], len(ordered))
    sides = ordered[starts, 1], ordered[ends - 1, 1] + 1
    return np.concatenate([np.stack([x, y], 1) for x in sides for y in (rows, rows + 1)]).astype(float)


def _hull(points: Floats) -> Floats:
    """The convex hull, by Andrew's monotone chain."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(given: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in given:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 0:
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
