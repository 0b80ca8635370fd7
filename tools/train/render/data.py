"""Textures of data: normals, heights, roughness, specular, occlusion, channel-packed and emissive maps."""

from __future__ import annotations

import numpy as np

from tools.train.render import maps, terrain
from tools.train.render.canvas import words
from tools.train.render.field import (
    Field,
    Random,
    blur,
    chance,
    grain,
    grid,
    luma,
    mix,
    noise,
    pick,
    ramp,
    ridges,
    span,
    spread,
    step,
    unit,
)
from tools.train.render.masonry import lay
from tools.train.render.material import Surface, colour, several, shades

FLAT = np.array([128, 128, 255], np.float32) / 255
"""The colour of a normal that points straight out."""


def normal(rng: Random, surface: Surface) -> Field:
    """A tangent-space normal map: either Y convention, nearly flat to strong, other data in alpha."""
    height = surface.height
    if chance(rng, 0.4):
        height = height + noise(rng, surface.shape, span(rng, 0.4, 1.4), 8) * spread(rng, 0.01, 0.3)
    if chance(rng, 0.15):
        height = luma(maps.colour(rng, surface, "photo"))
    if chance(rng, 0.35):
        height = blur(height, span(rng, 0.5, 2.5))[0]
    depth = surface.relief * spread(rng, 0.2, 4) * pick(rng, (1, 1, -1))
    if chance(rng, 0.3):
        height = height * step(noise(rng, surface.shape, 2.2), span(rng, 0.4, 0.7), 0.75)
    vectors = maps.normals(height, depth)
    if surface.atlas and chance(rng, 0.6):
        vectors = _bend(rng, vectors, surface)
    if chance(rng, 0.5):
        vectors = vectors * np.array([1, -1, 1], np.float32)
    coded = maps.encode(vectors)
    if surface.cover is not None:
        around = pick(rng, (FLAT, np.float32(0), np.float32(1)), (6, 1, 0.6))
        coded = mix(around, coded, (surface.cover > 0.5)[..., None])
    if chance(rng, 0.05):
        coded = np.dstack([coded[..., :2], np.full(surface.shape, rng.integers(2), np.float32)])
    if chance(rng, 0.16):
        alpha = pick(
            rng,
            (surface.height, maps.specular(rng, surface, surface.tone), np.ones(surface.shape, np.float32)),
        )
        coded = np.dstack([coded, alpha])
    elif chance(rng, 0.02):
        level = np.full(surface.shape, 1, np.float32)
        coded = np.dstack([level, coded[..., 1], level, coded[..., 0]])
    return coded


def _bend(rng: Random, vectors: Field, surface: Surface) -> Field:
    """Normals of a bake from a dense model: each island leans where the coarse model's shading differs."""
    lean = np.dstack([noise(rng, surface.shape, 2.4), noise(rng, surface.shape, 2.4), np.ones(surface.shape)])
    lean[..., :2] = (lean[..., :2] - 0.5) * span(rng, 0.2, 2.0)
    bent = vectors + lean.astype(np.float32)
    return bent / np.linalg.norm(bent, axis=-1, keepdims=True)


def height(rng: Random, surface: Surface) -> Field:
    """A height, bump or displacement map, or a terrain's heightmap."""
    form = pick(rng, ("true", "terrain", "bump"), (5, 3, 2))
    if form == "terrain":
        shape = (surface.shape[0] * 5 // 4, surface.shape[1] * 5 // 4) if chance(rng, 0.6) else surface.shape
        field = (terrain.modelled if chance(rng, 0.4) else terrain.terrain)(rng, shape)
        field = field[: surface.shape[0], : surface.shape[1]]
        if chance(rng, 0.5):
            y, x = grid(surface.shape)
            rim = np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x)) + noise(rng, surface.shape, 2) * 0.2
            field = field * step(rim - 0.1, 0, span(rng, 0.05, 0.35))
        if chance(rng, 0.5):
            field = np.clip(field - span(rng, 0, 0.4), 0, 1) * spread(rng, 0.15, 1)
    elif form == "bump":
        field = unit(luma(maps.colour(rng, surface, "photo")))
    else:
        field = surface.height
        if chance(rng, 0.3):
            field = mix(field, noise(rng, surface.shape, 1.6, 2), span(rng, 0.1, 0.5))
    if chance(rng, 0.3):
        field = unit(blur(field, spread(rng, 0.6, 5))[0])
    if chance(rng, 0.25):
        field = 1 - field
    if chance(rng, 0.35):
        middle = pick(rng, (0.5, 0.5, span(rng, 0.2, 0.8)))
        field = middle + (field - field.mean()) * pick(rng, (spread(rng, 0.02, 0.3), span(rng, 0.3, 1.6)))
    if surface.cover is not None and form != "terrain":
        field = mix(pick(rng, (0.0, 0.5, 1.0)), field, (surface.cover > 0.5).astype(np.float32))
    return np.clip(field, 0, 1) ** np.float32(spread(rng, 0.6, 1.7)) if chance(rng, 0.3) else field


