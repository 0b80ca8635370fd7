"""The training table of the texture-kind classifier: features, labels and sources, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import LEARNED_KINDS

PROCEDURAL = "procedural"
"""The source of rendered textures."""
UNLABELLED = -1
"""The kind of textures without a label."""

PROCEDURAL_SHARE = 0.2
"""Share of rendered textures in the total weight."""
TRAINING_BALANCE = 0.6
"""Exponent by which rare kinds gain weight in training: 0 leaves them rare, 1 makes all kinds equal."""
CALIBRATION_BALANCE = 0.4
"""The same where scores are calibrated and evaluated: lower, so that probabilities are nearer to how often a
kind occurs. Chosen by the figures of the model card."""


@dataclass
class Rows:
    """Textures; all arrays have the same first dimension."""

    names: list[str]
    """Names of the first columns of `features`; embeddings of the backbone follow."""
    features: NDArray[np.float32]
    kinds: NDArray[np.int64]
    """Index into LEARNED_KINDS, or UNLABELLED."""
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    original: NDArray[np.bool_]
    """Whether it is a real texture as published, neither augmented nor rendered."""
    files: NDArray[np.str_]
    """The .npz file with the row's images, and `#` with its index there."""

    def __len__(self) -> int:
        return len(self.kinds)

    def __add__(self, other: Rows) -> Rows:
        pairs = ((getattr(self, name), getattr(other, name)) for name in _ARRAYS)
        return Rows(self.names, *(np.concatenate(pair) for pair in pairs))

    def take(self, index: NDArray[Any]) -> Rows:
        """Returns the selected rows."""
        return Rows(self.names, *(getattr(self, name)[index] for name in _ARRAYS))

    def images(self, row: int) -> dict[str, NDArray[np.uint8]]:
        """Reads the picture and the patch of a row; those of all rows wouldn't fit in memory."""
        file, _, index = str(self.files[row]).rpartition("#")
        with np.load(file) as arrays:
            return {"picture": arrays["pictures"][int(index)], "patch": arrays["patches"][int(index)]}


_ARRAYS = ("features", "kinds", "sources", "paths", "original", "files")


def without_duplicates(rows: Rows, others: Rows) -> NDArray[np.bool_]:
    """Whether each row's features occur in none of the others; files with the same pixels have the same."""
    known = {row.tobytes() for row in others.features}
    return np.array([row.tobytes() not in known for row in rows.features])


def sample_weights(
    kinds: NDArray[np.int64], sources: NDArray[np.str_], balance: float = TRAINING_BALANCE
) -> NDArray[np.float64]:
    """Returns weights with mean 1: a source counts by the square root of its size, rare kinds gain by
    `balance`, and rendered textures have a fixed share."""
    weights = np.ones(len(kinds))
    for source in np.unique(sources):
        selected = sources == source
        weights[selected] /= np.sqrt(selected.sum())
    rendered = sources == PROCEDURAL
    if rendered.any() and not rendered.all():
        odds = PROCEDURAL_SHARE / (1 - PROCEDURAL_SHARE)
        weights[rendered] *= odds * weights[~rendered].sum() / weights[rendered].sum()
    totals = np.bincount(kinds, weights, len(LEARNED_KINDS))
    weights *= np.maximum(totals[kinds], 1e-9) ** -balance
    return weights / weights.mean()
