"""Grown and eroded materials: plaster, rock, grass, sand, mud, bark, marble, lava, snow, leather, leaves."""

from __future__ import annotations

import numpy as np

from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
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
from tools.train.render.masonry import wear_of
from tools.train.render.material import Surface, shades


def _surface(
    rng: Random,
    name: str,
    families: tuple[str, ...],
    height: Field,
    tone: Field,
    cavity: Field,
    relief: float,
) -> Surface:
    zeros = np.zeros(height.shape, np.float32)
    colours = shades(rng, pick(rng, families))
    wear = wear_of(rng, (height.shape[0], height.shape[1]))
    return Surface(
        name, unit(height), unit(tone), np.clip(cavity, 0, 1), zeros, wear, zeros, colours, relief, None,
        span(rng, 0.4, 0.98),
    )  # fmt: skip


def plaster(rng: Random, shape: Shape) -> Surface:
    """Plaster, concrete, paper, painted wall: nearly flat noise, sometimes pitted or cracked."""
    rough = noise(rng, shape, span(rng, 0.4, 1.8), span(rng, 1, 8))
    height = rough
    cavity = step(rough, 0.3, 0.15)
    if chance(rng, 0.4):
        cracks = step(ridges(noise(rng, shape, 1.6, 2)), span(rng, 0.95, 0.985), 1)
        height, cavity = height - cracks, np.maximum(cavity, cracks)
    tone = noise(rng, shape, span(rng, 1, 2.4)) + rough * span(rng, 0, 0.6)
    families = ("stone", "grey", "sand", "snow", "paint", "vivid", "cloth", "dark")
    return _surface(rng, "plaster", families, height, tone, cavity, spread(rng, 0.3, 3))


def rock(rng: Random, shape: Shape) -> Surface:
    """Rock faces and cliffs: ridged, layered or cracked noise."""
    low = span(rng, 1, 3)
    base = noise(rng, shape, span(rng, 1.2, 2), low, 1e9, pick(rng, ((1, 1), (0.4, 2), (2, 0.4))))
    height = mix(base, ridges(noise(rng, shape, span(rng, 1.3, 2), low)), span(rng, 0, 1))
    if chance(rng, 0.5):
        count = span(rng, 3, 14)
        layers = (base + grid(shape)[0]) * count
        height = mix(height, layers - np.floor(layers), span(rng, 0.1, 0.6))
    cavity = step(height, span(rng, 0.2, 0.45), 0.0)
    tone = height * span(rng, 0, 1) + noise(rng, shape, 1.2, 2)
    return _surface(
        rng, "rock", ("stone", "grey", "soil", "sand", "rust"), height, tone, cavity, span(rng, 3, 16)
    )


def strokes(rng: Random, shape: Shape, count: int, length: float, thickness: float, upright: bool) -> Field:
    """Blades, fibres or twigs: random short curved strokes, each of its own height (0 where none is)."""
    height, width = shape
    start = rng.random((count, 2), np.float32) * np.array([height, width], np.float32)
    angle = rng.normal(-np.pi / 2, 0.5, count) if upright else rng.uniform(0, 2 * np.pi, count)
    steps = np.linspace(0, 1, max(4, int(length)), dtype=np.float32)
    bend = rng.normal(0, 0.6, (count, 1)).astype(np.float32) * steps
    theta = angle[:, None].astype(np.float32) + bend
    reach = length * rng.uniform(0.5, 1.2, (count, 1)).astype(np.float32) * steps
    ys, xs = start[:, :1] + np.sin(theta) * reach, start[:, 1:] + np.cos(theta) * reach
    field = np.zeros(shape, np.float32)
    level = np.sort(rng.random((count, 1), np.float32), 0) * (0.6 + 0.4 * steps) + 0.02
    for offset in range(max(1, round(thickness))):
        field[ys.astype(int) % height, (xs.astype(int) + offset) % width] = level
    return field


