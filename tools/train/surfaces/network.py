"""The network: a small U-Net from colours to a height field in texels and a roughness."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (16, 32, 48, 64)
"""Channels at full, half, quarter and eighth size."""
DEPTH = 4.0
"""Texels that the last layer's 1 stands for, so that its weights start at a useful size."""


def double(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions that keep the size; edges go on with their last value."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers += [
            nn.Conv2d(before, outputs, 3, padding=1, padding_mode="replicate", bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class SurfaceNet(nn.Module):
    """n x 3 x h x w of sRGB, 0..1, to n x 2 x h x w: height in texels (of any offset) and roughness.

    Sides are multiples of 8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([double(*pair) for pair in pairwise((3, *WIDTHS))])
        self.up = nn.ModuleList([double(deep + skip, skip) for skip, deep in pairwise(WIDTHS)])
        self.last = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, colours: Tensor) -> tuple[Tensor, Tensor]:
        values, skips = colours * 2 - 1, []
        for index, block in enumerate(self.down):
            values = block(functional.avg_pool2d(values, 2) if index else values)
            skips.append(values)
        for index in reversed(range(len(self.up))):
            larger = functional.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
            values = self.up[index](torch.cat([larger, skips[index]], 1))
        # Heights are subtracted from one another: 16 bit would be too coarse.
        with torch.autocast("cpu", enabled=False):
            found = self.last(values.float())
        return found[:, :1] * DEPTH, torch.sigmoid(found[:, 1:])


def slopes(height: Tensor) -> Tensor:
    """n x 2 x h-2 x w-2 of n x 1 x h x w: rise to the right and downwards, by Sobel's kernel."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    return functional.conv2d(height, torch.stack([kernel, kernel.T])[:, None].to(height.dtype))


def vectors(rise: Tensor) -> Tensor:
    """Unit normals, n x 3, of slopes, n x 2; y points down, as in the slopes."""
    found = torch.cat([-rise, torch.ones_like(rise[:, :1])], 1)
    return functional.normalize(found, dim=1)
