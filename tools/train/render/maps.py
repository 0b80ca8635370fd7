"""The true maps of a surface: normals, occlusion, roughness and the like, from one height field."""

from __future__ import annotations

import numpy as np

from tools.train.render.field import (
    Field,
    Random,
    blur,
    chance,
    mix,
    noise,
    pick,
    ramp,
    span,
    spread,
    step,
    unit,
)
from tools.train.render.material import Surface


def normals(height: Field, depth: float) -> Field:
    """Unit tangent-space normals (h, w, 3), x right, y up (OpenGL), of a height in 0..1, `depth` pixels deep.

    Central differences with wrap-around; n = (-dh/dx, -dh/dy, 1) / |.|.
    """
    scaled = height * np.float32(depth * 0.5)
    dx = np.roll(scaled, -1, 1) - np.roll(scaled, 1, 1)
    dy = np.roll(scaled, 1, 0) - np.roll(scaled, -1, 0)
    length = 1 / np.sqrt(dx * dx + dy * dy + 1)
    return np.stack([-dx * length, -dy * length, length], -1)


def encode(vectors: Field) -> Field:
    """Unit normals as colours in 0..1."""
    return vectors * np.float32(0.5) + np.float32(0.5)


def occlusion(surface: Surface, strength: float, scales: tuple[float, ...] = (2, 6, 18)) -> Field:
    """Ambient occlusion in 0..1 (1: open): how far a place lies below its surroundings, at each scale."""
    height = surface.height
    total = np.zeros(height.shape, np.float32)
    for around in blur(height, *scales):
        total += np.maximum(around - height, 0)
    openness = np.exp(total * np.float32(-strength)) * (
        1 - surface.cavity * np.float32(min(0.8, strength * 0.12))
    )
    return np.clip(openness, 0, 1)


def roughness(rng: Random, surface: Surface) -> Field:
    """Roughness in 0..1: the material's level, changed by tone, wear, dirt, metal and fine noise."""
    level = surface.roughness
    contrast = spread(rng, 0.02, 0.5)
    fine = noise(rng, surface.shape, span(rng, 0.6, 2), span(rng, 1, 8)) if chance(rng, 0.7) else 0.5
    rough = level + contrast * (
        (surface.tone - 0.5) * span(rng, -1, 1) + (fine - 0.5) * span(rng, 0.3, 1.5) + surface.cavity * 0.6
    )
    rough = mix(rough, span(rng, 0.05, 1), surface.wear * span(rng, 0, 0.7))
    rough = rough - surface.metal * span(rng, 0, 0.4)
    if chance(rng, 0.3):
        smudge = step(noise(rng, surface.shape, 2.2, 2), 0.5, 0.7) * noise(rng, surface.shape, 0.8, 10)
        rough = rough + smudge * span(rng, -0.4, 0.4)
    return np.clip(rough, 0, 1)


def lit(surface: Surface, direction: float, strength: float) -> Field:
    """A factor around 1 for light from `direction` (radians), as if it were baked into a photograph."""
    slope = normals(surface.height, surface.relief)
    light = slope[..., 0] * np.float32(np.cos(direction)) + slope[..., 1] * np.float32(np.sin(direction))
    return 1 + light * np.float32(strength)


def colour(rng: Random, surface: Surface, style: str) -> Field:
    """Base colour (h, w, 3) in 0..1: "photo", "painted", "flat", "grey"."""
    fine = noise(rng, surface.shape, span(rng, 0.3, 1.6), span(rng, 1, 10))
    tone = surface.tone
    if style == "flat":
        tone = np.floor(tone * 5) / 4 if chance(rng, 0.5) else np.round(tone * 3) / 3 + 0 * fine
    else:
        tone = tone * span(rng, 0.5, 1) + (surface.height - 0.5) * span(rng, -0.2, 0.6) + (fine - 0.5) * 0.2
    base = ramp(surface.colours, np.clip(tone, 0, 1))
    if style == "flat":
        return base * (1 - surface.cavity * np.float32(span(rng, 0, 0.7)))[..., None]
    shade = lit(surface, span(rng, 0, 6.3), spread(rng, 0.05, 1.2) if chance(rng, 0.7) else 0)
    shade = shade * (1 - surface.cavity * np.float32(span(rng, 0, 0.85)))
    if chance(rng, 0.5):
        shade = shade * mix(1, occlusion(surface, span(rng, 1, 5)), span(rng, 0.3, 1))
    if chance(rng, 0.4):
        shade = shade * (1 + (noise(rng, surface.shape, 2.4) - 0.5) * span(rng, 0.1, 0.9))
    stain = ramp(_stains(rng), fine)
    amount = surface.wear * span(rng, 0, 0.9)
    base = base + (stain - base) * amount[..., None]
    if chance(rng, 0.3):
        patch = step(noise(rng, surface.shape, 1.8), 0.5, span(rng, 0.55, 0.9)) * span(rng, 0.2, 0.8)
        base = base + (ramp(_stains(rng), surface.height) - base) * patch[..., None]
    base = base * shade[..., None]
    if style == "photo":
        base = base + rng.standard_normal(base.shape, np.float32) * spread(rng, 0.004, 0.06)
    if style == "painted":
        base = base + (np.round(base * 8) / 8 - base) * np.float32(span(rng, 0, 0.8))
    return np.clip(base, 0, 1)


def _stains(rng: Random) -> list[Field]:
    from tools.train.render.material import shades

    return shades(rng, pick(rng, ("rust", "soil", "grass", "grey", "dark", "snow", "sand", "metal")), 3)


def specular(rng: Random, surface: Surface, grey: Field) -> Field:
    """Reflection intensity (h, w) in 0..1 from the metal mask, the albedo's grey, gloss on raised parts."""
    form = int(rng.integers(4))
    if form == 0 and surface.metal.mean() > 0.01:
        return np.clip(surface.metal * span(rng, 0.7, 1) * (1 - 0.5 * surface.wear), 0, 1)
    if form <= 1:
        contrast, offset = span(rng, 0.6, 2.5), span(rng, -0.9, 0.15)
        return np.clip(grey * contrast + offset * grey.mean() * 2, 0, 1)
    if form == 2:
        raised = unit(surface.height) ** span(rng, 1, 4) * span(rng, 0.3, 1.2)
        return np.clip(raised * (1 - surface.cavity) * grey**0.5 - span(rng, 0, 0.2), 0, 1)
    parts = step(surface.tone, span(rng, 0.3, 0.8), span(rng, 0.81, 1)) * span(rng, 0.3, 1)
    fine = noise(rng, surface.shape, 1, 4) if chance(rng, 0.5) else 0.8
    return np.clip(
        span(rng, 0, 0.25) + np.maximum(parts, surface.metal) * (0.5 + 0.5 * fine) + surface.wear * 0.2, 0, 1
    )
