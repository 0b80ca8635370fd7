"""The textures of projects together: what each was taken for alone, and what the others are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.context import FEWEST, Experience
from accel.texture.kinds import KINDS
from accel.texture.sureness import CLASSES

TILT = 1.2
"""Deviation of the logarithm of how much more or less of a kind a project may have than was labelled."""

Floats = NDArray[np.floating[Any]]
Draw = Callable[[np.random.Generator, Floats, NDArray[np.int64]], Floats]


class Taken(Struct, frozen=True):
    """What each texture was taken for alone, in one way of judging: with names, or by pixels."""

    alone: Floats
    kinds: NDArray[np.int64]
    sources: NDArray[np.str_]
    named: NDArray[np.bool_]
    """Whether the name said anything of it."""

    def take(self, places: NDArray[Any]) -> Taken:
        """Some of them."""
        return Taken(self.alone[places], self.kinds[places], self.sources[places], self.named[places])


def _all(chance: np.random.Generator, alone: Floats, source: NDArray[np.int64]) -> Floats:
    return np.ones(len(alone))


def _half(chance: np.random.Generator, alone: Floats, source: NDArray[np.int64]) -> Floats:
    return (chance.random(len(alone)) < 0.5).astype(float)


def _tilted(chance: np.random.Generator, alone: Floats, source: NDArray[np.int64]) -> Floats:
    """Of each source, more of some kinds and less of others: labels are a sample that was chosen."""
    weights = np.exp(chance.normal(0, TILT, (source.max() + 1, len(KINDS))))
    drawn: Floats = weights[source, alone.argmax(axis=1)]
    return drawn


DRAWS: tuple[Draw, ...] = (_all, _half, _tilted)
"""How much each texture counts among the others, so that it is learned from more mixtures than were seen."""


def others(taken: Taken, draw: Draw = _all, seed: int = 0) -> Floats:
    """For each texture, the sums of what the others of its source are taken for."""
    _, source = np.unique(taken.sources, return_inverse=True)
    weight = draw(np.random.default_rng(seed), taken.alone, source)[:, None]
    sums = np.zeros((source.max() + 1, len(KINDS)))
    np.add.at(sums, source, taken.alone * weight)
    return np.asarray(np.maximum(sums[source] - taken.alone * weight, 0.0))


def weighed(known: Experience, taken: Taken) -> Floats:
    """Probabilities in context; of sources with too few textures those that they had alone."""
    sums = others(taken)
    enough = sums.sum(axis=1) >= FEWEST - 1e-6
    return np.where(enough[:, None], known.weigh(taken.alone, sums), taken.alone)


def write(known: Experience, file: Path) -> None:
    """Writes what `accel.texture.context.read` reads."""
    trees = known.trees
    np.savez_compressed(
        file,
        kinds=np.array(KINDS),
        usual=known.usual,
        pixels=np.array([known.pixels.thresholds[one] for one in CLASSES]),
        names=np.array([known.names.thresholds[one] for one in CLASSES]),
        outputs=np.array(trees.outputs),
        depth=np.array(trees.depth),
        roots=trees.roots.astype(np.uint16),
        features=trees.features.astype(np.uint8),
        splits=trees.splits,
        lower=trees.children[1::2].astype(np.uint16),
        higher=trees.children[::2].astype(np.uint16),
        values=trees.values,
    )
