"""The first blocks of EfficientNet-Lite0, as its authors let it learn from photographs: it sees shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train.eight import rounded

_STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
)  # fmt: skip
"""Repeats, side of the kernel, stride, how much wider the block is inside, channels that it gives."""
SEEN = 2 * _STAGES[-1][-1]
"""Values for each picture: the mean and the largest of each channel."""
_EPSILON = 1e-3
"""Of its normalisations."""
GREY = 127.5
"""What lies behind transparency, of 0..255."""
MIDDLE, SPREAD = 127.0, 128.0
"""By which its authors brought bytes to about -1..1."""


class Convolution(nn.Module):
    """A convolution with its normalisation folded into it, weights as they ship: in 8 bit."""

    def __init__(self, weights: Tensor, bias: Tensor, stride: int, groups: int, bounded: bool) -> None:
        super().__init__()
        self.weights = nn.Parameter(rounded(weights), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self.stride, self.groups, self.bounded = stride, groups, bounded

    @property
    def pads(self) -> tuple[int, int]:
        """Zeros before and after, as TensorFlow counts them for even sides."""
        whole = self.weights.shape[2] - self.stride
        return whole // 2, whole - whole // 2

    def forward(self, values: Tensor) -> Tensor:
        padded = functional.pad(values, self.pads * 2)
        found = functional.conv2d(padded, self.weights, self.bias, self.stride, groups=self.groups)
        return functional.relu6(found) if self.bounded else found


class Backbone(nn.Module):
    """Pictures of 4 x side x side bytes to vectors of twice as many values as the last block has channels."""

    def __init__(self, stem: Convolution, blocks: list[nn.Sequential]) -> None:
        super().__init__()
        self.stem, self.blocks = stem, nn.ModuleList(blocks)

    def forward(self, pictures: Tensor) -> Tensor:
        values = self.stem(prepared(pictures))
        for block in self.blocks:
            found = block(values)
            values = values + found if residual(block) else found
        return torch.cat([values.mean((2, 3)), values.amax((2, 3))], 1)


def residual(block: nn.Sequential) -> bool:
    """Whether what goes into the block is added to what comes out, which is of the same shape."""
    return block[0].weights.shape[1] == block[-1].weights.shape[0] and all(part.stride == 1 for part in block)


def prepared(pictures: Tensor) -> Tensor:
    """As the backbone takes them: colours on grey, about -1..1."""
    values = pictures.float()
    return ((values[:, :3] - GREY) * (values[:, 3:] / 255) + GREY - MIDDLE) / SPREAD


def load(file: Path) -> Backbone:
    """The blocks from a file of PyTorch's weights."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    blocks: list[nn.Sequential] = []
    for repeats, _, stride, expansion, _ in _STAGES:
        for repeat in range(repeats):
            blocks.append(_block(state, f"_blocks.{len(blocks)}", 1 if repeat else stride, expansion))
    return Backbone(_convolution(state, "_conv_stem", "_bn0", 2), blocks).eval()


def _block(state: dict[str, Tensor], name: str, stride: int, expansion: int) -> nn.Sequential:
    parts = [
        _convolution(state, f"{name}._depthwise_conv", f"{name}._bn1", stride, depthwise=True),
        _convolution(state, f"{name}._project_conv", f"{name}._bn2", bounded=False),
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
    bounded: bool = True,
) -> Convolution:
    weights = state[f"{name}.weight"]
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _EPSILON)
    bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    groups = len(weights) if depthwise else 1
    return Convolution(weights * scale[:, None, None, None], bias, stride, groups, bounded)