def roughness(rng: Random, surface: Surface) -> Field:
    """A roughness map, or glossiness (its inverse)."""
    field = maps.roughness(rng, surface)
    if surface.lean is not None and chance(rng, 0.6):
        field = np.clip(field + (np.round(surface.tone * 4) / 4 - 0.5) * span(rng, -0.9, 0.9), 0, 1)
    if chance(rng, 0.15):
        field = mix(surface.roughness, field, span(rng, 0, 0.25))
    if chance(rng, 0.2):
        grey = luma(maps.colour(rng, surface, "photo"))
        field = span(rng, 0.1, 0.7) + (grey - 0.3) * span(rng, -0.7, 0.9)
    if surface.cover is not None:
        field = mix(
            pick(rng, (0.0, 0.0, 0.5, 1.0, surface.roughness)),
            field,
            (surface.cover > 0.5).astype(np.float32),
        )
    return 1 - field if chance(rng, 0.35) else field


def specular(rng: Random, surface: Surface) -> Field:
    """A specular, metalness or highlight map, grey or coloured."""
    base = maps.colour(rng, surface, "photo")
    field = maps.specular(rng, surface, luma(base))
    if surface.name == "planet":
        return mix(surface.metal, surface.metal * (1 - surface.tone), pick(rng, (0.0, 0.0, 0.6)))
    if chance(rng, 0.06):
        field = mix(span(rng, 0.03, 0.9), field, span(rng, 0, 0.06))
    if surface.cover is not None:
        field = field * (surface.cover > 0.5)
    if chance(rng, 0.2):
        field = mix(field, grain(rng, surface.shape) * 0.1 + field, 0.7)
    if chance(rng, 0.22):
        tint = colour(rng, pick(rng, ("metal", "skin", "paint", "water")))
        return field[..., None] * mix(base / (base.mean() + 0.05), tint, span(rng, 0, 1))
    if chance(rng, 0.12):
        field = np.clip(base * span(rng, 0.2, 1), 0, 1)
    if surface.cover is not None and chance(rng, 0.12):
        return np.dstack([np.repeat(field[..., None], 3, -1) if field.ndim == 2 else field, surface.cover])
    return field


def ambient(rng: Random, surface: Surface) -> Field:
    """An ambient-occlusion bake: white with dark crevices, on white, black or grey round the islands."""
    scales = tuple(sorted(spread(rng, 1, min(surface.shape) / 7) for _ in range(3)))
    field = maps.occlusion(surface, spread(rng, 1.5, 14), scales)
    if surface.atlas:
        shade = noise(rng, surface.shape, span(rng, 2, 2.8))
        field = field * (1 - span(rng, 0, 0.8) * shade * shade * chance(rng, 0.6))
        field = field * (1 - span(rng, 0, 0.6) * step(surface.tone, 0.5, 1) * chance(rng, 0.4))
        if surface.lean is not None:
            field = field * (1 - surface.lean * span(rng, 0.2, 1))
        field = np.clip(field * span(rng, 1, 1.5), 0, 1)
        if chance(rng, 0.5):
            inner = blur(np.asarray(surface.cover, np.float32), spread(rng, 2, 16))[0]
            field = field * step(inner, span(rng, 0, 0.45), 0.95)
    if chance(rng, 0.3):
        field = blur(field, spread(rng, 0.5, 3))[0]
    if chance(rng, 0.35):
        field = field + grain(rng, surface.shape) * spread(rng, 0.003, 0.05) * (1.02 - field)
    if surface.cover is not None:
        around = pick(rng, (1.0, 0.0, 0.0, 0.29, 0.29, span(rng, 0.2, 0.9)))
        field = mix(around, field, (surface.cover > 0.5).astype(np.float32))
    return np.clip(mix(1, field, span(rng, 0.5, 1)), 0, 1) ** np.float32(spread(rng, 0.6, 1.6))


