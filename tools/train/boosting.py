"""Boosted trees on the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS
from tools.train.rows import Rows

ROUNDS = 170
_PARAMETERS: dict[str, Any] = {
    "objective": "multiclass",
    "num_class": len(KINDS),
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


def learn(rows: Rows, weights: NDArray[np.float64], seed: int) -> lightgbm.Booster:
    """Trees that learned from the rows whose weight isn't 0."""
    given = weights > 0
    data = lightgbm.Dataset(rows.features[given], rows.kinds[given], weight=weights[given])
    return lightgbm.train({**_PARAMETERS, "seed": seed}, data, ROUNDS)


def predict(trees: lightgbm.Booster, rows: Rows) -> NDArray[np.float32]:
    """Scores, the logarithms of probabilities: rows x kinds."""
    return np.log(np.maximum(np.asarray(trees.predict(rows.features), np.float32), np.float32(1e-7)))


def dumped(trees: lightgbm.Booster) -> Sequence[Mapping[str, Any]]:
    """The trees themselves, one for each kind in turn."""
    found: Sequence[Mapping[str, Any]] = trees.dump_model()["tree_info"]
    return found
