"""Light from all around: 2:1 skies, cube faces and crosses, nights with stars and nebulae, studios."""

from __future__ import annotations

from typing import Any

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
from tools.train.render.material import colour, shades

FORMS = ("day", "dusk", "overcast", "night", "nebula", "studio", "scene", "abstract")
WEIGHTS = (9, 3, 2, 2, 4, 2, 4, 1)


def directions(rng: Random, shape: Shape, layout: str) -> tuple[Field, Field]:
    """Elevation (-1 down to 1 up) and azimuth (0..1) of each pixel of a panorama or a cube's face."""
    v = np.linspace(1, -1, shape[0], dtype=np.float32)[:, None]
    u = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    if layout == "panorama":
        return np.sin(v * np.float32(np.pi / 2)) + 0 * u, (u + 1) / 2 + 0 * v
    if layout in ("up", "down"):
        sign = 1 if layout == "up" else -1
        return sign / np.sqrt(1 + u * u + v * v), (np.arctan2(v, u) / np.float32(2 * np.pi)) % 1
    return v / np.sqrt(1 + u * u + v * v), 0.5 + np.arctan(u) / np.float32(2 * np.pi) + 0 * v


def _noise(rng: Random, shape: Shape, *how: Any) -> Field:
    """Noise that meets itself only where a panorama's ends do."""
    larger = (shape[0] * 5 // 4, shape[1] if shape[1] >= 2 * shape[0] else shape[1] * 5 // 4)
    return noise(rng, larger, *how)[: shape[0], : shape[1]]


def _seen(rng: Random, elevation: Field, azimuth: Field, slope: float, near: float) -> Field:
    """Noise on a plane above or below the eye, so that it shrinks towards the horizon; 0..1."""
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    if chance(rng, 0.25):
        return _noise(rng, shape, slope, span(rng, 1, 3), 1e9, pick(rng, ((1, 1), (0.6, 1.8))))
    plane = noise(rng, (256, 256), slope, span(rng, 1, 3))
    level = np.abs(elevation)
    far = np.sqrt(np.maximum(0, 1 - level * level)) / (level + span(rng, 0.03, 0.2)) * np.float32(near * 256)
    turn = azimuth * np.float32(2 * np.pi)
    seen = plane[(np.sin(turn) * far).astype(np.int32) % 256, (np.cos(turn) * far).astype(np.int32) % 256]
    return blur(seen, 0.8)[0]


def _clouds(rng: Random, elevation: Field, azimuth: Field, base: Field, sun: float) -> Field:
    """Clouds lit from above, thinner towards the horizon."""
    field = _seen(rng, elevation, azimuth, span(rng, 1.5, 2.3), spread(rng, 0.4, 1.5))
    if chance(rng, 0.2):
        field = ridges(field)
    edge = span(rng, 0.3, 0.65)
    mask = step(field, edge, edge + span(rng, 0.1, 0.5)) * step(elevation, span(rng, -0.05, 0.1), 0.4)
    soft = blur(field, 2, 6)
    light = np.clip(
        0.8 + (np.roll(soft[0], 3, 0) - soft[0]) * 4 - (soft[1] - edge) * span(rng, 0, 1.2), 0.25, 1.1
    )
    white = mix(colour(rng, "snow"), np.float32(1), 0.6)
    return mix(
        base, np.clip(light * sun, 0, 1)[..., None] * white, (mask * mask * span(rng, 0.3, 1))[..., None]
    )


def _sun(rng: Random, elevation: Field, azimuth: Field, base: Field, tint: Field, height: float) -> Field:
    at = span(rng, 0.1, 0.9)
    away = np.hypot(elevation - height, (azimuth - at) * 6.28 * np.sqrt(np.maximum(0.02, 1 - elevation**2)))
    disc = np.exp(-((away / span(rng, 0.02, 0.08)) ** 2))
    halo = np.exp(-away / span(rng, 0.08, 0.5)) * span(rng, 0.1, 0.7)
    return base + (disc + halo)[..., None] * tint


def _land(rng: Random, elevation: Field, azimuth: Field, base: Field, dim: float) -> Field:
    """Plains, hills and mountains under the sky, lit from one side, hazier with distance."""
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    haze = base[shape[0] // 2].mean(0)
    inks = shades(rng, pick(rng, ("grass", "soil", "stone", "water", "sand", "snow", "dark", "grey")))
    field = _seen(rng, elevation, azimuth, span(rng, 1, 1.8), spread(rng, 0.4, 2))
    plain = ramp(inks, field if chance(rng, 0.75) else 0 * field + 0.5) * dim
    fog = np.exp(-np.abs(elevation) * spread(rng, 2, 30))[..., None] * span(rng, 0.3, 1)
    base = mix(base, mix(plain, haze, fog), step(elevation, 0.008, -0.008)[..., None])
    peaks = int(pick(rng, (0, 0, 1, 2, 3)))
    for index in range(peaks):
        line = noise(rng, (1, shape[1]), span(rng, 1.1, 2), 1)[0]
        level = (line - 0.2) * span(rng, 0.02, 0.6) * (peaks - index) / peaks
        rough = ridges(_noise(rng, shape, span(rng, 1.2, 1.8), 2))
        light = np.clip(0.6 + (np.roll(rough, 2, 1) - rough) * 5, 0.1, 1.3)
        rock = ramp(
            inks if chance(rng, 0.5) else shades(rng, pick(rng, ("stone", "snow", "grass", "soil"))), rough
        )
        if chance(rng, 0.4):
            snow = step(elevation + (rough - 0.5) * 0.2, span(rng, 0, 0.2), 0.3)[..., None]
            rock = mix(rock, np.float32(0.95), snow)
        rock = mix(rock * light[..., None] * dim, haze, span(rng, 0, 0.7) * (peaks - index) / peaks)
        inside = step(elevation - level, 0.012, -0.012) * step(elevation, -0.12, -0.02 + 0.05 * index)
        base = mix(base, rock, inside[..., None])
    return base


def _sky(rng: Random, elevation: Field, azimuth: Field, form: str) -> Field:
    inks = {
        "day": [colour(rng, "snow"), colour(rng, "sky"), colour(rng, "sky") * np.float32(span(rng, 0.4, 1))],
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
        base = _clouds(rng, elevation, azimuth, base, bright)
    if form != "overcast" and chance(rng, 0.7):
        tint = np.array([1, span(rng, 0.6, 1), span(rng, 0.3, 0.9)], np.float32)
        base = _sun(rng, elevation, azimuth, base, tint, span(rng, 0.02, 0.7))
    if chance(rng, 0.65):
        base = _land(rng, elevation, azimuth, base, bright * span(rng, 0.2, 1))
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
            cloud = _noise(rng, shape, span(rng, 1.4, 2.4), span(rng, 1, 3))
            if chance(rng, 0.5):
                cloud = warp(cloud, _noise(rng, shape, 2) * 40, _noise(rng, shape, 2) * 40)
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
    rough = _noise(rng, (int(elevation.shape[0]), int(elevation.shape[1])), 1.2, 3)
    floor = step(elevation, -0.1, -0.2)[..., None]
    return mix(level, level * (0.4 + 0.6 * rough[..., None]), floor)


def _scene(rng: Random, elevation: Field, azimuth: Field) -> Field:
    """A photographed place: trees, houses, halls with columns, arches and windows, of all sizes and lit."""
    shape = (int(elevation.shape[0]), int(elevation.shape[1]))
    inside = chance(rng, 0.4)
    if inside:
        base = _studio(rng, elevation, azimuth) * span(rng, 0.4, 1)
    else:
        base = _sky(rng, elevation, azimuth, pick(rng, ("day", "overcast", "dusk")))
    rough = _noise(rng, shape, span(rng, 0.7, 1.4), 2)
    count = int(spread(rng, 4, 40))
    wide = 1.0 if shape[1] >= 2 * shape[0] else 0.25
    for index in range(count):
        far = 1 - index / count
        at, width = 0.5 + span(rng, -0.5, 0.5) * wide, spread(rng, 0.01, 0.12) * (1 - 0.6 * far) * wide
        top, foot = spread(rng, 0.05, 1) * (1.2 - far), -span(rng, 0.02, 0.5) * (1.1 - far)
        ragged = span(rng, 0, 0.6) * (not inside and chance(rng, 0.5))
        across = np.abs(azimuth - at + (rough - 0.5) * ragged * 0.1 * wide) / width
        arch = top - across * across * span(rng, 0, 0.2) + (rough - 0.5) * ragged
        mask = (across < 1) & (elevation < arch) & (elevation > foot)
        family = pick(rng, ("grass", "wood", "stone", "dark", "brick", "sand", "snow", "metal", "paint"))
        ink = (
            ramp(shades(rng, family), rough)
            * (1 - 0.5 * across * span(rng, 0, 1))[..., None]
            * span(rng, 0.3, 1.1)
        )
        if not ragged and chance(rng, 0.6):
            rows, columns = span(rng, 4, 30), span(rng, 1, 6)
            panes = ((elevation * rows) % 1 > 0.45) & ((across * columns) % 1 > 0.4)
            ink = mix(
                ink,
                colour(rng, pick(rng, ("dark", "snow", "sky", "sand"))),
                (panes * span(rng, 0.2, 1))[..., None],
            )
        base = mix(base, ink, mask.astype(np.float32)[..., None])
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
    base = base * (spread(rng, 0.1, 1.3) if form == "night" else spread(rng, 0.6, 1.7))
    if chance(rng, 0.4):
        base = base / (1 + base) * 1.6
    if chance(rng, 0.3):
        base = base + grain(rng, base.shape) * spread(rng, 0.003, 0.03)
    return np.clip(np.asarray(base, np.float32), 0, 1)


def environment(rng: Random, size: int) -> tuple[str, Field]:
    """A sky's form and its picture: a panorama 2:1, one face of a cube, or a cross or strip of six."""
    form = pick(rng, FORMS, WEIGHTS)
    layout = pick(rng, ("panorama", "face", "cross", "strip", "ramp", "ball"), (5, 6, 0.7, 0.5, 0.4, 0.3))
    if layout == "ramp":
        return layout, _ramp(rng, size)
    if layout == "ball":
        return layout, _ball(rng, size, form)
    if layout == "panorama":
        picture = view(rng, (size // 2, size), "panorama", form)
        if chance(rng, 0.2):
            picture = blur_colour(picture, spread(rng, 1, 10))
    elif layout == "face":
        picture = view(rng, (size, size), pick(rng, ("side", "up", "down"), (6, 1, 0.7)), form)
        if chance(rng, 0.15):
            picture = np.rot90(picture, int(rng.integers(1, 4)))
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


def _ramp(rng: Random, size: int) -> Field:
    """A sky's colours from horizon to zenith in a narrow strip, or over the hours of a day."""
    inks = [colour(rng, pick(rng, ("water", "toon", "dark", "sand", "lava", "snow"))) for _ in range(4)]
    strip = np.repeat(np.linspace(0, 1, size, dtype=np.float32)[:, None], max(32, size // 8), 1)
    return ramp(inks, strip ** np.float32(spread(rng, 0.4, 2)))


def _ball(rng: Random, size: int, form: str) -> Field:
    """A mirror ball: all around in one disc on black."""
    scene = view(rng, (size // 2, size), "panorama", form)
    v, u = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size), indexing="ij")
    away = np.hypot(v, u)
    turned = np.clip(2 * np.arcsin(np.clip(away, 0, 1)), 1e-3, np.pi)
    rows = ((0.5 + v / np.maximum(away, 1e-3) * turned / np.pi / 2) * (size // 2 - 1)).astype(int)
    columns = ((0.5 + u / np.maximum(away, 1e-3) * turned / np.pi / 2) * (size - 1)).astype(int)
    return scene[np.clip(rows, 0, size // 2 - 1), np.clip(columns, 0, size - 1)] * (away < 1)[..., None]


def blur_colour(picture: Field, sigma: float) -> Field:
    """A colour picture blurred, as skies for diffuse light are."""
    return np.stack([blur(picture[..., channel], sigma)[0] for channel in range(picture.shape[-1])], -1)
