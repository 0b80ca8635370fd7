"""The textures of projects together: what each was taken for alone, and what the others are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.context import FEWEST, Around, Experience
from accel.texture.kinds import KINDS
from accel.texture.neighbours import COUNTED, LEVELS, alike, places
from accel.texture.sureness import CLASSES
from accel.texture.trees import to_arrays

TILT = 1.2
"""Deviation of the logarithm of how much more or less of a kind a project may have than was labelled."""

Floats = NDArray[np.floating[Any]]
Draw = Callable[[np.random.Generator, Floats, NDArray[np.int64]], Floats]


class Taken(Struct, frozen=True):
    """What each texture was taken for alone, in one way of judging: with names, or by pixels."""

    alone: Floats
    kinds: NDArray[np.int64]
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    sizes: NDArray[np.int64]
    """Width and height, texels."""
    named: NDArray[np.bool_]
    """Whether the name said anything of it."""

    def take(self, rows: NDArray[Any]) -> Taken:
        """Some of them."""
        return Taken(
            self.alone[rows], self.kinds[rows], self.sources[rows], self.paths[rows], self.sizes[rows],
            self.named[rows],
        )  # fmt: skip

    def levels(self) -> list[NDArray[np.int64]]:
        """By level, a number for each texture, which those have in common that lie together."""
        lie = [places(path.replace("!", "/")) for path in self.paths.tolist()]
        keys = [
            [f"{one}/{folder}" for _, folder in each] for one, each in zip(self.sources, lie, strict=True)
        ]
        return [np.unique(level, return_inverse=True)[1] for level in zip(*keys, strict=True)]


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


def around(taken: Taken, draw: Draw = _all, seed: int = 0) -> Around:
    """What is around each texture, where the others count as they are drawn."""
    levels = taken.levels()
    weight = draw(np.random.default_rng(seed), taken.alone, levels[0])[:, None]
    others = np.stack([_summed(taken.alone * weight, level) for level in levels])
    # All of them: a draw by kinds would tilt this too, as those of one size are mostly of one kind.
    shares = [_alike(level, taken.sizes) for level in levels[: len(COUNTED)]]
    return Around(taken.alone, others, np.stack(shares))


def _alike(level: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    """Of the others of its level, the share that is of a texture's size."""
    sized = np.unique(np.column_stack([level, sizes]), axis=0, return_inverse=True)[1].ravel()
    same, all = (np.bincount(one)[one] - 1 for one in (sized, level))
    return alike(same, all)


def _summed(values: Floats, group: NDArray[np.int64]) -> Floats:
    """Of each row, the sums of the others of its group."""
    sums = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return np.asarray(np.maximum(sums[group] - values, 0.0))


def weighed(known: Experience, taken: Taken) -> Floats:
    """Probabilities in context; of sources with too few textures those that they had alone."""
    found = around(taken)
    enough = found.others[0].sum(axis=1) >= FEWEST - 1e-6
    return np.where(enough[:, None], known.weigh(found), taken.alone)


def write(known: Experience, file: Path) -> None:
    """Writes what `accel.texture.context.read` reads."""
    np.savez_compressed(
        file,
        kinds=np.array(KINDS),
        levels=np.array(LEVELS),
        usual=known.usual,
        pixels=np.array([known.pixels.thresholds[one] for one in CLASSES]),
        names=np.array([known.names.thresholds[one] for one in CLASSES]),
        **to_arrays(known.trees),
    )
