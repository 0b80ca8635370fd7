"""Base-colour textures: materials, model skins, cut-outs, decals, planets, block textures, crates, doors."""

from __future__ import annotations

import numpy as np

from tools.train.render import maps
from tools.train.render.atlas import split
from tools.train.render.canvas import Brush, Canvas, words
from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
    chance,
    grain,
    grid,
    luma,
    mix,
    noise,
    pick,
    ramp,
    span,
    spread,
    step,
)
from tools.train.render.ground import GROWN
from tools.train.render.masonry import LAID, lay
from tools.train.render.material import Surface, colour, scheme, shades


def _background(rng: Random, base: Field, cover: Field) -> Field:
    """What artists leave round the islands: black, white, grey, a tint, or colours that bleed outwards."""
    form = pick(rng, ("black", "white", "grey", "tint", "bleed"), (5, 1, 2, 2, 2))
    if form == "bleed":
        return mix(base, base * 0 + base[cover > 0.5].mean(0) if (cover > 0.5).any() else base, 0.5)
    flat = {
        "black": 0.0,
        "white": 1.0,
        "grey": span(rng, 0.2, 0.7),
        "tint": colour(rng, pick(rng, ("paint", "cloth", "skin"))),
    }[form]
    return mix(np.broadcast_to(np.asarray(flat, np.float32), base.shape), base, cover[..., None])


def skin(rng: Random, surface: Surface) -> Field:
    """The colours of a surface, in a random style, with alpha where it is a cut-out."""
    style = pick(rng, ("photo", "painted", "flat", "grey"), (5, 3, 1, 1))
    base = maps.colour(rng, surface, style)
    if style == "grey":
        base = np.repeat(luma(base)[..., None], 3, -1) * span(rng, 0.6, 1.2)
    if surface.name == "machine" and chance(rng, 0.3):
        base = label(rng, base)
    if surface.cover is None:
        return base
    if surface.name == "leaves":
        under = base if chance(rng, 0.5) else mix(np.float32(rng.integers(2)), base, surface.cover[..., None])
        alpha = surface.cover if chance(rng, 0.5) else (surface.cover > 0.5).astype(np.float32)
        return np.dstack([under, alpha]) if chance(rng, 0.85) else _background(rng, base, surface.cover)
    return _background(rng, base, surface.cover)


