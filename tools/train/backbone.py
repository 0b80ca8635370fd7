"""The frozen backbone: the first blocks of EfficientNet-Lite0 (Tan and Le); 8-bit quantisation of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

_STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
)  # fmt: skip
"""Repeats, kernel size, stride, expansion ratio, output channels."""
EMBEDDING_SIZE = 2 * _STAGES[-1][-1]
"""Values per image: the mean and the maximum of each channel."""
_BATCH_NORM_EPSILON = 1e-3
GREY = 127.5
"""The background of transparent pixels, of 0..255."""
MEAN, SCALE = 127.0, 128.0
"""The normalisation that the network was trained with: bytes to about -1..1."""

_INT8_MAX = 127
_MIN_LARGEST = 1e-8
"""Lower bound of an output's largest weight, so that an all-zero output has a valid scale."""


class Convolution(nn.Module):
    """A convolution with its batch normalisation folded in and its weights rounded to 8 bits, as shipped."""

    def __init__(self, weights: Tensor, bias: Tensor, stride: int, groups: int, relu6: bool) -> None:
        super().__init__()
        self.weights = nn.Parameter(fake_quantise(weights), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.stride, self.groups, self.relu6 = stride, groups, relu6

    @property
    def pads(self) -> tuple[int, int]:
        """Zeros before and after, by TensorFlow's `SAME` rule for even sides."""
        total = self.weights.shape[2] - self.stride
        return total // 2, total - total // 2

    def forward(self, values: Tensor) -> Tensor:
        padded = functional.pad(values, self.pads * 2)
        values = functional.conv2d(padded, self.weights, self.bias, self.stride, groups=self.groups)
        return functional.relu6(values) if self.relu6 else values


class Backbone(nn.Module):
    """Maps images of 4 x side x side bytes to embeddings of EMBEDDING_SIZE values."""

    def __init__(self, stem: Convolution, blocks: list[nn.Sequential]) -> None:
        super().__init__()
        self.stem, self.blocks = stem, nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> Tensor:
        values = self.stem(preprocess(images))
        for block in self.blocks:
            output = block(values)
            values = values + output if has_residual(block) else output
        return torch.cat([values.mean((2, 3)), values.amax((2, 3))], 1)


def has_residual(block: nn.Sequential) -> bool:
    """Whether a block adds its input to its output, which has the same shape."""
    return block[0].weights.shape[1] == block[-1].weights.shape[0] and all(part.stride == 1 for part in block)


def preprocess(images: Tensor) -> Tensor:
    """Blends RGBA bytes over grey and normalises them to about -1..1."""
    values = images.float()
    return ((values[:, :3] - GREY) * (values[:, 3:] / 255) + GREY - MEAN) / SCALE


def load(file: Path) -> Backbone:
    """Reads the blocks from a PyTorch state dict."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    blocks: list[nn.Sequential] = []
    for repeats, _, stride, expansion, _ in _STAGES:
        for repeat in range(repeats):
            blocks.append(_block(state, f"_blocks.{len(blocks)}", 1 if repeat else stride, expansion))
    return Backbone(_convolution(state, "_conv_stem", "_bn0", 2), blocks).eval()


def quantise(weights: NDArray[np.floating[Any]]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Returns 8-bit levels and the scale of each output, which is the first dimension."""
    largest = np.abs(weights).max(axis=tuple(range(1, weights.ndim)), keepdims=True)
    scales = (np.maximum(largest, _MIN_LARGEST) / _INT8_MAX).astype(np.float32)
    return np.round(weights / scales).astype(np.int8), scales


def fake_quantise(weights: Tensor) -> Tensor:
    """Rounds weights to the values that 8 bits can store."""
    levels, scales = quantise(weights.detach().numpy())
    return torch.from_numpy(levels * scales)


def fake_quantise_layers(network: nn.Module) -> None:
    """Rounds the weights of every layer, so that evaluation measures what is shipped."""
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.copy_(fake_quantise(layer.weight))


def _block(state: dict[str, Tensor], name: str, stride: int, expansion: int) -> nn.Sequential:
    parts = [
        _convolution(state, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True),
        _convolution(state, f"{name}._project_conv", f"{name}._bn2", relu6=False),
    ]
    if expansion > 1:
        parts.insert(0, _convolution(state, f"{name}._expand_conv", f"{name}._bn0"))
    return nn.Sequential(*parts)


def _convolution(
    state: dict[str, Tensor],
    name: str,
    norm: str,
    stride: int = 1,
    *,
    depthwise: bool = False,
    relu6: bool = True,
) -> Convolution:
    weights = state[f"{name}.weight"]
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _BATCH_NORM_EPSILON)
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    groups = len(weights) if depthwise else 1
    return Convolution(weights * scale[:, None, None, None], bias, stride, groups, relu6)
