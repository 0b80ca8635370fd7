"""Planets as 2:1 maps: seas, land by height and latitude, ice, clouds, city lights; bands of gas."""

from __future__ import annotations

import numpy as np

from tools.train.render import terrain
from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
    chance,
    grid,
    mix,
    noise,
    pick,
    ramp,
    span,
    step,
)
from tools.train.render.palette import several, shades
from tools.train.render.surface import Surface


def globe(rng: Random, shape: Shape) -> Surface:
    """A planet's surface: `metal` is its water, `glow` its cities at night."""
    y, x = grid(shape)
    ground = terrain.terrain(rng, shape)
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