def packed(rng: Random, surface: Surface) -> Field:
    """Independent data in the channels: occlusion, roughness, metalness in any order, masks, weights."""
    form = pick(rng, ("orm", "mask", "splat", "masks", "few"), (6, 2, 3, 1.5, 1.5))
    if form == "splat":
        return _splat(rng, surface)
    if form == "few":
        return _few(rng, surface)
    if form == "masks":
        count = int(rng.integers(3, 5))
        fields = [
            step(noise(rng, surface.shape, span(rng, 1.2, 2.2), 1), 0.5, span(rng, 0.52, 1))
            for _ in range(count)
        ]
        fields[0] = pick(rng, (surface.tone, surface.cavity, surface.wear, fields[0]))
        fields[1] = pick(rng, (surface.height, surface.metal, fields[1]))
        return np.dstack(fields)
    blank = np.full(surface.shape, rng.integers(2), np.float32)
    ao = maps.occlusion(surface, spread(rng, 1.5, 8)) if chance(rng, 0.65) else blank
    metal = surface.metal * (1 - 0.4 * surface.wear)
    if chance(rng, 0.25):
        metal = np.full(surface.shape, pick(rng, (0.0, 0.0, 1.0)), np.float32)
    rough = maps.roughness(rng, surface)
    if surface.lean is not None:
        parts = np.round(surface.tone * 5) / 5
        rough = parts if chance(rng, 0.3) else mix(rough, parts, span(rng, 0, 0.8))
        ao = ao * (1 - surface.lean * span(rng, 0, 0.8)) if chance(rng, 0.6) else ao
    rough = 1 - rough if form == "mask" or chance(rng, 0.1) else rough
    fourth = pick(rng, (surface.height, surface.wear, surface.glow, np.ones(surface.shape, np.float32)))
    if form == "mask":
        return np.dstack([metal, ao, surface.wear if chance(rng, 0.5) else 0 * metal, rough])
    order = pick(rng, ((0, 1, 2), (0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2), (0, 2, 1)))
    channels = [(ao, rough, metal)[index] for index in order]
    if chance(rng, 0.15):
        channels[int(rng.integers(3))] = fourth
    coded = np.dstack(channels)
    if surface.cover is not None:
        around = np.array([pick(rng, (0.0, 0.0, 1.0, 0.5)) for _ in range(3)], np.float32)
        if chance(rng, 0.3):
            around[:] = 0
            around[order.index(0)] = 1
        coded = mix(around, coded, (surface.cover > 0.5)[..., None])
    return np.dstack([coded, fourth]) if chance(rng, 0.15) else coded


def _few(rng: Random, surface: Surface) -> Field:
    """One channel in use (specular, gloss or height), the others empty but for a few parts (glow, paint)."""
    level = np.asarray(maps.specular(rng, surface, surface.tone), np.float32) * span(rng, 0.3, 1)
    parts = (surface.glow, surface.metal, (surface.tone > span(rng, 0.7, 0.95)) * np.float32(1), 0 * level)
    coded = np.dstack([level, pick(rng, parts) * span(rng, 0.3, 1), pick(rng, parts) * span(rng, 0.3, 1)])
    if surface.cover is not None and chance(rng, 0.6):
        coded = coded * (surface.cover > 0.5)[..., None]
    coded = coded[..., list(pick(rng, ((0, 1, 2), (0, 1, 2), (1, 0, 2), (2, 1, 0))))]
    return np.dstack([coded, surface.tone]) if chance(rng, 0.2) else coded


def _splat(rng: Random, surface: Surface) -> Field:
    weights = terrain.weights(rng, surface.shape, int(rng.integers(3, 5)))
    if chance(rng, 0.5):
        side = max(2, int(spread(rng, 2, 20)))
        weights = np.stack([blur(weights[..., i], side / 4)[0] for i in range(weights.shape[-1])], -1)
    if chance(rng, 0.3):
        weights = weights[..., :3] * np.array([1, 1, rng.integers(2)], np.float32)
    return weights