def label(rng: Random, base: Field) -> Field:
    """The picture with a word, number or stripe painted on."""
    height, width = base.shape[:2]
    text = words(rng, int(rng.integers(8, max(9, height // 5))), int(rng.integers(1, 6)))
    rows, columns = min(height, text.shape[0]), min(width, text.shape[1])
    top, left = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    part = base[top : top + rows, left : left + columns]
    ink = colour(rng, pick(rng, ("toon", "dark", "snow", "vivid")))
    part[...] = mix(part, ink, text[:rows, :columns, None] * span(rng, 0.5, 1))
    return base


def blocks(rng: Random, shape: Shape) -> Field:
    """A block-world texture of 16 or 32 pixels: few colours, speckled, pixels enlarged."""
    side = int(pick(rng, (16, 16, 32)))
    small = (side, side)
    colours = shades(rng, pick(rng, ("stone", "soil", "grass", "wood", "sand", "paint", "metal", "lava")), 5)
    tone = rng.random(small, np.float32) * span(rng, 0.2, 0.8) + noise(rng, small, 1) * span(rng, 0.2, 0.8)
    if chance(rng, 0.5):
        rows, columns = int(pick(rng, (1, 2, 4))), int(pick(rng, (1, 2, 4)))
        _, gap, _, _, _ = lay(rng, small, rows, columns, pick(rng, ("half", "none")), 0.1, 0.2)
        tone = tone * (1 - 0.7 * gap)
    base = ramp(colours, np.clip(np.round(tone * 5) / 5, 0, 1))
    if chance(rng, 0.25):
        ore = step(noise(rng, small, 1.2, 2), 0.62, 0.66)
        base = mix(base, colour(rng, pick(rng, ("toon", "vivid"))), ore[..., None])
    if chance(rng, 0.15):
        base = np.dstack([base, (noise(rng, small, 0.8, 2) > span(rng, 0.3, 0.5)).astype(np.float32)])
    times = max(1, min(shape) // side) if chance(rng, 0.4) else 1
    return np.repeat(np.repeat(base, times, 0), times, 1)


def fitted(rng: Random, surface: Surface) -> Field:
    """A crate, door, window or house front: a framed thing that fills the texture."""
    shape = surface.shape
    base = maps.colour(rng, surface, pick(rng, ("photo", "painted")))
    y, x = grid(shape)
    edge = np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x)) + np.zeros(shape, np.float32)
    width = span(rng, 0.04, 0.15)
    frame = step(edge, width, width * 0.9)
    if chance(rng, 0.4):
        frame = np.maximum(
            frame, step(np.abs(y - x) if chance(rng, 0.5) else np.abs(x - 0.5) + 0 * y, width, width * 0.9)
        )
    inked = ramp(shades(rng, pick(rng, ("wood", "metal", "dark", "paint"))), surface.tone)
    rim = 1 - 0.6 * step(np.abs(edge - width), 0.015, 0.0)
    base = mix(base, inked, frame[..., None]) * rim[..., None]
    if chance(rng, 0.4):
        rows, columns = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        _, gap, index, _, _ = lay(rng, shape, rows, columns, "none", span(rng, 0.1, 0.3), 0.05)
        panes = ramp(
            shades(rng, pick(rng, ("water", "dark", "metal"))),
            rng.random(rows * columns).astype(np.float32)[index],
        )
        base = mix(panes, base, gap[..., None])
    return base


def decal(rng: Random, shape: Shape) -> Field:
    """A mark laid over surfaces: cracks, splashes, bullet holes, posters, with alpha."""
    form = int(rng.integers(3))
    y, x = grid(shape)
    away = np.hypot(y - 0.5, x - 0.5)
    if form == 0:
        splash = noise(rng, shape, 1.8, 2) + 0.5 - away * span(rng, 1.5, 2.5)
        alpha = step(splash, 0.3, span(rng, 0.33, 0.6))
        base = ramp(
            shades(rng, pick(rng, ("rust", "dark", "paint", "grass", "soil")), 3), noise(rng, shape, 1.5)
        )
    elif form == 1:
        theta = np.arctan2(y - 0.5, x - 0.5)
        rays = noise(rng, (1, 256), 0.5)[0][((theta + np.pi) * 40).astype(int) % 256]
        alpha = step(rays * 0.5 - away, 0.0, 0.15)
        base = ramp(shades(rng, pick(rng, ("dark", "grey", "soil")), 3), np.clip(away * 3, 0, 1))
    else:
        base = label(rng, np.ones((*shape, 3), np.float32) * colour(rng, pick(rng, ("toon", "sand", "snow"))))
        base = label(rng, base) * (0.7 + 0.3 * noise(rng, shape, 1.6)[..., None])
        alpha = step(np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x)), 0.02, 0.04) + np.zeros(
            shape, np.float32
        )
    return np.dstack([base, alpha]) if chance(rng, 0.85) else mix(np.float32(1), base, alpha[..., None])


def drawn(rng: Random, shape: Shape) -> Field:
    """Flat artwork on a surface: signs, toys, pinball tables, stripes of danger, grids of discs, pictures."""
    y, x = grid(shape)
    canvas, brush, inks = Canvas(shape), Brush(rng), scheme(rng, 6)
    canvas.paint(np.ones(shape, np.float32), inks[0])
    form = int(rng.integers(5))
    if form == 0:
        count = int(rng.integers(2, 9))
        stripe = (((x + y * pick(rng, (0, 1, -1))) * count) % 1 > 0.5) + np.zeros(shape, np.float32)
        canvas.paint(stripe.astype(np.float32), inks[1])
    elif form == 1:
        count = int(rng.integers(2, 10))
        v, u = (y * count) % 1 - 0.5, (x * count) % 1 - 0.5
        radius = span(rng, 0.2, 0.5)
        canvas.paint(step(np.hypot(v, u), radius, radius - 0.08), inks[1])
    elif form == 2:
        count = int(rng.integers(2, 10))
        checks = (np.floor(y * count) + np.floor(x * count)) % 2
        canvas.paint(checks.astype(np.float32), inks[1])
    for index in range(int(rng.integers(0, 9))):
        at = span(rng, -0.9, 0.9), span(rng, -0.9, 0.9)
        size = span(rng, 0.05, 0.5)
        shapes = (
            canvas.star(*at, size, int(rng.integers(3, 9)), span(rng, 0, 0.6)),
            canvas.ellipse(*at, size, size * span(rng, 0.5, 1.5)),
            canvas.box(*at, size, size * span(rng, 0.3, 2), 0.02, pick(rng, (0, 0, 0.7))),
        )
        brush.fill(canvas, pick(rng, shapes), inks[index % 6])
    base = canvas.rgb
    for _ in range(int(rng.integers(0, 4))):
        base = label(rng, base)
    if chance(rng, 0.5):
        base = base * (0.75 + 0.4 * noise(rng, shape, span(rng, 0.8, 2)))[..., None]
    return base


def smooth(rng: Random, shape: Shape) -> Field:
    """Nearly one colour: a soft gradient, a plain paint, a photographed sheet."""
    base = ramp(
        shades(rng, pick(rng, ("paint", "cloth", "stone", "skin", "water", "grey"))), noise(rng, shape, 2.6)
    )
    flat = mix(base, base.mean((0, 1)), span(rng, 0.3, 0.98))
    return flat + grain(rng, (*shape, 1)) * spread(rng, 0.002, 0.05)


def patched(rng: Random, shape: Shape) -> Field:
    """Several materials on one sheet: walls, doors, roofs, parts of a scene that share a texture."""
    base = np.zeros((*shape, 3), np.float32)
    for top, left, bottom, right in split(rng, shape, int(rng.integers(2, 9)), 16):
        part = pick(rng, (*LAID, *GROWN))(rng, (bottom - top, right - left))
        style = pick(rng, ("photo", "painted", "flat"), (4, 2, 1))
        base[top:bottom, left:right] = maps.colour(rng, part, style) * span(rng, 0.6, 1.3)
    return base


def finish(rng: Random, base: Field) -> Field:
    """Exposure, saturation and an alpha channel that says something else (gloss, team mask) or nothing."""
    rgb, alpha = base[..., :3], base[..., 3:]
    if chance(rng, 0.3):
        grey = luma(rgb)[..., None]
        rgb = grey + (rgb - grey) * spread(rng, 0.3, 2.5)
    if chance(rng, 0.4):
        rgb = np.clip(rgb, 0, 1) ** np.float32(spread(rng, 0.45, 1.8))
    if chance(rng, 0.1):
        rgb = rgb * spread(rng, 0.2, 1)
    elif chance(rng, 0.55):
        rgb = rgb * span(rng, 0.6, 1.1) / np.maximum(0.15, np.quantile(rgb[::4, ::4], 0.9))
    if chance(rng, 0.12):
        rgb = blur(rgb[..., 1], 1)[0][..., None] * 0.5 + rgb * 0.5
    if not alpha.shape[-1] and chance(rng, 0.1):
        alpha = pick(rng, (np.ones_like(rgb[..., :1]), luma(rgb)[..., None] * span(rng, 0.2, 1)))
    return np.dstack([rgb, alpha]) if alpha.shape[-1] else rgb
