"""The surface network: a small U-Net from colours to heights and roughness; training and ONNX export."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional

from accel.texture.pbr_maps import MARGIN, STEP
from tools.train.export import IR_VERSION, OPSET, Graph
from tools.train.surfaces.dataset import PROCEDURAL, Example, Floats, sobel

WIDTHS = (16, 32, 48, 64)
"""Channels at full, half, quarter and eighth size."""
DEPTH = 4.0
"""Texels per unit of the last layer's output, so that its initial weights have a useful scale."""

HEIGHT = "height"
"""The output of the exported network."""


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Returns two convolutions that keep the size; edges are replicated."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, padding_mode="replicate", bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class SurfaceNet(nn.Module):
    """Maps sRGB, n x 3 x h x w of 0..1, to heights in texels and roughness, n x 1 x h x w each.

    Sides must be multiples of 8. Heights have no common zero.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([double_convolution(*pair) for pair in pairwise((3, *WIDTHS))])
        self.up = nn.ModuleList([double_convolution(deep + skip, skip) for skip, deep in pairwise(WIDTHS)])
        self.last = nn.Conv2d(WIDTHS[0], 2, 1)

    def forward(self, colours: Tensor) -> tuple[Tensor, Tensor]:
        values, skips = colours * 2 - 1, []
        for index, block in enumerate(self.down):
            values = block(functional.avg_pool2d(values, 2) if index else values)
            skips.append(values)
        for index in reversed(range(len(self.up))):
            larger = functional.interpolate(values, scale_factor=2, mode="bilinear", align_corners=False)
            values = self.up[index](torch.cat([larger, skips[index]], 1))
        # Slopes are differences of heights: 16 bits would be too coarse.
        with torch.autocast("cpu", enabled=False):
            output = self.last(values.float())
        return output[:, :1] * DEPTH, torch.sigmoid(output[:, 1:])


def slopes(height: Tensor) -> Tensor:
    """Returns the Sobel slopes of n x 1 x h x w to the right and downwards: n x 2 x h-2 x w-2."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    return functional.conv2d(height, torch.stack([kernel, kernel.T])[:, None].to(height.dtype))


def normals(rise: Tensor) -> Tensor:
    """Returns unit normals, n x 3, of slopes, n x 2; y points down, as in the slopes."""
    return functional.normalize(torch.cat([-rise, torch.ones_like(rise[:, :1])], 1), dim=1)


CROP_SIDE, BATCH_SIZE = 96, 12
EDGE = 8
"""Texels at the edges of a crop that are ignored: the network can't see beyond them."""
STEPS = 2000
LEARNING_RATE = 4e-3
RENDERED_SHARE = 0.3
ROUGHNESS_SHARE = 0.2
"""Share of real crops that are drawn from the few materials with a roughness map."""

Crop = tuple[NDArray[np.uint8], Floats, Floats, Floats]


def train(
    examples: Sequence[Example], seed: int, steps: int = STEPS, log: Callable[[str], None] = print
) -> SurfaceNet:
    """Returns a network trained on the examples."""
    torch.manual_seed(seed)
    # Denormal numbers make training four times slower.
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(seed)
    network = SurfaceNet().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps + 1, pct_start=0.15
    )
    pools = _pools(examples)
    start, total = time.monotonic(), np.zeros(3)
    network.train()
    for step in range(1, steps + 1):
        parts = losses(network, *_batch(pools, rng))
        optimiser.zero_grad()
        sum(parts).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += [float(part.detach()) for part in parts]
        if step % 100 == 0:
            spent = time.monotonic() - start
            means = ", ".join(f"{part / 100:.3f}" for part in total)
            log(f"step {step} of {steps}, {spent:.0f} s, losses {means}")
            total[:] = 0
    return network.eval()


