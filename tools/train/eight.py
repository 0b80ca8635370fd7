"""Weights in 8 bit, as they ship: each output of a layer has a step of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_MOST = 127
_LEAST = 1e-8
"""Of the largest weight of an output, so that one that is always 0 has a step too."""


def eight(weights: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Whole numbers and, for each output (the first dimension), what they are multiplied with."""
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    steps = (np.maximum(largest, _LEAST) / _MOST).astype(np.float32)
    return np.round(weights / steps).astype(np.int8), steps


def rounded(weights: Tensor) -> Tensor:
    """What of them is left in 8 bit."""
    levels, steps = eight(weights.detach().numpy())
    return torch.from_numpy(levels * steps)


def round_all(network: nn.Module) -> None:
    """Rounds the weights of every layer, so that what is measured is what ships."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.copy_(rounded(layer.weight))
