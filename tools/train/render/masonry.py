"""Laid materials: bricks, tiles, planks, roof tiles, cobbles, panels, metal plates, corrugated sheets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tools.train.render.field import (
    Field,
    Random,
    Shape,
    cells,
    chance,
    grain,
    grid,
    mix,
    noise,
    pick,
    ridges,
    span,
    spread,
    step,
    unit,
    warp,
)
from tools.train.render.material import Surface, shades


def wear_of(rng: Random, shape: Shape) -> Field:
    """A mask of dirt, rust or chipped paint: patches, sometimes with scratches."""
    patches = noise(rng, shape, span(rng, 1.0, 2.2), span(rng, 1, 4))
    edge = span(rng, 0.45, 0.8)
    wear = step(patches, edge, edge + span(rng, 0.03, 0.3))
    return np.maximum(wear, scratches(rng, shape)) if chance(rng, 0.2) else wear


def scratches(rng: Random, shape: Shape) -> Field:
    """Thin lines of many directions."""
    mask = np.zeros(shape, np.float32)
    y, x = grid(shape)
    for _ in range(int(rng.integers(2, 14))):
        angle, offset = span(rng, 0, np.pi), span(rng, -0.7, 0.7)
        s, c = np.sin(angle), np.cos(angle)
        line = np.abs((x - 0.5) * s + (y - 0.5) * c - offset) * shape[0]
        along = (x - 0.5) * c - (y - 0.5) * s - span(rng, -0.5, 0.5)
        mask = np.maximum(mask, (line < span(rng, 0.5, 1.2)) * (np.abs(along) < span(rng, 0.05, 0.5)))
    return mask.astype(np.float32)


def lay(rng: Random, shape: Shape, rows: int, columns: int, shift: str, gap: float, bevel: float):
    """Blocks in rows: distance from the edge as height, gap mask, block index, place in the block (y, x).

    `gap` and `bevel` are parts of a block's lesser side; `shift`: "none", "half" or "random" rows.
    """
    y, x = grid(shape)
    v = y * rows + np.zeros(shape, np.float32)
    row = np.floor(v).astype(np.intp)
    offsets = {"none": np.zeros(rows), "half": np.arange(rows) % 2 * 0.5, "random": rng.random(rows)}[shift]
    u = x * columns + offsets.astype(np.float32)[row % rows]
    column = np.floor(u).astype(np.intp) % columns
    ly, lx = v - row, u - np.floor(u)
    block_h, block_w = shape[0] / rows, shape[1] / columns
    unit_length = min(block_h, block_w)
    inside = np.minimum(
        np.minimum(ly, 1 - ly) * (block_h / unit_length), np.minimum(lx, 1 - lx) * (block_w / unit_length)
    ).astype(np.float32)
    height = step(inside, gap, gap + bevel)
    return height, 1 - step(inside, gap * 0.8, gap * 1.2 + 0.01), row % rows * columns + column, ly, lx


def _tones(rng: Random, count: int) -> Field:
    return rng.random(count).astype(np.float32)


def _zeros(shape: Shape) -> Field:
    return np.zeros(shape, np.float32)


def bricks(rng: Random, shape: Shape) -> Surface:
    """Bricks or stone blocks with mortar."""
    rows = int(spread(rng, 2, 22))
    columns = max(1, round(rows * span(rng, 0.35, 0.8) * shape[1] / shape[0]))
    edge = spread(rng, 0.01, 0.12)
    height, gap, index, _, _ = lay(
        rng, shape, rows, columns, pick(rng, ("half", "random")), edge, span(rng, 0.02, 0.3)
    )
    rough = noise(rng, shape, span(rng, 0.8, 1.8), 3)
    if chance(rng, 0.6):
        bend = noise(rng, shape, 2.2, 2) * span(rng, 0, 8)
        height, gap, index = warp(height, bend, bend), warp(gap, bend, bend), warp(index, bend, bend)
    tone = _tones(rng, rows * columns)[index] * span(rng, 0.2, 0.8) + rough * span(rng, 0.1, 0.7)
    height = height * (0.75 + 0.25 * _tones(rng, rows * columns)[index]) + rough * span(rng, 0.02, 0.3)
    family = pick(rng, ("brick", "brick", "stone", "stone", "sand", "grey", "paint", "vivid"))
    return Surface(
        "bricks", unit(height), unit(tone), gap, _zeros(shape), wear_of(rng, shape), _zeros(shape),
        shades(rng, family), span(rng, 2, 10), None, span(rng, 0.6, 0.95),
    )  # fmt: skip


def tiles(rng: Random, shape: Shape) -> Surface:
    """Floor or wall tiles, glossy or stone, sometimes a checkerboard."""
    rows = int(spread(rng, 1, 16))
    columns = max(1, round(rows * shape[1] / shape[0]))
    height, gap, index, ly, lx = lay(
        rng, shape, rows, columns, "none", spread(rng, 0.005, 0.06), spread(rng, 0.01, 0.15)
    )
    vein = noise(rng, shape, span(rng, 1, 2.2), 1)
    tones = _tones(rng, rows * columns)
    if chance(rng, 0.4):
        tones = ((np.arange(rows * columns) % columns + np.arange(rows * columns) // columns) % 2).astype(
            np.float32
        )
    tone = tones[index] * span(rng, 0, 0.9) + vein * span(rng, 0.05, 0.5)
    if chance(rng, 0.35):
        motif = np.sin((np.hypot(ly - 0.5, lx - 0.5)) * span(rng, 8, 40)) > span(rng, -0.5, 0.7)
        tone = tone + motif * span(rng, 0.2, 0.8)
        height = height - motif * span(rng, 0, 0.2)
    family = pick(rng, ("stone", "paint", "grey", "snow", "sand", "water", "brick", "vivid"))
    return Surface(
        "tiles", unit(height + vein * span(rng, 0, 0.08)), unit(tone), gap, _zeros(shape),
        wear_of(rng, shape), _zeros(shape), shades(rng, family), span(rng, 1, 6), None, span(rng, 0.1, 0.6),
    )  # fmt: skip


def planks(rng: Random, shape: Shape) -> Surface:
    """Boards side by side with grain, upright or lying."""
    upright = chance(rng, 0.5)
    base = (shape[1], shape[0]) if upright else shape
    rows, columns = int(spread(rng, 2, 16)), int(rng.integers(1, 4))
    height, gap, index, _, _ = lay(
        rng, base, rows, columns, pick(rng, ("random", "none")), spread(rng, 0.01, 0.08), span(rng, 0.02, 0.2)
    )
    board = rng.integers(0, base[1], rows * columns)[index]
    fibre = warp(noise(rng, base, span(rng, 0.8, 1.6), 2, 1e9, (0.3, span(rng, 2, 10))), board, board)
    tone = unit(_tones(rng, rows * columns)[index] * span(rng, 0.1, 0.8) + fibre * span(rng, 0.3, 1))
    height = height + fibre * span(rng, 0.03, 0.4)
    if upright:
        height, gap, tone = height.T.copy(), gap.T.copy(), tone.T.copy()
    return Surface(
        "planks", unit(height), tone, gap, _zeros(shape), wear_of(rng, shape), _zeros(shape),
        shades(rng, pick(rng, ("wood", "wood", "wood", "grey", "soil", "paint"))), span(rng, 1, 6), None,
        span(rng, 0.4, 0.9),
    )  # fmt: skip


def roof(rng: Random, shape: Shape) -> Surface:
    """Roof tiles, shingles, scales or thatch rows: each row overlaps the next."""
    rows = int(spread(rng, 4, 20))
    columns = max(2, round(rows * span(rng, 0.6, 1.4) * shape[1] / shape[0]))
    _, _, index, ly, lx = lay(rng, shape, rows, columns, "half", 0.02, 0.1)
    arch = span(rng, 0, 0.6)
    edge = 1 - arch * (2 * lx - 1) ** 2
    height = unit(
        np.where(ly < edge, ly, ly * 0.3) * span(rng, 0.5, 1) + np.sin(np.pi * lx) * span(rng, 0, 0.6)
    )
    gap = 1 - step(np.minimum(np.minimum(lx, 1 - lx), np.abs(ly - edge)), 0.02, 0.1)
    rough = noise(rng, shape, 1.2, 4)
    tone = unit(_tones(rng, rows * columns)[index] * span(rng, 0.2, 0.8) + rough * span(rng, 0.1, 0.5))
    return Surface(
        "roof", unit(height + rough * span(rng, 0, 0.2)), tone, gap.astype(np.float32), _zeros(shape),
        wear_of(rng, shape), _zeros(shape),
        shades(rng, pick(rng, ("brick", "wood", "stone", "paint", "dark"))),
        span(rng, 3, 10), None, span(rng, 0.5, 0.9),
    )  # fmt: skip


def cobbles(rng: Random, shape: Shape) -> Surface:
    """Round stones, paving, scales or gravel from Worley cells."""
    rows = int(spread(rng, 3, 28))
    first, second, index = cells(
        rng, shape, rows, max(1, round(rows * shape[1] / shape[0])), span(rng, 0.4, 1)
    )
    edge = second - first
    width = spread(rng, 0.03, 0.3)
    height = step(edge, width * 0.2, width * span(rng, 1.5, 5))
    rough = noise(rng, shape, span(rng, 0.9, 1.8), 4)
    tones = _tones(rng, int(index.max()) + 1)
    tone = unit(tones[index] * span(rng, 0.2, 1) + rough * span(rng, 0.1, 0.6))
    height = unit(height * (1 - span(rng, 0, 0.5) * tones[index]) + rough * span(rng, 0.02, 0.4))
    return Surface(
        "cobbles", height, tone, 1 - step(edge, width * 0.3, width), _zeros(shape), wear_of(rng, shape),
        _zeros(shape), shades(rng, pick(rng, ("stone", "stone", "grey", "soil", "sand", "brick"))),
        span(rng, 3, 12), None, span(rng, 0.5, 0.95),
    )  # fmt: skip


def _rivets(rng: Random, ly: Field, lx: Field) -> Field:
    """Heads of rivets near the four corners, or along the edges, of blocks."""
    count, inset = int(rng.integers(1, 6)), span(rng, 0.05, 0.15)
    along = (lx * count) % 1 - 0.5 if count > 1 else np.minimum(lx, 1 - lx) - inset
    across = np.minimum(ly, 1 - ly) - inset
    away = np.hypot(along / max(1, count), across)
    radius = span(rng, 0.015, 0.05)
    return step(away.astype(np.float32), radius, radius * 0.4)


def plates(rng: Random, shape: Shape) -> Surface:
    """Metal plates with seams, rivets, grain, paint and rust; also science-fiction panels with lamps."""
    rows = int(spread(rng, 1, 7))
    columns = max(1, round(rows * span(rng, 0.5, 1.5) * shape[1] / shape[0]))
    height, gap, index, ly, lx = lay(
        rng, shape, rows, columns, pick(rng, ("none", "half", "random")), spread(rng, 0.004, 0.03),
        spread(rng, 0.01, 0.06),
    )  # fmt: skip
    tones = _tones(rng, rows * columns)
    height = height * (1 - 0.5 * tones[index] * chance(rng, 0.5))
    glow = _zeros(shape)
    if chance(rng, 0.6):
        height = height + _rivets(rng, ly, lx) * span(rng, 0.2, 0.6)
    for _ in range(int(rng.integers(0, 4))):
        a, b = sorted(rng.uniform(0.08, 0.92, 2))
        c, d = sorted(rng.uniform(0.08, 0.92, 2))
        inset = (ly > a) & (ly < b) & (lx > c) & (lx < d) & (tones[index] > span(rng, 0, 0.7))
        if chance(rng, 0.3):
            inset = inset & (((lx if chance(rng, 0.5) else ly) * span(rng, 8, 30)) % 1 > 0.4)
        height = height + inset * np.float32(span(rng, -0.5, 0.5))
        if chance(rng, 0.35):
            glow = np.maximum(glow, inset)
    brushed = noise(rng, shape, span(rng, 0.6, 1.4), 4, 1e9, pick(rng, ((1, 1), (0.2, 8), (8, 0.2))))
    wear = wear_of(rng, shape)
    painted = chance(rng, 0.5)
    metal = (wear if painted else 1 - wear) * np.float32(span(rng, 0.7, 1)) * (1 - 0.7 * gap)
    family = pick(
        rng, ("metal", "metal", "grey", "dark", "paint") if not painted else ("paint", "cloth", "metal")
    )
    return Surface(
        "plates", unit(height + brushed * span(rng, 0, 0.1)),
        unit(tones[index] * span(rng, 0.1, 0.8) + brushed * span(rng, 0.1, 0.5)), gap, metal, wear,
        glow.astype(np.float32), shades(rng, family), span(rng, 1, 6), None, span(rng, 0.2, 0.6),
    )  # fmt: skip


def corrugated(rng: Random, shape: Shape) -> Surface:
    """Waves, ribs, grating, tread plates and cloth weaves: one periodic relief."""
    y, x = grid(shape)
    count = int(spread(rng, 3, 40))
    wave_x, wave_y = np.sin(2 * np.pi * count * x), np.sin(2 * np.pi * count * y)
    form = int(rng.integers(5))
    if form == 0:
        height = wave_x + 0 * y
    elif form == 1:
        height = np.where(np.sin(np.pi * count * (x + y)) > 0, np.abs(wave_x), np.abs(wave_y))
    elif form == 2:
        height = step(wave_x * wave_y, span(rng, 0, 0.3), span(rng, 0.31, 0.8))
    elif form == 3:
        height = np.maximum(ridges((wave_x + 1) / 2), ridges((wave_y + 1) / 2))
    else:
        lattice = ((x + y) * count) % 1, ((x - y) * count) % 1
        height = np.where(np.floor((x + y) * count) % 2 > 0, step(np.abs(lattice[0] - 0.5), 0.3, 0.1), 0)
        height = height * step(np.abs(lattice[1] - 0.5), 0.45, 0.3)
    height = unit(np.asarray(height, np.float32))
    rough = noise(rng, shape, span(rng, 0.8, 1.8), 1)
    cloth = form == 1 or chance(rng, 0.4)
    wear = wear_of(rng, shape)
    family = pick(rng, ("cloth", "cloth", "grey", "dark") if cloth else ("metal", "rust", "grey", "paint"))
    return Surface(
        "weave" if cloth else "corrugated", unit(height + rough * span(rng, 0, 0.4)),
        unit(height * span(rng, 0, 0.6) + rough + 0.1 * grain(rng, shape)), step(height, 0.25, 0.0),
        _zeros(shape) if cloth else 1 - wear, wear, _zeros(shape), shades(rng, family),
        span(rng, 0.5, 4), None, span(rng, 0.3, 0.9),
    )  # fmt: skip


def trim(rng: Random, shape: Shape) -> Surface:
    """A trim sheet: strips of different profiles stacked from top to bottom, some with repeated ornaments."""
    height, tone, glow, metal = (_zeros(shape) for _ in range(4))
    gap = _zeros(shape)
    _, x = grid(shape)
    cuts = np.unique(np.concatenate([[0, shape[0]], rng.integers(4, shape[0] - 4, int(rng.integers(3, 9)))]))
    for top, bottom in pairwise(cuts):
        v = np.linspace(0, 1, bottom - top, dtype=np.float32)[:, None]
        repeat = (x * int(spread(rng, 2, 30))) % 1
        profile = pick(
            rng,
            (
                np.sin(np.pi * v),
                step(np.minimum(v, 1 - v), 0.02, 0.1),
                v,
                np.abs(v - 0.5),
                np.sin(9 * v) * 0.5 + 0.5,
            ),
        )
        ornament = step(np.hypot(repeat - 0.5, v - 0.5), span(rng, 0.2, 0.5), span(rng, 0.05, 0.19))
        height[top:bottom] = profile * span(rng, 0.3, 1) + ornament * (
            span(rng, -0.5, 0.5) * chance(rng, 0.5)
        )
        tone[top:bottom] = rng.random()
        metal[top:bottom] = chance(rng, 0.3)
        glow[top:bottom] = (ornament > 0.5) * chance(rng, 0.25)
        gap[top : top + 2] = 1
    rough = noise(rng, shape, 1.4, 2)
    family = pick(rng, ("stone", "paint", "metal", "wood", "sand", "grey"))
    return Surface(
        "trim", unit(height + rough * span(rng, 0, 0.1)), mix(tone, rough, span(rng, 0.1, 0.5)), gap, metal,
        wear_of(rng, shape), glow, shades(rng, family), span(rng, 2, 8), None, span(rng, 0.2, 0.8),
    )  # fmt: skip


LAID = (bricks, tiles, planks, roof, cobbles, plates, corrugated, trim)
"""Every laid material: a function of a random generator and a shape."""
