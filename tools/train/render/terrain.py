"""Landscapes (fractal, ridged, eroded, terraced, islands, craters, canyons) and 2:1 maps of planets."""

from __future__ import annotations

import numpy as np

from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
    cells,
    chance,
    grid,
    mix,
    noise,
    pick,
    ramp,
    ridges,
    span,
    spread,
    step,
    unit,
    warp,
)
from tools.train.render.material import Surface, several, shades


def terrain(rng: Random, shape: Shape) -> Field:
    """A landscape's height in 0..1."""
    low = span(rng, 1, 4)
    field = noise(rng, shape, span(rng, 1.5, 2.6), low)
    form = pick(rng, ("plain", "ridged", "eroded", "terraced", "island", "craters", "canyon"))
    if form == "ridged":
        field = ridges(field) ** span(rng, 1, 3) * (0.4 + 0.6 * noise(rng, shape, 2.2))
    elif form == "eroded":
        field = _erode(rng, field)
    elif form == "terraced":
        count = span(rng, 3, 12)
        level = np.floor(field * count)
        field = (level + step(field * count - level, span(rng, 0, 0.8), 1)) / count
    elif form == "island":
        y, x = grid(shape)
        field = np.maximum(0, field + 0.4 - np.hypot(y - 0.5, x - 0.5) * span(rng, 1.4, 2.4))
    elif form == "craters":
        first, _, _ = cells(rng, shape, int(rng.integers(2, 8)), int(rng.integers(2, 8)))
        radius = span(rng, 0.25, 0.5)
        bowl = np.where(first < radius, (first / radius) ** 2 - 0.6, 0.4 * np.exp(-(first - radius) * 14))
        field = field * 0.6 + bowl.astype(np.float32) * span(rng, 0.2, 0.7)
    elif form == "canyon":
        field = step(ridges(noise(rng, shape, 2.2)), span(rng, 0.5, 0.9), 0.3) * 0.7 + field * 0.3
    return unit(field) ** np.float32(span(rng, 0.5, 2.2))


def modelled(rng: Random, shape: Shape) -> Field:
    """A level's height as its maker draws it: plateaus, pits, walls, roads on plain or rough ground."""
    y, x = grid(shape)
    field = np.full(shape, span(rng, 0, 0.6), np.float32) + noise(rng, shape, 2.2) * span(rng, 0, 0.4)
    soft = span(rng, 0.005, 0.1)
    for _ in range(int(rng.integers(1, 16))):
        cy, cx, angle = rng.random(), rng.random(), span(rng, 0, np.pi)
        s, c = np.sin(angle) * chance(rng, 0.5), np.cos(angle)
        v, u = (y - cy) * c - (x - cx) * s, (x - cx) * c + (y - cy) * s
        form, reach = int(rng.integers(4)), spread(rng, 0.03, 0.4)
        if form == 0:
            away = np.maximum(np.abs(v), np.abs(u) * span(rng, 0.4, 2)) - reach
        elif form == 1:
            away = np.hypot(v, u * span(rng, 0.5, 2)) - reach
        elif form == 2:
            away = np.abs(np.hypot(v, u) - reach) - span(rng, 0.01, 0.06)
        else:
            away = np.abs(v + 0.05 * np.sin(u * 12)) - span(rng, 0.01, 0.05)
        mask = step(np.asarray(away, np.float32), soft, 0.0)
        field = mix(field, span(rng, 0, 1), mask * span(rng, 0.3, 1))
    if chance(rng, 0.5):
        y, x = np.abs(y * 2 - 1), np.abs(x * 2 - 1)
        field = field * step(np.maximum(y, x), 1, span(rng, 0.6, 0.95))
    return np.clip(field, 0, 1)


def _erode(rng: Random, field: Field) -> Field:
    """Valleys cut by noise that is stretched downhill: a look of gullies, without the simulation."""
    slope_y = np.roll(field, -1, 0) - np.roll(field, 1, 0)
    slope_x = np.roll(field, -1, 1) - np.roll(field, 1, 1)
    rough = ridges(noise(rng, (field.shape[0], field.shape[1]), 1.4, 6))
    gullies = rough
    for reach in (2, 5, 9):
        gullies = np.minimum(gullies, warp(rough, slope_y * reach * 60, slope_x * reach * 60))
    return mix(field, field * unit(blur(gullies, 0.7)[0]), span(rng, 0.3, 0.8))


def weights(rng: Random, shape: Shape, count: int) -> Field:
    """Splat weights (h, w, count) that sum to 1: layers of ground by height, roads and noise."""
    ground = terrain(rng, shape)
    score = np.stack([noise(rng, shape, span(rng, 1.2, 2.4), span(rng, 1, 4)) for _ in range(count)], -1)
    score[..., 0] += ground * span(rng, -1, 1)
    if chance(rng, 0.5):
        score[..., -1] += step(ridges(noise(rng, shape, 2.4)), 0.93, 0.97) * 3
    powers = np.exp((score - score.max(-1, keepdims=True)) * span(rng, 4, 60))
    return powers / powers.sum(-1, keepdims=True)


def globe(rng: Random, shape: Shape) -> Surface:
    """A planet's surface: `metal` is its water, `glow` its cities at night."""
    y, x = grid(shape)
    ground = terrain(rng, shape)
    level = span(rng, 0.2, 0.65) if chance(rng, 0.75) else 0.0
    land = step(ground, level, level + 0.015)
    fine = noise(rng, shape, 1, 6)
    ice = step(np.abs(y - 0.5) * 2 + (fine - 0.5) * 0.3 + 0 * x, span(rng, 0.75, 0.9), 0.95)
    settled = noise(rng, shape, 1.5, 3) * land * (1 - ice)
    lit = rng.random(shape, np.float32) < np.clip(settled - 0.35, 0, 1) * span(rng, 0.05, 0.6)
    dots = lit.astype(np.float32)
    cities = np.clip(dots * 0.4 + blur(dots, 1.2)[0] * 2, 0, 1)
    height = np.maximum(ground, level)
    return Surface(
        "planet",
        height,
        np.clip(ground * 0.8 + fine * 0.3, 0, 1),
        0 * ground,
        1 - land,
        ice,
        cities,
        shades(rng, pick(rng, ("grass", "soil", "sand", "rust", "grey", "snow"))),
        span(rng, 2, 12),
    )


def painted(rng: Random, shape: Shape) -> Field:
    """A planet's colours (h, w, 3)."""
    if chance(rng, 0.3):
        swirl = noise(rng, shape, 2, 2, 1e9, (0.6, 3))
        bands = noise(rng, shape, span(rng, 0.8, 1.5), 2, 1e9, (0.5, 40))
        inks = several(rng, pick(rng, ("sand", "water", "skin", "cloth")), 5)
        return ramp(inks, mix(bands, swirl, span(rng, 0.05, 0.4)))
    planet = globe(rng, shape)
    land = ramp(planet.colours, planet.tone)
    sea = ramp(shades(rng, pick(rng, ("water", "water", "dark"))), planet.tone)
    base = mix(land, sea, planet.metal[..., None])
    if chance(rng, 0.8):
        base = mix(base, np.float32(0.93), planet.wear[..., None])
    if chance(rng, 0.3):
        base = mix(base, np.float32(1), step(noise(rng, shape, 1.5, 2), 0.55, 0.9)[..., None])
    return base * span(rng, 0.6, 1.1)
