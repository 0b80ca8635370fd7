"""The networks: small ones, on the features and what the backbone sees."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from accel.texture.kinds import KINDS
from tools.train.eight import round_all
from tools.train.rows import Rows

CLIP = 4.0
"""Standard deviations at which a value is cut, so that none never seen before decides alone."""

_ONE_AT_A_TIME = threading.Lock()
"""What is dropped is drawn from one generator of all threads: by turns, the same is learned every time."""
_WIDTHS = (192, 96)
_BATCH = 256


class Network(nn.Module):
    """Columns of features to scores of kinds."""

    def __init__(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        layers: list[nn.Module] = [nn.Dropout(0.2)]
        width = len(mean)
        for wider in _WIDTHS:
            layers += [nn.Linear(width, wider), nn.BatchNorm1d(wider), nn.ReLU(), nn.Dropout(0.5)]
            width = wider
        self.layers = nn.Sequential(*layers, nn.Linear(width, len(KINDS)))

    def forward(self, columns: Tensor) -> Tensor:
        scores: Tensor = self.layers(((columns - self.mean) / self.deviation).clamp(-CLIP, CLIP))
        return scores


def learn(rows: Rows, weights: NDArray[np.float64], steps: int, seed: int) -> Network:
    """A network that learned from `steps` batches of rows, drawn by their weights."""
    with _ONE_AT_A_TIME:
        return _learn(rows, weights, steps, seed)


def _learn(rows: Rows, weights: NDArray[np.float64], steps: int, seed: int) -> Network:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = Network(rows.features.mean(axis=0), rows.features.std(axis=0) + np.float32(1e-3))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    chances = weights / weights.sum()
    network.train()
    for _ in range(steps):
        picked = rng.choice(len(rows), _BATCH, p=chances)
        scores = network(torch.from_numpy(rows.features[picked]))
        loss = functional.cross_entropy(scores, torch.from_numpy(rows.kinds[picked]), label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    round_all(network)
    return network.eval()


def predict(network: Network, rows: Rows) -> NDArray[np.float32]:
    """Scores (not yet probabilities): rows x kinds."""
    with torch.no_grad():
        found: NDArray[np.float32] = network(torch.from_numpy(rows.features)).numpy()
    return found
