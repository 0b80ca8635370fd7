"""Boosted trees as arrays, for judging many rows without starting onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

AT_ONCE = 128
"""Rows that are judged together: what that takes stays in a core's cache."""


class Trees(Struct, frozen=True):
    """Trees for each output in turn: the first for output 0, the next for 1, and so on again.

    A leaf has itself for children, so that all trees can be walked down by `depth` equal steps.
    """

    outputs: int
    depth: int
    roots: NDArray[np.intp]
    features: NDArray[np.intp]
    """By node; of a leaf any."""
    splits: NDArray[np.float32]
    """A value that isn't above it goes to the lower child."""
    children: NDArray[np.intp]
    """The higher and the lower one of each node, in turn."""
    values: NDArray[np.float32]
    """By node; of what isn't a leaf 0."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """The sum of the leaves that each row falls into: rows x outputs."""
        parts = [self._scores(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros((0, self.outputs))

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        values, begins = rows.ravel(), np.arange(len(rows))[:, None] * rows.shape[1]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            # By flat places: numpy takes these in a third of the time that a row and a column cost.
            below = values.take(begins + self.features.take(node)) <= self.splits.take(node)
            node = self.children.take(2 * node + below)
        leaves = self.values.take(node).astype(np.float64)
        return np.asarray(leaves.reshape(len(rows), -1, self.outputs).sum(axis=1))


def from_arrays(found: Mapping[str, NDArray[Any]]) -> Trees:
    """Trees of a file of arrays, in which a child is told by how many nodes after its parent it stands: such
    numbers are small and often the same. Raises KeyError and ValueError where one is missing or has no such
    form."""
    roots, features, lower, higher = (
        found[name].astype(np.intp) for name in ("roots", "features", "lower", "higher")
    )
    splits, values = (found[name].astype(np.float32) for name in ("splits", "values"))
    if len({len(one) for one in (splits, values, features, lower, higher)}) != 1:
        raise ValueError("nodes have arrays of several lengths")
    children = (np.stack([higher, lower], axis=1) + np.arange(len(splits))[:, None]).ravel()
    return Trees(int(found["outputs"]), int(found["depth"]), roots, features, splits, children, values)


def to_arrays(trees: Trees) -> dict[str, NDArray[Any]]:
    """What `from_arrays` makes the same trees of."""
    apart = trees.children.reshape(-1, 2) - np.arange(len(trees.splits))[:, None]
    return {
        "outputs": np.array(trees.outputs),
        "depth": np.array(trees.depth),
        "roots": trees.roots.astype(np.uint16),
        "features": trees.features.astype(np.uint8),
        "splits": trees.splits,
        "lower": apart[:, 1].astype(np.uint8),
        "higher": apart[:, 0].astype(np.uint8),
        "values": trees.values,
    }
