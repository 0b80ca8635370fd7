"""Learns what the other textures of a project say of each one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from accel.texture.context import Experience, columns, expected
from accel.texture.kinds import KINDS
from accel.texture.sureness import Sureness
from accel.texture.trees import Trees, from_arrays
from tools.train import judging
from tools.train.boosting import dumped
from tools.train.judging import Floats
from tools.train.learning import JUDGED_RARE, importance
from tools.train.projects import DRAWS, Taken, around, weighed

ROUNDS = 40
BAGS = 2
"""Times that trees are grown, from other draws of rows and columns, and averaged: chance counts for less."""
PARTS = 4
"""Parts of the sources: each is judged by trees of the others, to choose thresholds by."""
SEED = 11
_PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(KINDS),
    "learning_rate": 0.1,
    "num_leaves": 6,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10,
    "max_bin": 63,
    "verbose": -1,
    "num_threads": 1,
    "force_row_wise": True,
    "deterministic": True,
}


def learn(taken: list[Taken]) -> tuple[Floats, Trees]:
    """What is usual, and trees that learned from every way of judging and every draw."""
    usual = np.concatenate([one.alone for one in taken]).mean(axis=0)
    rows, base, kinds, weights = [], [], [], []
    for number, one in enumerate(taken):
        for place, draw in enumerate(DRAWS):
            seen = columns(around(one, draw, SEED + number * len(DRAWS) + place), usual)
            rows.append(seen)
            base.append(expected(seen))
            kinds.append(one.kinds)
            weights.append(importance(one.kinds, one.sources, JUDGED_RARE))
    data = lightgbm.Dataset(
        np.concatenate(rows), np.concatenate(kinds), weight=np.concatenate(weights),
        init_score=np.concatenate(base),
    )  # fmt: skip
    parameters = {**_PARAMETERS, "min_data_in_leaf": _PARAMETERS["min_data_in_leaf"] * len(rows)}
    grown = [lightgbm.train({**parameters, "seed": SEED + bag}, data, ROUNDS) for bag in range(BAGS)]
    return usual, from_arrays(packed(grown))


def experienced(taken: list[Taken]) -> Experience:
    """All that ships: trees of everything, thresholds by trees that hadn't learned from the source."""
    parts = [_tried(taken, part) for part in range(PARTS)]
    judged, kinds, named, weights = map(
        np.concatenate, zip(*(row for part in parts for row in part), strict=True)
    )
    limits = [judging.thresholds(judged[of], kinds[of], weights[of]) for of in (~named, named)]
    return Experience(*learn(taken), *(Sureness(1.0, one) for one in limits))


def _tried(taken: list[Taken], part: int) -> Iterator[tuple[Floats, ...]]:
    """What trees of the other parts make of the textures of one, with kinds, whether named and weights."""
    usual, trees = learn([one.take(_parts(one.sources) != part) for one in taken])
    tried = Experience(usual, trees, Sureness(1.0, {}), Sureness(1.0, {}))
    for one in taken:
        asked = one.take(_parts(one.sources) == part)
        yield (
            weighed(tried, asked),
            asked.kinds,
            asked.named,
            importance(asked.kinds, asked.sources, JUDGED_RARE),
        )


def packed(grown: Sequence[lightgbm.Booster]) -> dict[str, NDArray[Any]]:
    """The mean of all, as `accel.texture.trees` reads it."""
    nodes: list[tuple[int, float, int, int, float]] = []
    roots, depth = [], 0
    for tree in chain.from_iterable(map(dumped, grown)):
        root, below = _packed(tree["tree_structure"], nodes)
        roots.append(root)
        depth = max(depth, below)
    features, splits, lower, higher, values = zip(*nodes, strict=True)
    return {
        "outputs": np.array(len(KINDS)),
        "depth": np.array(depth),
        "roots": np.array(roots, np.uint16),
        "features": np.array(features, np.uint8),
        "splits": np.array(splits, np.float32),
        "lower": np.array(lower, np.uint8),
        "higher": np.array(higher, np.uint8),
        "values": np.array(values, np.float32) / np.float32(len(grown)),
    }


def _packed(
    node: Mapping[str, Any], nodes: list[tuple[int, float, int, int, float]]
) -> tuple[int, int]:  # fmt: skip
    """Adds a node with all below it; gives its number, and how many steps lead from it to a leaf."""
    place = len(nodes)
    if "leaf_value" in node:
        nodes.append((0, 0.0, 0, 0, node["leaf_value"]))
        return place, 0
    nodes.append((0, 0.0, 0, 0, 0.0))
    lower, left = _packed(node["left_child"], nodes)
    higher, right = _packed(node["right_child"], nodes)
    nodes[place] = (node["split_feature"], node["threshold"], lower - place, higher - place, 0.0)
    return place, 1 + max(left, right)


def _parts(sources: NDArray[np.str_]) -> NDArray[np.int64]:
    """The part of each texture; a source is in one."""
    names = np.unique(sources)
    np.random.default_rng(5).shuffle(names)
    part_of = {str(name): place % PARTS for place, name in enumerate(names)}
    return np.array([part_of[str(one)] for one in sources])
