"""What the textures around each one are taken for: in its project, its folder and the folders beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS

LEVELS = ("project", "folder", "beside")
"""How far around a texture is looked; `beside` has what lies directly in folders of the same parent, where
the project's root counts as one of its own folders."""

Sums = NDArray[np.int64]
Place = tuple[str, str]
"""One of LEVELS, and a folder below the project's root."""


class Neighbours:
    """Sums by project and folder; whole numbers, so that they are the same in whatever order they grow."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sums] = {}
        self._counts: dict[Place, int] = {}
        self.count = 0

    def add(self, file: str, portions: Sums) -> None:
        """One more texture: its file, below the project's root with slashes, and what it is taken for."""
        self.count += 1
        for place in places(file):
            self._counts[place] = self._counts.get(place, 0) + 1
            if place in self._sums:
                self._sums[place] += portions
            else:
                self._sums[place] = portions.copy()

    def remove(self, file: str, portions: Sums) -> None:
        """Forgets one that was added."""
        self.count -= 1
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


def places(file: str) -> Sequence[Place]:
    """Where a file counts, by LEVELS."""
    folder = file.rpartition("/")[0]
    return tuple(zip(LEVELS, ("", folder, folder.rpartition("/")[0]), strict=True))
