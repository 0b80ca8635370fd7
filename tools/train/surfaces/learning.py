"""How the network learns: random pieces of materials, their variants, and what is asked of its answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from accel.texture.surface_net import MARGIN, STEP
from tools.train.surfaces.examples import Example, Floats, sobel
from tools.train.surfaces.network import SurfaceNet, slopes, vectors
from tools.train.surfaces.rendered import SOURCE as RENDERED

CROP, BATCH = 96, 12
EDGE = 8
"""Texels at a piece's edges that don't count: what lies beyond is unknown there."""
STEPS = 2000
RATE = 4e-3
RENDERED_SHARE = 0.3
ROUGH_SHARE = 0.2
"""Of the pieces that are real, those drawn from materials with a roughness: there are few."""

Piece = tuple[NDArray[np.uint8], Floats, Floats, Floats]


def learn(
    learned: Sequence[Example], seed: int, steps: int = STEPS, say: Callable[[str], None] = print
) -> SurfaceNet:
    """A network that learned from these examples."""
    torch.manual_seed(seed)
    # Values too small for the processor's fast path make it four times slower.
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(seed)
    network = SurfaceNet().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1, pct_start=0.15)
    pools = _pools(learned)
    began, total = time.monotonic(), np.zeros(3)
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
            spent = time.monotonic() - began
            say(f"step {step} of {steps}, {spent:.0f} s: " + ", ".join(f"{one / 100:.3f}" for one in total))
            total[:] = 0
    return network.eval()


def guessed(network: SurfaceNet, example: Example) -> dict[str, Floats]:
    """What the network itself makes of a material, its roughness too, which isn't shipped."""
    height, width = example.albedo.shape[:2]
    rests = [(MARGIN, MARGIN + -side % STEP) for side in (height, width)]
    colours = np.pad(example.albedo / np.float32(255), (*rests, (0, 0)), "edge")
    with torch.no_grad():
        found, rough = network(torch.from_numpy(colours.transpose(2, 0, 1)[None]))
    inner = np.s_[0, 0, MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    level = found.numpy()[inner]
    return {"slopes": sobel(level), "height": level, "roughness": rough.numpy()[inner]}


def losses(
    network: SurfaceNet, colours: Tensor, rise: Tensor, height: Tensor, rough: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the normals, the heights and the roughness; what is unknown of a material (NaN) doesn't count."""
    # Half the time, where the processor has numbers of 16 bit.
    with torch.autocast("cpu", torch.bfloat16):
        found, guessed = network(colours)
    inner = slice(EDGE, -EDGE)
    around = slice(EDGE - 1, 1 - EDGE)
    leaning = slopes(found[..., around, around])
    wanted = rise[..., inner, inner]
    known = torch.isfinite(wanted[:, 0, 0, 0])
    turned = (vectors(leaning[known]) - vectors(wanted[known])).abs().sum(1).mean((1, 2))
    alike = correlation(leaning[known].flatten(1), wanted[known].flatten(1))
    of_normals = turned.mean() + 0.3 * (1 - alike).mean() if known.any() else found.sum() * 0
    level = height[..., inner, inner].flatten(1)
    known = torch.isfinite(level[:, 0])
    made = found[..., inner, inner].flatten(1)[known]
    of_heights = 0.3 * (1 - correlation(made, level[known])).mean() if known.any() else found.sum() * 0
    level = rough[..., inner, inner].flatten(1)
    known = torch.isfinite(level[:, 0])
    made = guessed[..., inner, inner].flatten(1)[known]
    off = (made - level[known]).abs().mean(1) + 0.1 * (1 - correlation(made, level[known]))
    return of_normals, of_heights, off.mean() if known.any() else found.sum() * 0


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Of rows of values, 0 where one of them is flat."""
    one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
    energy = ((one * one).sum(1) * (other * other).sum(1) + 1e-6).sqrt()
    return (one * other).sum(1) / energy


def _pools(learned: Sequence[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Rendered ones, all real ones, and real ones with a roughness."""
    made = [one for one in learned if one.source == RENDERED]
    real = [one for one in learned if one.source != RENDERED]
    return made, real, [one for one in real if one.roughness is not None]


def _batch(
    pools: tuple[list[Example], list[Example], list[Example]], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    made, real, rough = pools
    pieces = []
    while len(pieces) < BATCH:
        pool = made if rng.random() < RENDERED_SHARE else rough if rng.random() < ROUGH_SHARE else real
        pieces.append(_turned(_cut(pool[int(rng.integers(len(pool)))], rng), rng))
    colours, rise, height, level = (np.stack(one) for one in zip(*pieces, strict=True))
    seen = _recoloured(colours.astype(np.float32) / 255, rng)
    images = torch.from_numpy(seen.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    return images, *(torch.from_numpy(np.ascontiguousarray(one)) for one in (rise, height, level))


def _cut(example: Example, rng: np.random.Generator) -> Piece:
    high, wide = example.albedo.shape[:2]
    rows, columns = (np.arange(CROP) + int(rng.integers(max(1, side - CROP + 1))) for side in (high, wide))
    # A texture smaller than a piece repeats, as it does on a wall.
    at = np.ix_(rows % high, columns % wide)
    nothing = np.full((CROP, CROP), np.nan, np.float32)
    rise = (
        np.stack([nothing] * 2) if example.slopes is None else np.stack([one[at] for one in example.slopes])
    )
    height = nothing if example.height is None else example.height[at]
    rough = nothing if example.roughness is None else example.roughness[at] / np.float32(255)
    return (
        example.albedo[at], rise.astype(np.float32), height[None].astype(np.float32),
        rough[None].astype(np.float32),
    )  # fmt: skip


def _turned(piece: Piece, rng: np.random.Generator) -> Piece:
    """Mirrored, or seldom turned by a quarter: light comes from above in most that is painted."""
    colours, rise, height, rough = piece
    if rng.random() < 0.5:
        colours, rise, height, rough = colours[:, ::-1], rise[..., ::-1], height[..., ::-1], rough[..., ::-1]
        rise = rise * np.array([-1, 1], np.float32)[:, None, None]
    if rng.random() < 0.25:
        colours = colours.swapaxes(0, 1)
        rise, height, rough = (one.swapaxes(1, 2) for one in (rise, height, rough))
        rise = rise[::-1]
    return colours, rise, height, rough


def _recoloured(colours: Floats, rng: np.random.Generator) -> Floats:
    """Other exposures, tints and gammas, sometimes grey, sometimes noisy."""
    count = len(colours)
    gain = np.exp(rng.normal(0, 0.2, (count, 1, 1, 1)) + rng.normal(0, 0.06, (count, 1, 1, 3)))
    gamma = np.exp(rng.normal(0, 0.15, (count, 1, 1, 1)))
    seen = np.maximum(colours, 0) ** gamma * gain
    grey = (rng.random(count) < 0.1)[:, None, None, None]
    seen = np.where(grey, seen.mean(-1, keepdims=True), seen)
    seen = seen + rng.normal(0, 1, seen.shape) * rng.choice([0, 0, 0.01, 0.02], (count, 1, 1, 1))
    return np.clip(seen, 0, 1).astype(np.float32)