def grass(rng: Random, shape: Shape) -> Surface:
    """Grass, moss, straw, fur, needles: layers of strokes over soil."""
    count = int(shape[0] * shape[1] / spread(rng, 15, 90))
    blades = strokes(rng, shape, count, spread(rng, 5, 28), pick(rng, (1, 1, 2, 3)), chance(rng, 0.5))
    ground = noise(rng, shape, 1.4, 2)
    if chance(rng, 0.6):
        blades = blur(blades, span(rng, 0.5, 1.2))[0]
    height = np.maximum(blades, ground * 0.3)
    families = ("grass", "grass", "grass", "sand", "soil", "dark", "wood")
    return _surface(
        rng, "grass", families, height, height + ground * span(rng, 0, 1), step(height, 0.3, 0), 6
    )


def sand(rng: Random, shape: Shape) -> Surface:
    """Sand, snow, dirt, gravel, asphalt: fine grain over soft waves or ripples."""
    waves = noise(rng, shape, span(rng, 1.6, 2.6), 1)
    height = waves * span(rng, 0.2, 1)
    if chance(rng, 0.4):
        y, x = grid(shape)
        height = height + 0.4 * np.sin(2 * np.pi * int(rng.integers(3, 16)) * y + 5 * waves + 0 * x)
    speckle = grain(rng, shape)
    if chance(rng, 0.6):
        speckle = blur(speckle, span(rng, 0.5, 2))[0]
        speckle = speckle / speckle.std()
    height = unit(height) + speckle * span(rng, 0.01, 0.25)
    tone = waves * span(rng, 0.1, 1) + speckle * span(rng, 0.05, 0.4)
    families = ("sand", "sand", "snow", "soil", "soil", "grey", "dark", "stone")
    return _surface(rng, "sand", families, height, tone, step(unit(height), 0.3, 0.1), spread(rng, 0.8, 6))


def mud(rng: Random, shape: Shape) -> Surface:
    """Cracked earth, old paint, ice, glass: polygons with thin cracks."""
    rows = int(spread(rng, 2, 12))
    bend = noise(rng, shape, 1.6, 2)
    first, second, index = cells(rng, shape, rows, max(1, round(rows * shape[1] / shape[0])))
    reach = span(rng, 0, 14)
    edge = warp(second - first, bend * reach, bend.T[:1] * reach if shape[0] == shape[1] else bend * reach)
    width = span(rng, 0.02, 0.12)
    height = step(edge, width * 0.3, width * span(rng, 1.2, 5)) + noise(rng, shape, 1.4, 3) * span(
        rng, 0.05, 0.5
    )
    tone = rng.random(int(index.max()) + 1).astype(np.float32)[index] * span(rng, 0, 0.5) + bend
    families = ("soil", "sand", "stone", "rust", "snow", "water", "dark")
    return _surface(rng, "mud", families, height, tone, 1 - step(edge, width * 0.2, width), span(rng, 2, 8))


def bark(rng: Random, shape: Shape) -> Surface:
    """Bark, hair, rough wood: ridges stretched along one axis."""
    length = span(rng, 2, 8)
    stretch = (length, 0.7) if chance(rng, 0.75) else (0.7, length)
    field = noise(rng, shape, span(rng, 1, 1.8), 3, 1e9, stretch)
    height = mix(field, ridges(field), span(rng, 0, 1)) + noise(rng, shape, 1, 6) * span(rng, 0, 0.3)
    tone = unit(height) * span(rng, 0.2, 1) + noise(rng, shape, 1.8) * 0.4
    families = ("wood", "soil", "grey", "stone", "dark")
    return _surface(rng, "bark", families, height, tone, step(unit(height), 0.35, 0.05), span(rng, 2, 12))


def marble(rng: Random, shape: Shape) -> Surface:
    """Marble, wood rings, oil, camouflage: warped bands on a flat surface."""
    field = noise(rng, shape, span(rng, 1.8, 2.6))
    y, x = grid(shape)
    count = int(rng.integers(1, 9))
    form = int(rng.integers(3))
    if form == 0:
        bands = np.sin(2 * np.pi * (count * x + span(rng, 0.5, 3) * field) + 0 * y)
    elif form == 1:
        bands = np.sin(2 * np.pi * count * (np.hypot(y - 0.5, x - 0.5) * 2 + 0.4 * field))
    else:
        bands = np.floor(field * span(rng, 3, 7))
    fine = noise(rng, shape, 0.8, 8)
    tone = unit(np.asarray(bands, np.float32)) ** span(rng, 0.4, 4) + fine * span(rng, 0, 0.3)
    height = fine * span(rng, 0, 0.5) + unit(tone) * span(rng, 0, 0.6)
    families = ("stone", "snow", "wood", "grass", "paint", "vivid", "grey", "dark")
    return _surface(rng, "marble", families, height, tone, step(unit(tone), 0.1, 0), spread(rng, 0.2, 2))


