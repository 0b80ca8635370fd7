"""Learning and judging by sources: what is judged is never learned from, not even a sibling of it."""

from __future__ import annotations

import operator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray

from accel.texture.kinds import KINDS
from tools.train import boosting, network
from tools.train.rows import PROCEDURAL, Rows

FOLDS = 4
STEPS = 1500
"""Batches that a network learns from."""
NETWORKS = 2
"""Networks whose scores are averaged."""
PROCEDURAL_SHARE = 0.2
"""Weight of what was rendered, of all that is learned from."""
RARE = 0.6
"""Exponent by which rare kinds are lifted: 0 leaves them rare, 1 makes all equal."""
JUDGED_RARE = 0.4
"""By how much rare kinds are lifted where scores are weighed, see `RARE`: less than where they are
learned, so that probabilities are nearer to how often a kind is met. Chosen by the card's figures."""


@dataclass
class Learned:
    """What was learned from some rows."""

    trees: lightgbm.Booster
    networks: list[network.Network]

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Rows x models x kinds: the trees', the mean of the networks'."""
        nets = np.mean([network.predict(one, rows) for one in self.networks], axis=0)
        return np.stack([boosting.predict(self.trees, rows), nets], 1)


def learn(rows: Rows, given: NDArray[np.bool_], seed: int) -> Learned:
    """Learns from the rows that are given."""
    # One thread each: on a busy machine several wait for one another.
    torch.set_num_threads(1)
    weights = np.zeros(len(rows))
    weights[given] = importance(rows.kinds[given], rows.sources[given])
    trees = boosting.learn(rows, weights, seed)
    return Learned(trees, [network.learn(rows, weights, STEPS, seed + place) for place in range(NETWORKS)])


def out_of_fold(rows: Rows, more: Rows, jobs: int) -> tuple[Rows, NDArray[np.float32]]:
    """The real textures as shipped, then those of `more`, which nothing is learned from; and the scores of
    models that hadn't learned from their sources."""
    fold, other = np.split(folds(np.concatenate([rows.sources, more.sources])), [len(rows)])
    judged = [rows.take(np.flatnonzero((fold == place) & rows.shipped)) for place in range(FOLDS)]
    others = [more.take(other == place) for place in range(FOLDS)]

    def scores(place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        learned = learn(rows, fold != place, 10 * place)
        return learned.scores(judged[place]), learned.scores(others[place])

    # Threads, as they share the rows; what they call computes outside of Python.
    with ThreadPoolExecutor(jobs) as pool:
        known, theirs = zip(*pool.map(scores, range(FOLDS)), strict=True)
    return reduce(operator.add, (*judged, *others)), np.concatenate([*known, *theirs])


def folds(sources: NDArray[np.str_]) -> NDArray[np.int64]:
    """The fold of each row, -1 for what was rendered; a source, with its family, is in one."""
    names = np.unique(sources[sources != PROCEDURAL])
    np.random.default_rng(7).shuffle(names)
    fold_of = {str(name): place % FOLDS for place, name in enumerate(names)}
    return np.array([fold_of.get(str(one), -1) for one in sources])


def importance(
    kinds: NDArray[np.int64], sources: NDArray[np.str_], rare: float = RARE
) -> NDArray[np.float64]:
    """Weights: a source counts by the root of its size, rare kinds are lifted, rendered ones have a share."""
    weights = np.ones(len(kinds))
    for source in np.unique(sources):
        of = sources == source
        weights[of] /= np.sqrt(of.sum())
    rendered = sources == PROCEDURAL
    if rendered.any() and not rendered.all():
        odds = PROCEDURAL_SHARE / (1 - PROCEDURAL_SHARE)
        weights[rendered] *= odds * weights[~rendered].sum() / weights[rendered].sum()
    totals = np.bincount(kinds, weights, len(KINDS))
    weights *= np.maximum(totals[kinds], 1e-9) ** -rare
    return weights / weights.mean()


def accuracy(right: NDArray[Any], sources: NDArray[np.str_]) -> tuple[float, float]:
    """Over textures, and the mean over sources."""
    return float(right.mean()), float(np.mean([right[sources == one].mean() for one in np.unique(sources)]))
