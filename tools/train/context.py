"""Trains the trees that correct each texture's probabilities by those of its project's other textures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.texture.context import (
    COUNTED,
    FEWEST,
    LEVELS,
    ContextModel,
    ContextRows,
    columns,
    expected_shares,
    place_names,
    same_size_share,
)
from accel.texture.kinds import LEARNED_KINDS
from accel.texture.model import CLASSES, Trees, from_arrays, to_arrays
from accel.texture.model import Thresholds as Sureness
from tools.train.rows import CALIBRATION_BALANCE, sample_weights

if TYPE_CHECKING:
    import lightgbm

SAMPLING_DEVIATION = 1.2
"""Deviation of the log factor by which a project may have more or less of a kind than its labels."""

ROUNDS = 40
BAGS = 2
"""Trainings on different samples of rows and columns whose trees are averaged, to reduce variance."""
PARTS = 4
"""Parts of the sources: thresholds for one are chosen with trees trained on the others."""
SEED = 11
_PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(LEARNED_KINDS),
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

Floats = NDArray[np.floating[Any]]
Sampling = Callable[[np.random.Generator, Floats, NDArray[np.int64]], Floats]
"""Maps a random generator, probabilities and source numbers to the weight of each texture as a neighbour."""
Thresholds = Callable[[Floats, NDArray[np.int64], Floats], dict[str, float]]
"""Maps probabilities, kinds and weights to a threshold for each class; see `calibration.thresholds`."""


class Predictions(Struct, frozen=True):
    """Probabilities of textures without their context: with names, or by pixels only."""

    probabilities: Floats
    kinds: NDArray[np.int64]
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    sizes: NDArray[np.int64]
    """Width and height, texels."""
    named: NDArray[np.bool_]
    """Whether the name was evidence."""

    def take(self, rows: NDArray[Any]) -> Predictions:
        """Returns the selected textures."""
        return Predictions(
            self.probabilities[rows], self.kinds[rows], self.sources[rows], self.paths[rows],
            self.sizes[rows], self.named[rows],
        )  # fmt: skip

    def groups(self) -> list[NDArray[np.int64]]:
        """Returns the group number of each texture by level: the project, the folder and its neighbours."""
        folders = [place_names(path.replace("!", "/")) for path in self.paths.tolist()]
        keys = [
            [f"{source}/{folder}" for _, folder in levels]
            for source, levels in zip(self.sources, folders, strict=True)
        ]
        return [np.unique(level, return_inverse=True)[1] for level in zip(*keys, strict=True)]


def _all(rng: np.random.Generator, probabilities: Floats, source: NDArray[np.int64]) -> Floats:
    return np.ones(len(probabilities))


def _half(rng: np.random.Generator, probabilities: Floats, source: NDArray[np.int64]) -> Floats:
    return (rng.random(len(probabilities)) < 0.5).astype(float)


def _reweighted(rng: np.random.Generator, probabilities: Floats, source: NDArray[np.int64]) -> Floats:
    """More of some kinds and less of others in each source: labels aren't a random sample."""
    weights = np.exp(rng.normal(0, SAMPLING_DEVIATION, (source.max() + 1, len(LEARNED_KINDS))))
    weight: Floats = weights[source, probabilities.argmax(axis=1)]
    return weight


SAMPLINGS: tuple[Sampling, ...] = (_all, _half, _reweighted)
"""How neighbours are weighted, so that training sees more mixtures of kinds than the sources have."""


def context_of(predictions: Predictions, sampling: Sampling = _all, seed: int = 0) -> ContextRows:
    """Returns the context of each texture, with the others weighted by `sampling`."""
    groups = predictions.groups()
    weight = sampling(np.random.default_rng(seed), predictions.probabilities, groups[0])[:, None]
    others = np.stack([_sum_of_others(predictions.probabilities * weight, group) for group in groups])
    # Unweighted: textures of one size are mostly of one kind, so weights by kind would distort this.
    shares = [_share_of_size(group, predictions.sizes) for group in groups[: len(COUNTED)]]
    return ContextRows(predictions.probabilities, others, np.stack(shares))


def _share_of_size(group: NDArray[np.int64], sizes: NDArray[np.int64]) -> Floats:
    """Returns the share of a texture's group that has its size."""
    sized = np.unique(np.column_stack([group, sizes]), axis=0, return_inverse=True)[1].ravel()
    same, every = (np.bincount(numbers)[numbers] - 1 for numbers in (sized, group))
    return same_size_share(same, every)