def lava(rng: Random, shape: Shape) -> Surface:
    """Dark crust with glowing cracks; also crystals and infected flesh, by colour."""
    rows = int(spread(rng, 2, 9))
    first, second, _ = cells(rng, shape, rows, max(1, round(rows * shape[1] / shape[0])))
    bend = noise(rng, shape, 1.7, 2)
    edge = warp(second - first, bend * 12, bend * 9) + noise(rng, shape, 1.2, 4) * 0.15
    crust = step(edge, 0.02, span(rng, 0.15, 0.5))
    glow = (1 - step(edge, 0.05, span(rng, 0.12, 0.4))) * span(rng, 0.6, 1)
    surface = _surface(
        rng, "lava", ("dark", "soil", "stone"), crust + bend * 0.4, bend, 0 * bend, span(rng, 2, 9)
    )
    surface.glow = glow.astype(np.float32)
    return surface


def leather(rng: Random, shape: Shape) -> Surface:
    """Leather, skin, scales, bubbles: small cells over soft folds."""
    rows = int(spread(rng, 10, 40))
    half = (max(2, shape[0] // 2), max(2, shape[1] // 2))
    first, second, _ = cells(rng, half, rows, max(1, round(rows * shape[1] / shape[0])))
    small = step(second - first, 0.02, span(rng, 0.2, 0.6)) if chance(rng, 0.6) else 1 - first
    fine = np.repeat(np.repeat(small, 2, 0), 2, 1)
    fine = np.pad(fine, ((0, shape[0] - fine.shape[0]), (0, shape[1] - fine.shape[1])), "edge")
    folds = noise(rng, shape, span(rng, 1.6, 2.4), 1)
    height = unit(blur(fine, 0.8)[0]) * span(rng, 0.1, 0.6) + folds * span(rng, 0.1, 0.8)
    tone = folds + fine * span(rng, 0, 0.5)
    families = ("skin", "skin", "soil", "cloth", "dark", "grass", "wood")
    return _surface(rng, "leather", families, height, tone, step(fine, 0.25, 0), spread(rng, 0.6, 5))


def leaves(rng: Random, shape: Shape) -> Surface:
    """Leaves, blades or branches on nothing: a foliage cut-out."""
    y, x = grid(shape)
    height, tone = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    cover = np.zeros(shape, np.float32)
    blade = chance(rng, 0.35)
    slim = span(rng, 2, 5)
    for index in range(int(spread(rng, 2, 40))):
        cy, cx = (1.0, span(rng, 0.1, 0.9)) if blade else rng.uniform(0.12, 0.88, 2)
        angle = rng.normal(np.pi / 2, 0.25) if blade else span(rng, 0, 2 * np.pi)
        length = span(rng, 0.4, 0.95) if blade else span(rng, 0.08, 0.25)
        s, c = np.sin(angle), np.cos(angle)
        along, across = ((x - cx) * c - (y - cy) * s) / length, ((x - cx) * s + (y - cy) * c) / length
        if blade:
            across = across * 5 + 0.6 * along * along * span(rng, -1, 1)
        outline = 1 - (along * along + (across * slim) ** 2)
        inside = outline > 0
        height = np.where(inside, (index % 9 + 1) / 10 - np.abs(across) * 0.3, height)
        tone = np.where(
            inside, rng.random() * 0.5 + outline * 0.3 + (np.abs(across * slim) < 0.1) * 0.3, tone
        )
        cover = np.maximum(cover, step(outline, 0, 0.12))
    families = ("grass", "grass", "grass", "brick", "sand", "dark", "water")
    surface = _surface(rng, "leaves", families, height, tone, 0 * tone, span(rng, 1, 5))
    surface.cover = cover
    return surface


GROWN = (plaster, rock, grass, sand, mud, bark, marble, lava, leather, leaves)
"""Every grown material: a function of a random generator and a shape."""
