"""The classifier of texture kinds: boosted trees and small neural networks, trained and cross-validated."""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from accel.texture.kinds import LEARNED_KINDS
from tools.train.backbone import fake_quantise_layers
from tools.train.rows import PROCEDURAL, Rows, sample_weights

FOLDS = 4
NETWORKS = 2
"""Networks whose scores are averaged."""

TREE_ROUNDS = 170
_TREE_PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(LEARNED_KINDS),
    "learning_rate": 0.06,
    "num_leaves": 15,
    "min_data_in_leaf": 15,
    "feature_fraction": 0.25,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 3,
    "max_bin": 63,
    "verbose": -1,
    "num_threads": 1,
    "force_row_wise": True,
    "deterministic": True,
}

NETWORK_STEPS = 1500
CLIP = 4.0
"""Standard deviations at which a feature is clipped, so that no outlier decides alone."""
_WIDTHS = (192, 96)
_BATCH_SIZE = 256
_TORCH_LOCK = threading.Lock()
"""Dropout draws from a generator that all threads share: training one network at a time is reproducible."""


@dataclass
class Classifier:
    """A trained classifier."""

    trees: lightgbm.Booster
    networks: list[Network]

    def scores(self, rows: Rows) -> NDArray[np.float32]:
        """Returns rows x models x kinds: the scores of the trees, and the mean of the networks'."""
        by_networks = np.mean([predict_network(network, rows) for network in self.networks], axis=0)
        return np.stack([predict_trees(self.trees, rows), by_networks], 1)


def train(rows: Rows, selected: NDArray[np.bool_], seed: int) -> Classifier:
    """Trains on the selected rows."""
    # On a busy machine, several threads of one operation wait for one another.
    torch.set_num_threads(1)
    weights = np.zeros(len(rows))
    weights[selected] = sample_weights(rows.kinds[selected], rows.sources[selected])
    trees = train_trees(rows, weights, seed)
    return Classifier(trees, [train_network(rows, weights, NETWORK_STEPS, seed + n) for n in range(NETWORKS)])


def out_of_fold(rows: Rows, more: Rows, jobs: int) -> tuple[Rows, NDArray[np.float32]]:
    """Returns the original real textures, then those of `more`, with scores of classifiers that weren't
    trained on their sources. Nothing is trained on `more`."""
    fold, other = np.split(folds(np.concatenate([rows.sources, more.sources])), [len(rows)])
    tested = [rows.take(np.flatnonzero((fold == place) & rows.original)) for place in range(FOLDS)]
    others = [more.take(other == place) for place in range(FOLDS)]

    def scores(place: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        classifier = train(rows, fold != place, 10 * place)
        return classifier.scores(tested[place]), classifier.scores(others[place])

    # Threads share the rows, and the libraries release the GIL while they compute.
    with ThreadPoolExecutor(jobs) as pool:
        of_tested, of_others = zip(*pool.map(scores, range(FOLDS)), strict=True)
    return reduce(operator.add, (*tested, *others)), np.concatenate([*of_tested, *of_others])


def folds(sources: NDArray[np.str_]) -> NDArray[np.int64]:
    """Returns the fold of each row, -1 for rendered ones. All rows of a source are in one fold."""
    names = np.unique(sources[sources != PROCEDURAL])
    np.random.default_rng(7).shuffle(names)
    fold_of = {str(name): place % FOLDS for place, name in enumerate(names)}
    return np.array([fold_of.get(str(source), -1) for source in sources])


def train_trees(rows: Rows, weights: NDArray[np.float64], seed: int) -> lightgbm.Booster:
    """Trains boosted trees on the rows whose weight isn't 0."""
    selected = weights > 0
    data = lightgbm.Dataset(rows.features[selected], rows.kinds[selected], weight=weights[selected])
    return lightgbm.train({**_TREE_PARAMETERS, "seed": seed}, data, TREE_ROUNDS)


def predict_trees(trees: lightgbm.Booster, rows: Rows) -> NDArray[np.float32]:
    """Returns log probabilities: rows x kinds."""
    return np.log(np.maximum(np.asarray(trees.predict(rows.features), np.float32), np.float32(1e-7)))


def dump_trees(trees: lightgbm.Booster) -> Sequence[Mapping[str, Any]]:
    """Returns LightGBM's description of the trees, one for each kind in turn."""
    dumped: Sequence[Mapping[str, Any]] = trees.dump_model()["tree_info"]
    return dumped


class Network(nn.Module):
    """Maps columns of features and embeddings to a score per kind."""

    def __init__(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        layers: list[nn.Module] = [nn.Dropout(0.2)]
        inputs = len(mean)
        for outputs in _WIDTHS:
            layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.5)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.Linear(inputs, len(LEARNED_KINDS)))

    def forward(self, columns: Tensor) -> Tensor:
        scores: Tensor = self.layers(((columns - self.mean) / self.deviation).clamp(-CLIP, CLIP))
        return scores


def train_network(rows: Rows, weights: NDArray[np.float64], steps: int, seed: int) -> Network:
    """Trains a network on `steps` batches of rows, drawn by weight."""
    with _TORCH_LOCK:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        network = Network(rows.features.mean(axis=0), rows.features.std(axis=0) + np.float32(1e-3))
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
        chances = weights / weights.sum()
        network.train()
        for _ in range(steps):
            picked = rng.choice(len(rows), _BATCH_SIZE, p=chances)
            scores = network(torch.from_numpy(rows.features[picked]))
            loss = functional.cross_entropy(
                scores, torch.from_numpy(rows.kinds[picked]), label_smoothing=0.05
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        fake_quantise_layers(network)
        return network.eval()


def predict_network(network: Network, rows: Rows) -> NDArray[np.float32]:
    """Returns logits: rows x kinds."""
    with torch.no_grad():
        logits: NDArray[np.float32] = network(torch.from_numpy(rows.features)).numpy()
    return logits
