"""Light from all around: 2:1 skies, cube faces and crosses, nights with stars and nebulae, studios."""

from __future__ import annotations

import numpy as np

from tools.train.render import terrain
from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
    chance,
    grain,
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
from tools.train.render.palette import colour, shades

FORMS = ("day", "dusk", "overcast", "night", "nebula", "studio", "scene", "abstract")
WEIGHTS = (5, 3, 2, 2, 4, 2, 3, 1)


def directions(rng: Random, shape: Shape, layout: str) -> tuple[Field, Field]:
    """Elevation (-1 down to 1 up) and azimuth (0..1) of each pixel of a panorama or a cube's face."""
    v = np.linspace(1, -1, shape[0], dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    if layout == "panorama":
        return np.sin(v * np.float32(np.pi / 2)) + 0 * u, (u + 1) / 2 + 0 * v
    if layout in ("up", "down"):
        sign = 1 if layout == "up" else -1
        return sign / np.sqrt(1 + u * u + v * v), (np.arctan2(v, u) / np.float32(2 * np.pi)) % 1
    return v / np.sqrt(1 + u * u + v * v), (np.arctan(u) / np.float32(2 * np.pi)) % 1 + 0 * v


def _clouds(rng: Random, elevation: Field, base: Field, sun: float) -> Field:
    shape = elevation.shape
    field = noise(
        rng,
        (int(shape[0]), int(shape[1])),
        span(rng, 1.3, 2.1),
        span(rng, 1, 4),
        1e9,
        pick(rng, ((1, 1), (0.6, 1.8))),
    )
    if chance(rng, 0.3):
        field = ridges(field)
    edge = span(rng, 0.3, 0.65)
    mask = step(field, edge, edge + span(rng, 0.08, 0.4)) * step(elevation, span(rng, -0.05, 0.1), 0.5)
    light = np.clip(0.75 + (np.roll(field, 3, 0) - field) * 6, 0.3, 1.1) * sun
    return mix(
        base,
        np.clip(light, 0, 1)[..., None] * mix(colour(rng, "snow"), np.float32(1), 0.6),
        (mask * span(rng, 0.3, 1))[..., None],
    )


def _sun(rng: Random, elevation: Field, azimuth: Field, base: Field, tint: Field, height: float) -> Field:
    at = span(rng, 0.1, 0.9)
    away = np.hypot(elevation - height, (azimuth - at) * 6.28 * np.sqrt(np.maximum(0.02, 1 - elevation**2)))
    disc = np.exp(-((away / span(rng, 0.02, 0.08)) ** 2))
    halo = np.exp(-away / span(rng, 0.08, 0.5)) * span(rng, 0.1, 0.7)
    return base + (disc + halo)[..., None] * tint


def _land(rng: Random, elevation: Field, azimuth: Field, base: Field, dim: float) -> Field:
    """Hills, mountains, a sea or a city under the horizon, hazier with distance."""
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    family = pick(rng, ("grass", "soil", "stone", "water", "sand", "snow", "dark", "grey"))
    inks = shades(rng, family)
    haze = base[shape[0] // 2].mean(0)
    for index in range(int(rng.integers(1, 4))):
        line = noise(rng, (1, shape[1]), span(rng, 1, 2), 1)[0]
        if chance(rng, 0.2):
            line = np.repeat(line[::7], 7)[: shape[1]]
        if line.size < shape[1]:
            line = np.resize(line, shape[1])
        level = (line - 0.3) * span(rng, 0, 0.4) / (1 + index) - 0.05 * index
        ground = ramp(inks, np.clip(noise(rng, shape, 1.5, 2, 1e9, (0.6, 1.6)) + 0.3 * elevation, 0, 1)) * dim
        depth = step(level - elevation, 0.0, span(rng, 0.2, 0.9))[..., None]
        ground = mix(mix(ground, haze, 0.7 - 0.2 * index), ground, depth)
        base = mix(base, ground, step(elevation - level, 0.012, -0.012)[..., None])
    return base


def _sky(rng: Random, elevation: Field, azimuth: Field, form: str) -> Field:
    inks = {
        "day": [colour(rng, "snow"), colour(rng, "water"), colour(rng, "water") * np.float32(0.8)],
        "dusk": [
            colour(rng, "lava") + 0.3,
            colour(rng, "brick"),
            colour(rng, "dark") + np.array([0, 0, 0.1]),
        ],
        "overcast": shades(rng, pick(rng, ("grey", "stone", "metal")), 3),
    }[form]
    up = np.clip(elevation, 0, 1) ** np.float32(span(rng, 0.4, 1))
    base = ramp([np.clip(ink, 0, 1) for ink in inks], up)
    bright = {"day": 1.0, "dusk": 0.7, "overcast": 0.8}[form]
    if chance(rng, 0.75):
        base = _clouds(rng, elevation, base, bright)
    if form != "overcast" and chance(rng, 0.7):
        tint = np.array([1, span(rng, 0.6, 1), span(rng, 0.3, 0.9)], np.float32)
        base = _sun(rng, elevation, azimuth, base, tint, span(rng, 0.02, 0.7))
    if chance(rng, 0.65):
        base = _land(rng, elevation, azimuth, base, bright * span(rng, 0.5, 1))
    return base


def stars(rng: Random, shape: Shape) -> Field:
    """Points of light of many magnitudes on black (h, w, 3)."""
    count = int(shape[0] * shape[1] * spread(rng, 0.0005, 0.02))
    field = np.zeros((*shape, 3), np.float32)
    rows, columns = rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)
    tint = 1 - rng.random((count, 3), np.float32) * span(rng, 0, 0.5)
    field[rows, columns] = tint * (rng.random((count, 1), np.float32) ** span(rng, 1, 5))
    if chance(rng, 0.6):
        big = np.roll(field, 1, 0) + np.roll(field, 1, 1) + field
        field = np.maximum(field, big * (big > 0.7) * 0.8)
    return field


def _night(rng: Random, elevation: Field, azimuth: Field, form: str) -> Field:
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    base = stars(rng, shape)
    if form == "nebula":
        for _ in range(int(rng.integers(1, 4))):
            cloud = noise(rng, shape, span(rng, 1.4, 2.4), span(rng, 1, 3))
            if chance(rng, 0.5):
                cloud = warp(cloud, noise(rng, shape, 2) * 40, noise(rng, shape, 2) * 40)
            cloud = step(cloud, span(rng, 0.3, 0.6), 1) * span(rng, 0.2, 1)
            base = base + cloud[..., None] * ramp(
                [colour(rng, "dark"), colour(rng, "toon"), colour(rng, "snow")], cloud
            )
        return base
    glow = np.exp(-np.abs(elevation) * span(rng, 2, 8)) * span(rng, 0, 0.4)
    base = base + glow[..., None] * colour(rng, "water") + colour(rng, "dark") * np.float32(0.5)
    return _land(rng, elevation, azimuth, base, 0.15) if chance(rng, 0.5) else base


def _studio(rng: Random, elevation: Field, azimuth: Field) -> Field:
    """A dark or grey room with soft boxes and windows, as used for reflections."""
    level = ramp(
        shades(rng, pick(rng, ("grey", "dark", "stone", "wood")), 3), np.clip(elevation * 0.5 + 0.5, 0, 1)
    )
    for _ in range(int(rng.integers(1, 8))):
        tall, wide = spread(rng, 0.05, 0.5), spread(rng, 0.02, 0.2)
        away = np.maximum(
            np.abs(elevation - span(rng, -0.3, 1)) / tall, np.abs(azimuth - rng.random()) / wide
        )
        lamp = step(away, 1.0, span(rng, 0.4, 0.95)) * span(rng, 0.3, 1.2)
        level = level + lamp[..., None] * mix(colour(rng, "snow"), np.float32(1), 0.5)
    rough = noise(rng, (int(elevation.shape[0]), int(elevation.shape[1])), 1.2, 3)
    floor = step(elevation, -0.1, -0.2)[..., None]
    return mix(level, level * (0.4 + 0.6 * rough[..., None]), floor)


def _scene(rng: Random, elevation: Field, azimuth: Field) -> Field:
    """A photographed place: many upright things of all sizes before a bright sky."""
    base = _sky(rng, elevation, azimuth, pick(rng, ("day", "overcast", "dusk")))
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    rough = noise(rng, shape, span(rng, 0.9, 1.5), 2)
    for _ in range(int(rng.integers(3, 16))):
        width, top, at = spread(rng, 0.01, 0.15), spread(rng, 0.05, 0.9), rng.random()
        outline = np.abs(azimuth - at) + (rough - 0.5) * span(rng, 0, 0.15)
        mask = (
            (outline < width)
            & (elevation < top + (rough - 0.5) * span(rng, 0, 0.5))
            & (elevation > -span(rng, 0.02, 0.4))
        )
        ink = ramp(shades(rng, pick(rng, ("grass", "wood", "stone", "dark", "brick"))), rough)
        base = mix(base, ink * span(rng, 0.3, 1), blur(mask.astype(np.float32), 0.7)[0][..., None])
    return base


def view(rng: Random, shape: Shape, layout: str, form: str) -> Field:
    """One sky (h, w, 3) in 0..1, tone-mapped."""
    elevation, azimuth = directions(rng, shape, layout)
    if form in ("night", "nebula"):
        base = _night(rng, elevation, azimuth, form)
    elif form == "studio":
        base = _studio(rng, elevation, azimuth)
    elif form == "scene":
        base = _scene(rng, elevation, azimuth)
    elif form == "abstract":
        base = ramp(
            shades(rng, pick(rng, ("water", "paint", "toon")), 5),
            unit(terrain.terrain(rng, shape) + elevation),
        )
    else:
        base = _sky(rng, elevation, azimuth, form)
    base = base * spread(rng, 0.5, 1.6)
    if chance(rng, 0.4):
        base = base / (1 + base) * 1.6
    if chance(rng, 0.3):
        base = base + grain(rng, base.shape) * spread(rng, 0.003, 0.03)
    return np.clip(np.asarray(base, np.float32), 0, 1)


def environment(rng: Random, size: int) -> tuple[str, Field]:
    """A sky's form and its picture: a panorama 2:1, one face of a cube, or a cross or strip of six."""
    form = pick(rng, FORMS, WEIGHTS)
    layout = pick(rng, ("panorama", "face", "cross", "strip"), (5, 5, 0.8, 0.5))
    if layout == "panorama":
        picture = view(rng, (size // 2, size), "panorama", form)
        if chance(rng, 0.2):
            picture = blur_colour(picture, spread(rng, 1, 10))
    elif layout == "face":
        picture = view(rng, (size, size), pick(rng, ("side", "up", "down"), (6, 1, 1)), form)
    else:
        side = max(16, size // (4 if layout == "cross" else 6))
        seed = int(rng.integers(1 << 30))
        places = ("side", "side", "up", "down", "side", "side")
        faces = [view(np.random.default_rng(seed), (side, side), place, form) for place in places]
        if layout == "strip":
            picture = np.concatenate(faces, pick(rng, (0, 1)))
        else:
            picture = np.full((side * 3, side * 4, 3), rng.integers(2), np.float32)
            for face, (row, column) in zip(
                faces, ((1, 0), (1, 1), (0, 1), (2, 1), (1, 2), (1, 3)), strict=True
            ):
                picture[row * side : (row + 1) * side, column * side : (column + 1) * side] = face
    return f"{form} {layout}", picture


def blur_colour(picture: Field, sigma: float) -> Field:
    """A colour picture blurred, as skies for diffuse light are."""
    return np.stack([blur(picture[..., channel], sigma)[0] for channel in range(picture.shape[-1])], -1)
