"""What the textures around each one are taken for, and what share of them is of its size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS

LEVELS = ("project", "folder", "beside")
"""How far around a texture is looked; `beside` has what lies directly in folders of the same parent, where
the project's root counts as one of its own folders."""

COUNTED = LEVELS[:2]
"""Where those of the same size are counted: what is drawn for one purpose, as the tiles of a map or the icons
of a bar, is of one size, and a painting rarely is."""

Sums = NDArray[np.int64]
Size = tuple[int, int]
"""Width and height, texels."""
Place = tuple[str, str]
"""One of LEVELS, and a folder below the project's root."""


class Neighbours:
    """Sums by project and folder; whole numbers, so that they are the same in whatever order they grow."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sums] = {}
        self._counts: dict[Place, int] = {}
        self._sized: dict[tuple[Place, Size], int] = {}
        self.count = 0

    def add(self, file: str, size: Size, portions: Sums) -> None:
        """One more texture: its file, below the project's root with slashes, and what it is taken for."""
        self.count += 1
        for key in _sized(file, size):
            self._sized[key] = self._sized.get(key, 0) + 1
        for place in places(file):
            self._counts[place] = self._counts.get(place, 0) + 1
            if place in self._sums:
                self._sums[place] += portions
            else:
                self._sums[place] = portions.copy()

    def remove(self, file: str, size: Size, portions: Sums) -> None:
        """Forgets one that was added."""
        self.count -= 1
        for key in _sized(file, size):
            self._sized[key] -= 1
            if not self._sized[key]:
                del self._sized[key]
        for place in places(file):
            self._counts[place] -= 1
            self._sums[place] -= portions
            if not self._counts[place]:
                del self._counts[place], self._sums[place]

    def around(self, files: Iterable[str]) -> Sums:
        """Levels x files x kinds: the sums of all around each, with itself."""
        none = np.zeros(len(KINDS), np.int64)
        rows = [[self._sums.get(place, none) for place in places(file)] for file in files]
        return np.array(rows, np.int64).reshape(-1, len(LEVELS), len(KINDS)).swapaxes(0, 1)

    def alike(self, files: Sequence[str], sizes: Sequence[Size]) -> NDArray[np.float64]:
        """COUNTED x files: by `alike`, of those that were added."""
        keys = [_sized(file, size) for file, size in zip(files, sizes, strict=True)]
        same = np.array([[self._sized.get(key, 0) for key in one] for one in keys])
        all = np.array([[self._counts.get(place, 0) for place, _ in one] for one in keys])
        return alike(np.maximum(same - 1, 0), np.maximum(all - 1, 0)).reshape(-1, len(COUNTED)).T


def alike(same: NDArray[Any], all: NDArray[Any]) -> NDArray[np.float64]:
    """Of the others, the share that is of a texture's size; half where there are none."""
    return np.asarray((same + 0.5) / (all + 1.0))


def places(file: str) -> Sequence[Place]:
    """Where a file counts, by LEVELS."""
    folder = file.rpartition("/")[0]
    return tuple(zip(LEVELS, ("", folder, folder.rpartition("/")[0]), strict=True))


def _sized(file: str, size: Size) -> Sequence[tuple[Place, Size]]:
    return [(place, size) for place in places(file)[: len(COUNTED)]]
