"""What the classifier learns from: the inputs of textures, with their kinds and sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROCEDURAL = "procedural"
"""The source of what was rendered."""
UNLABELLED = -1
"""The kind of what nobody labelled."""


@dataclass
class Rows:
    """Textures; all arrays have the same first dimension."""

    names: list[str]
    """Of the first features; what the backbone sees follows."""
    features: NDArray[np.float32]
    kinds: NDArray[np.int64]
    """Index into KINDS, or UNLABELLED."""
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    shipped: NDArray[np.bool_]
    """Whether it is a texture as shipped, not a variant."""
    stored: NDArray[np.str_]
    """The file that its images are in, and `#` with its place there."""

    def __len__(self) -> int:
        return len(self.kinds)

    def take(self, index: NDArray[Any]) -> Rows:
        """Some of the rows."""
        return Rows(
            self.names, self.features[index], self.kinds[index], self.sources[index], self.paths[index],
            self.shipped[index], self.stored[index],
        )  # fmt: skip

    def images(self, row: int) -> dict[str, NDArray[np.uint8]]:
        """The picture and the patch of one; read anew, as all of them would fill the memory."""
        file, _, place = str(self.stored[row]).rpartition("#")
        with np.load(file) as arrays:
            return {"picture": arrays["pictures"][int(place)], "patch": arrays["patches"][int(place)]}

    def __add__(self, other: Rows) -> Rows:
        pairs = ((getattr(self, one), getattr(other, one)) for one in _ARRAYS)
        return Rows(self.names, *(np.concatenate(pair) for pair in pairs))


_ARRAYS = ("features", "kinds", "sources", "paths", "shipped", "stored")


def unlike(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Which have features that none of the others has: files with the same pixels have the same."""
    known = {row.tobytes() for row in others.features}
    return np.array([row.tobytes() not in known for row in rows.features])