def emissive(rng: Random, surface: Surface) -> Field:
    """What lights up, on black: windows, lamps, panels, cracks, screens, stripes; sometimes with a glow."""
    mask = surface.glow
    if mask.mean() < 0.004 or chance(rng, 0.35):
        mask = _lights(rng, surface)
    if surface.cover is not None and (mask * surface.cover).mean() > 0.002:
        mask = mask * surface.cover
    mask = mask / max(0.05, float(mask.max()))
    if chance(rng, 0.4):
        mask = np.maximum(mask, blur(mask, spread(rng, 1, 8))[0] * span(rng, 0.3, 1.5))
    if chance(rng, 0.12):
        return np.clip(mask, 0, 1)
    hues = [
        np.zeros(3, np.float32),
        *shades(rng, pick(rng, ("toon", "vivid", "vivid", "lava", "water", "sand", "snow")), 3),
    ]
    hues[-1] = mix(hues[-1], np.float32(1), span(rng, 0, 0.9) * chance(rng, 0.6))
    if chance(rng, 0.12):
        return _hot(rng, surface)
    lights = ramp(hues, np.clip(mask * (0.5 + 0.5 * surface.tone), 0, 1)) * spread(rng, 0.5, 2)
    if chance(rng, 0.3):
        lights = lights * (0.5 + maps.colour(rng, surface, "photo"))
    if chance(rng, 0.12):
        lights = lights + maps.colour(rng, surface, "photo") * span(rng, 0.02, 0.15)
    return np.dstack([lights, mask if chance(rng, 0.5) else 0 * mask + 1]) if chance(rng, 0.2) else lights


def _hot(rng: Random, surface: Surface) -> Field:
    """Things that glow all over: lava, plasma, energy, a map of coloured lamps."""
    if chance(rng, 0.4):
        mask = np.floor(surface.tone * 6) % 2 * (surface.cavity < 0.3)
        inks = several(rng, "toon", 6)
        return ramp(inks, surface.tone) * mask[..., None].astype(np.float32)
    field = noise(rng, surface.shape, span(rng, 1.2, 2.2), 2)
    field = ridges(field) ** spread(rng, 0.7, 5) if chance(rng, 0.6) else field
    hot = pick(rng, ("lava", "toon", "water"))
    inks = [colour(rng, "dark") * 0.3, colour(rng, hot), colour(rng, hot) * 0.5 + 0.5, np.ones(3, np.float32)]
    return ramp(inks, unit(field + surface.height * span(rng, 0, 0.5))) * spread(rng, 0.6, 1.5)


def _console(rng: Random, surface: Surface) -> Field:
    """Rows of lit letters, digits and bars: instruments and screens."""
    mask = np.zeros(surface.shape, np.float32)
    size = int(min(spread(rng, 6, 28), min(surface.shape) // 3))
    for _ in range(int(rng.integers(2, 30))):
        text = words(rng, size, int(rng.integers(1, 8)))
        top = int(rng.integers(0, surface.shape[0] - size + 1))
        left = int(rng.integers(0, surface.shape[1]))
        part = mask[top : top + size, left : left + text.shape[1]]
        part[...] = np.maximum(part, text[:, : part.shape[1]] * span(rng, 0.5, 1))
    return mask


def _lights(rng: Random, surface: Surface) -> Field:
    shape = surface.shape
    form = int(rng.integers(6))
    if form == 5:
        return _console(rng, surface)
    if form == 0:
        rows, columns = int(spread(rng, 2, 24)), int(spread(rng, 2, 24))
        inside, _, index, _, _ = lay(rng, shape, rows, columns, "none", span(rng, 0.1, 0.35), 0.05)
        lit = (rng.random(rows * columns) < span(rng, 0.1, 0.7)) * rng.uniform(0.4, 1, rows * columns)
        return inside * lit.astype(np.float32)[index]
    if form == 1:
        return step(noise(rng, shape, span(rng, 1, 2), 2), span(rng, 0.6, 0.75), 0.85)
    mask = np.zeros(shape, np.float32)
    for _ in range(int(spread(rng, 1, 24))):
        y, x = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        tall, wide = int(spread(rng, 1, shape[0] / 3)), int(spread(rng, 1, shape[1] / 3))
        part = mask[y : y + tall, x : x + wide]
        if form == 2 or not part.size:
            part[...] = span(rng, 0.4, 1)
            continue
        v = np.linspace(-1, 1, part.shape[0], dtype=np.float32)[:, None]
        u = np.linspace(-1, 1, part.shape[1], dtype=np.float32)[None, :]
        shapes = np.clip(1 - np.hypot(u, v), 0, 1) if form == 3 else ((u + v) * 4 % 1 > 0.5) * 0.9
        part[...] = np.maximum(part, shapes)
    return mask
