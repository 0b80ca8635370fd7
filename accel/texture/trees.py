"""Boosted trees as arrays, for judging many rows without starting onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

AT_ONCE = 512
"""Rows that are judged together, which bounds the memory that takes."""


class Trees(Struct, frozen=True):
    """Trees for each output in turn: the first for output 0, the next for 1, and so on again.

    A leaf has itself for children, so that all trees can be walked down by `depth` equal steps.
    """

    outputs: int
    depth: int
    roots: NDArray[np.int32]
    features: NDArray[np.int32]
    """By node; of a leaf any."""
    splits: NDArray[np.float32]
    """A value that isn't above it goes to the lower child."""
    lower: NDArray[np.int32]
    higher: NDArray[np.int32]
    values: NDArray[np.float32]
    """By node; of what isn't a leaf 0."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of the leaves that each row falls into: rows x outputs."""
        parts = [self._scores(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        node = np.repeat(self.roots[None], len(rows), axis=0)
        of = np.arange(len(rows))[:, None]
        for _ in range(self.depth):
            below = rows[of, self.features[node]] <= self.splits[node]
            node = np.where(below, self.lower[node], self.higher[node])
        leaves = self.values[node].astype(np.float64)
        return np.asarray(leaves.reshape(len(rows), -1, self.outputs).sum(axis=1))


def from_arrays(found: Mapping[str, NDArray[Any]]) -> Trees:
    """Trees of a file of arrays. Raises KeyError and ValueError where one is missing or has no such form."""
    wide = {name: found[name].astype(np.int32) for name in ("roots", "features", "lower", "higher")}
    splits, values = (found[name].astype(np.float32) for name in ("splits", "values"))
    if len({len(splits), len(values), *(len(one) for name, one in wide.items() if name != "roots")}) != 1:
        raise ValueError("nodes have arrays of several lengths")
    return Trees(int(found["outputs"]), int(found["depth"]), **wide, splits=splits, values=values)