def predict(network: SurfaceNet, example: Example) -> dict[str, Floats]:
    """Returns a material's slopes, height and roughness; the shipped network has no roughness."""
    height, width = example.albedo.shape[:2]
    pads = [(MARGIN, MARGIN + -side % STEP) for side in (height, width)]
    colours = np.pad(example.albedo / np.float32(255), (*pads, (0, 0)), "edge")
    with torch.no_grad():
        heights, roughness = network(torch.from_numpy(colours.transpose(2, 0, 1)[None]))
    inner = np.s_[0, 0, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    level = heights.numpy()[inner]
    return {"slopes": sobel(level), "height": level, "roughness": roughness.numpy()[inner]}


def losses(
    network: SurfaceNet, colours: Tensor, rise: Tensor, height: Tensor, roughness: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the losses of normals, heights and roughness; unknown maps (NaN) are ignored."""
    # Takes half the time on processors with 16-bit arithmetic.
    with torch.autocast("cpu", torch.bfloat16):
        heights, roughnesses = network(colours)
    inner = slice(EDGE, -EDGE)
    inner_and_border = slice(EDGE - 1, 1 - EDGE)
    predicted = slopes(heights[..., inner_and_border, inner_and_border])
    target = rise[..., inner, inner]
    known = torch.isfinite(target[:, 0, 0, 0])
    off = (normals(predicted[known]) - normals(target[known])).abs().sum(1).mean((1, 2))
    similar = correlation(predicted[known].flatten(1), target[known].flatten(1))
    of_normals = off.mean() + 0.3 * (1 - similar).mean() if known.any() else heights.sum() * 0
    target = height[..., inner, inner].flatten(1)
    known = torch.isfinite(target[:, 0])
    predicted = heights[..., inner, inner].flatten(1)[known]
    of_heights = (
        0.3 * (1 - correlation(predicted, target[known])).mean() if known.any() else heights.sum() * 0
    )
    target = roughness[..., inner, inner].flatten(1)
    known = torch.isfinite(target[:, 0])
    predicted = roughnesses[..., inner, inner].flatten(1)[known]
    off = (predicted - target[known]).abs().mean(1) + 0.1 * (1 - correlation(predicted, target[known]))
    return of_normals, of_heights, off.mean() if known.any() else heights.sum() * 0


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Returns the correlation of each pair of rows, 0 if one of them is constant."""
    one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
    energy = ((one * one).sum(1) * (other * other).sum(1) + 1e-6).sqrt()
    return (one * other).sum(1) / energy


def _pools(examples: Sequence[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Returns procedural examples, all real ones, and real ones with a roughness map."""
    procedural = [example for example in examples if example.source == PROCEDURAL]
    real = [example for example in examples if example.source != PROCEDURAL]
    return procedural, real, [example for example in real if example.roughness is not None]


def _batch(
    pools: tuple[list[Example], list[Example], list[Example]], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    procedural, real, rough = pools
    crops = []
    while len(crops) < BATCH_SIZE:
        pool = (
            procedural
            if rng.random() < RENDERED_SHARE
            else rough if rng.random() < ROUGHNESS_SHARE else real
        )  # fmt: skip
        crops.append(_flip(_crop(pool[int(rng.integers(len(pool)))], rng), rng))
    colours, rise, height, roughness = (np.stack(maps) for maps in zip(*crops, strict=True))
    inputs = _vary_colours(colours.astype(np.float32) / 255, rng)
    images = torch.from_numpy(inputs.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    return images, *(torch.from_numpy(np.ascontiguousarray(each)) for each in (rise, height, roughness))


def _crop(example: Example, rng: np.random.Generator) -> Crop:
    high, wide = example.albedo.shape[:2]
    rows, columns = (
        np.arange(CROP_SIDE) + int(rng.integers(max(1, side - CROP_SIDE + 1))) for side in (high, wide)
    )
    # A texture smaller than the crop repeats, as on a wall.
    at = np.ix_(rows % high, columns % wide)
    unknown = np.full((CROP_SIDE, CROP_SIDE), np.nan, np.float32)
    rise = np.stack(
        [unknown] * 2 if example.slopes is None else [slope[at] for slope in example.slopes]
    )  # fmt: skip
    height = unknown if example.height is None else example.height[at]
    roughness = unknown if example.roughness is None else example.roughness[at] / np.float32(255)
    return (
        example.albedo[at], rise.astype(np.float32), height[None].astype(np.float32),
        roughness[None].astype(np.float32),
    )  # fmt: skip


def _flip(crop: Crop, rng: np.random.Generator) -> Crop:
    """Mirrors, or seldom rotates by a quarter: in most painted textures light comes from above."""
    colours, rise, height, rough = crop
    if rng.random() < 0.5:
        colours, rise, height, rough = colours[:, ::-1], rise[..., ::-1], height[..., ::-1], rough[..., ::-1]
        rise = rise * np.array([-1, 1], np.float32)[:, None, None]
    if rng.random() < 0.25:
        colours = colours.swapaxes(0, 1)
        rise, height, rough = (each.swapaxes(1, 2) for each in (rise, height, rough))
        rise = rise[::-1]
    return colours, rise, height, rough


def _vary_colours(colours: Floats, rng: np.random.Generator) -> Floats:
    """Varies exposure, tint and gamma; sometimes removes the colour or adds noise."""
    count = len(colours)
    gain = np.exp(rng.normal(0, 0.2, (count, 1, 1, 1)) + rng.normal(0, 0.06, (count, 1, 1, 3)))
    gamma = np.exp(rng.normal(0, 0.15, (count, 1, 1, 1)))
    seen = np.maximum(colours, 0) ** gamma * gain
    grey = (rng.random(count) < 0.1)[:, None, None, None]
    seen = np.where(grey, seen.mean(-1, keepdims=True), seen)
    seen = seen + rng.normal(0, 1, seen.shape) * rng.choice([0, 0, 0.01, 0.02], (count, 1, 1, 1))
    return np.clip(seen, 0, 1).astype(np.float32)


def save(network: SurfaceNet, file: Path) -> None:
    """Writes the part that predicts heights, with weights of 16 bits and batch normalisations folded in."""
    graph = Graph()
    values = graph.add("Mul", ["colours", _number(graph, 2.0)])
    values, skips = graph.add("Sub", [values, _number(graph, 1.0)]), []
    for index, block in enumerate(network.down):
        if index:
            values = graph.add("AveragePool", [values], kernel_shape=[2, 2], strides=[2, 2])
        values = _add_double_convolution(graph, values, block)
        skips.append(values)
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    for index in reversed(range(len(network.up))):
        larger = graph.add(
            "Resize", [values, "", scales], mode="linear", coordinate_transformation_mode="half_pixel"
        )
        values = _add_double_convolution(
            graph, graph.add("Concat", [larger, skips[index]], axis=1), network.up[index]
        )
    last = network.last
    weights, bias = last.weight.detach().numpy()[:1] * DEPTH, last.bias.detach().numpy()[:1] * DEPTH
    heights = graph.add("Conv", [values, graph.half_weight(weights), graph.constant(bias.astype(np.float32))])
    graph.nodes.append(helper.make_node("Identity", [heights], [HEIGHT]))
    _write(graph, file)


def difference(network: SurfaceNet, file: Path, margin: int) -> float:
    """Returns the largest difference of heights between the file and the network, texels inside a margin."""
    colours = np.random.default_rng(0).random((1, 3, 256, 256), np.float32)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    (exported,) = session.run([HEIGHT], {"colours": colours})
    with torch.no_grad():
        expected = network(torch.from_numpy(colours))[0].numpy()
    inner = slice(margin, -margin)
    return float(np.abs(exported - expected)[..., inner, inner].max())


def _add_double_convolution(graph: Graph, values: str, block: nn.Module) -> str:
    for convolution, norm, _ in zip(*[iter(block.children())] * 3, strict=True):
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weights = (convolution.weight * scale[:, None, None, None]).detach().contiguous().numpy()
        shift = (norm.bias - norm.running_mean * scale).detach().numpy()
        # Zeros instead of replicated edges: they only affect the margin, which is cropped.
        inputs = [values, graph.half_weight(weights), graph.constant(shift)]
        values = graph.add("Relu", [graph.add("Conv", inputs, pads=[1, 1, 1, 1])])
    return values


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))


def _write(graph: Graph, file: Path) -> None:
    def value_info(name: str, channels: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "height", "width"])

    ends = [value_info("colours", 3)], [value_info(HEIGHT, 1)]
    body = helper.make_graph(graph.nodes, "estimate-pbr", *ends, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="popbridge")
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())
