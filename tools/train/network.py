"""The networks: one on the features, one on the thumbnail, one on patches, and what joins them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from accel.texture.kinds import KINDS
from tools.train.dataset import Rows

FEATURE_CLIP = 4.0
"""Standard deviations at which a feature's value is cut, so that none never seen before decides alone."""

_THUMB_WIDTHS = (16, 32, 64, 96)
_PATCH_WIDTHS = (16, 24, 32, 48)
_HUES: tuple[int, ...] = tuple(KINDS.index(kind) for kind in ("albedo", "sprite", "ui", "emissive", "packed"))
"""Kinds whose colours may change places."""
_TURNED: tuple[int, ...] = tuple(KINDS.index(kind) for kind in KINDS if kind not in ("normal", "environment"))


class Tower(nn.Module):
    """A small convolution network: 4 x side x side, 0..1, to a vector."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 4
        for width in widths:
            layers += [
                nn.Conv2d(channels, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            ]  # fmt: skip
            channels = width
        self.layers = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.3)

    def forward(self, images: Tensor) -> Tensor:
        found = self.layers(images)
        pooled = torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1)
        return self.drop(pooled)


class Network(nn.Module):
    """Three views of a texture, each with a judgement of its own and one of them all."""

    def __init__(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("deviation", torch.from_numpy(deviation))
        self.thumb, self.patch = Tower(_THUMB_WIDTHS), Tower(_PATCH_WIDTHS)
        self.features = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(len(mean), 160), nn.BatchNorm1d(160), nn.ReLU(), nn.Dropout(0.4),
        )  # fmt: skip
        widths = 160, 2 * _THUMB_WIDTHS[-1], 2 * _PATCH_WIDTHS[-1]
        self.alone = nn.ModuleList([nn.Linear(width, len(KINDS)) for width in widths])
        self.joined = nn.Sequential(
            nn.Linear(sum(widths), 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Dropout(0.4),
            nn.Linear(128, len(KINDS)),
        )

    def forward(self, features: Tensor, thumb: Tensor, patch: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores by everything, and by each view alone."""
        scaled = ((features - self.mean) / self.deviation).clamp(-FEATURE_CLIP, FEATURE_CLIP)
        views = [self.features(scaled), self.thumb(thumb), self.patch(patch)]
        return self.joined(torch.cat(views, 1)), [
            one(view) for one, view in zip(self.alone, views, strict=True)
        ]


def learn(rows: Rows, weights: NDArray[np.float64], steps: int, seed: int, batch: int = 64) -> Network:
    """A network that learned from `steps` batches of rows, drawn by their weights."""
    torch.manual_seed(seed)
    # Black images make values too small for the processor's fast path: four times slower.
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(seed)
    network = Network(rows.features.mean(axis=0), rows.features.std(axis=0) + np.float32(1e-3))
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1)
    chances = weights / weights.sum()
    network.train()
    for _ in range(steps):
        picked = rng.choice(len(rows), batch, p=chances)
        kinds = torch.from_numpy(rows.kinds[picked])
        thumb, patch = _augmented(rows, picked, rng)
        scores, alone = network(torch.from_numpy(rows.features[picked]), thumb, patch)
        loss = functional.cross_entropy(scores, kinds, label_smoothing=0.05)
        loss = loss + sum(0.3 * functional.cross_entropy(one, kinds, label_smoothing=0.05) for one in alone)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def predict(network: Network, rows: Rows) -> NDArray[np.float32]:
    """Scores (not yet probabilities): rows x 4 x kinds, by everything and by each view alone."""
    found = []
    with torch.no_grad():
        for start in range(0, len(rows), 256):
            part = slice(start, start + 256)
            images = prepared(rows.thumbs[part]), prepared(rows.patches[part])
            scores, alone = network(torch.from_numpy(rows.features[part]), *images)
            found.append(torch.stack([scores, *alone], 1).numpy())
    return np.concatenate(found)


def prepared(images: NDArray[np.uint8]) -> Tensor:
    """As the towers take them: colours as they are seen on black, and opacity."""
    values = torch.from_numpy(images).float() / 255
    seen = torch.cat([values[:, :3] * values[:, 3:], values[:, 3:]], 1)
    return seen.contiguous(memory_format=torch.channels_last)


def _augmented(rows: Rows, picked: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    kinds = rows.kinds[picked]
    thumb, patch = rows.thumbs[picked], rows.patches[picked]
    for place, kind in enumerate(kinds):
        if kind in _HUES and rng.random() < 0.3:
            order = [*rng.permutation(3), 3]
            thumb[place], patch[place] = thumb[place][order], patch[place][order]
        if kind in _TURNED and rng.random() < 0.5:
            thumb[place], patch[place] = thumb[place][:, :, ::-1], patch[place][:, :, ::-1]
        move = rng.integers(-4, 5, 2)
        thumb[place] = _moved(thumb[place], move)
        quarter = int(rng.integers(0, 2)) * 48, int(rng.integers(0, 2)) * 48
        patch[place] = np.roll(patch[place], quarter, (1, 2))
    return prepared(thumb), prepared(patch)


def _moved(image: NDArray[Any], move: NDArray[np.int64]) -> NDArray[Any]:
    side = image.shape[1]
    rows, columns = (np.clip(np.arange(side) + one, 0, side - 1) for one in move)
    return image[:, rows[:, None], columns[None, :]]