def _sum_of_others(values: Floats, group: NDArray[np.int64]) -> Floats:
    """Returns, for each row, the sum over the other rows of its group."""
    sums = np.zeros((group.max() + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return np.asarray(np.maximum(sums[group] - values, 0.0))


def predict_in_context(model: ContextModel, predictions: Predictions) -> Floats:
    """Returns probabilities in context; those of sources with too few textures are unchanged."""
    context = context_of(predictions)
    enough = context.others[0].sum(axis=1) >= FEWEST - 1e-6
    return np.where(enough[:, None], model.weigh(context), predictions.probabilities)


def train(predictions: list[Predictions], thresholds: Thresholds) -> ContextModel:
    """Trains the model that is shipped: trees on everything, thresholds by cross-validation."""
    parts = [_cross_validated(predictions, part) for part in range(PARTS)]
    probabilities, kinds, named, weights = map(
        np.concatenate, zip(*(row for part in parts for row in part), strict=True)
    )
    limits = [thresholds(probabilities[of], kinds[of], weights[of]) for of in (~named, named)]
    return ContextModel(*train_trees(predictions), *(Sureness(1.0, limit) for limit in limits))


def train_trees(predictions: list[Predictions]) -> tuple[Floats, Trees]:
    """Returns the mean probabilities, and trees trained on all predictions with all samplings."""
    import lightgbm  # only training needs it

    usual = np.concatenate([each.probabilities for each in predictions]).mean(axis=0)
    rows, base, kinds, weights = [], [], [], []
    for number, each in enumerate(predictions):
        for place, sampling in enumerate(SAMPLINGS):
            features = columns(context_of(each, sampling, SEED + number * len(SAMPLINGS) + place), usual)
            rows.append(features)
            base.append(expected_shares(features))
            kinds.append(each.kinds)
            weights.append(sample_weights(each.kinds, each.sources, CALIBRATION_BALANCE))
    data = lightgbm.Dataset(
        np.concatenate(rows), np.concatenate(kinds), weight=np.concatenate(weights),
        init_score=np.concatenate(base),
    )  # fmt: skip
    parameters = {**_PARAMETERS, "min_data_in_leaf": _PARAMETERS["min_data_in_leaf"] * len(rows)}
    boosters = [lightgbm.train({**parameters, "seed": SEED + bag}, data, ROUNDS) for bag in range(BAGS)]
    return usual, from_arrays(pack_trees(boosters))


def _cross_validated(predictions: list[Predictions], part: int) -> Iterator[tuple[Floats, ...]]:
    """Yields probabilities in context by trees of the other parts, with kinds, named and weights."""
    usual, trees = train_trees([each.take(_parts(each.sources) != part) for each in predictions])
    model = ContextModel(usual, trees, Sureness(1.0, {}), Sureness(1.0, {}))
    for each in predictions:
        tested = each.take(_parts(each.sources) == part)
        yield (
            predict_in_context(model, tested),
            tested.kinds,
            tested.named,
            sample_weights(tested.kinds, tested.sources, CALIBRATION_BALANCE),
        )


def pack_trees(boosters: Sequence[lightgbm.Booster]) -> dict[str, NDArray[Any]]:
    """Returns the mean of all boosters, in the format that `accel.texture.model` reads."""
    nodes: list[tuple[int, float, int, int, float]] = []
    roots, depth = [], 0
    for tree in chain.from_iterable(booster.dump_model()["tree_info"] for booster in boosters):
        root, below = _pack(tree["tree_structure"], nodes)
        roots.append(root)
        depth = max(depth, below)
    features, splits, lower, higher, values = zip(*nodes, strict=True)
    return {
        "outputs": np.array(len(LEARNED_KINDS)),
        "depth": np.array(depth),
        "roots": np.array(roots, np.uint16),
        "features": np.array(features, np.uint8),
        "splits": np.array(splits, np.float32),
        "lower": np.array(lower, np.uint8),
        "higher": np.array(higher, np.uint8),
        "values": np.array(values, np.float32) / np.float32(len(boosters)),
    }


def _pack(
    node: Mapping[str, Any], nodes: list[tuple[int, float, int, int, float]]
) -> tuple[int, int]:  # fmt: skip
    """Adds a node and its descendants; returns its index and its height."""
    place = len(nodes)
    if "leaf_value" in node:
        nodes.append((0, 0.0, 0, 0, node["leaf_value"]))
        return place, 0
    nodes.append((0, 0.0, 0, 0, 0.0))
    lower, left = _pack(node["left_child"], nodes)
    higher, right = _pack(node["right_child"], nodes)
    nodes[place] = (node["split_feature"], node["threshold"], lower - place, higher - place, 0.0)
    return place, 1 + max(left, right)


def _parts(sources: NDArray[np.str_]) -> NDArray[np.int64]:
    """Returns the part of each texture; all textures of a source are in one part."""
    names = np.unique(sources)
    np.random.default_rng(5).shuffle(names)
    part_of = {str(name): place % PARTS for place, name in enumerate(names)}
    return np.array([part_of[str(source)] for source in sources])


def _by_class(limits: Sureness) -> Floats:
    """Returns the thresholds in the order of CLASSES; a model that doesn't know `other` has none for it."""
    return np.array([limits.thresholds[name] for name in CLASSES if name in limits.thresholds])


def write(model: ContextModel, file: Path) -> None:
    """Writes what `accel.texture.context.read` reads."""
    np.savez_compressed(
        file,
        kinds=np.array(LEARNED_KINDS),
        levels=np.array(LEVELS),
        usual=model.usual,
        pixels=_by_class(model.pixels),
        names=_by_class(model.names),
        **to_arrays(model.trees),
    )
