"""UV atlases of models: islands on a flat background with the detail that modellers put on them."""

from __future__ import annotations

import numpy as np

from tools.train.render.field import (
    Field,
    Random,
    Shape,
    blur,
    chance,
    mix,
    noise,
    pick,
    span,
    spread,
    step,
    unit,
)
from tools.train.render.masonry import wear_of
from tools.train.render.material import Surface, several, shades

Box = tuple[int, int, int, int]


def split(rng: Random, shape: Shape, count: int, least: int) -> list[Box]:
    """The picture cut into up to `count` rectangles (top, left, bottom, right), the largest first."""
    boxes: list[Box] = [(0, 0, shape[0], shape[1])]
    for _ in range(count - 1):
        boxes.sort(key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), reverse=True)
        top, left, bottom, right = boxes[0]
        tall = (bottom - top) * span(rng, 0.6, 1.6) > right - left
        length = bottom - top if tall else right - left
        if length < 2 * least:
            break
        cut = int(length * span(rng, 0.25, 0.75))
        cut = min(max(cut, least), length - least)
        if tall:
            boxes[0] = (top, left, top + cut, right)
            boxes.append((top + cut, left, bottom, right))
        else:
            boxes[0] = (top, left, bottom, left + cut)
            boxes.append((top, left + cut, bottom, right))
    return boxes


def _outline(rng: Random, y: Field, x: Field, form: str) -> Field:
    """How far inside the island a place is: above 0 within, in parts of the box's half side."""
    if form == "box":
        return np.minimum(1 - np.abs(y), 1 - np.abs(x))
    if form == "round":
        corner = span(rng, 0.2, 0.7)
        qy, qx = np.maximum(np.abs(y) - 1 + corner, 0), np.maximum(np.abs(x) - 1 + corner, 0)
        return corner - np.hypot(qy, qx)
    if form == "disc":
        return 1 - np.hypot(y, x)
    if form == "taper":
        slope = span(rng, -0.6, 0.6)
        return np.minimum(1 - np.abs(y), 1 - np.abs(x) * (1 + abs(slope) + slope * y))
    if form == "ring":
        return 0.3 - np.abs(np.hypot(y, x) - 0.69)
    theta = np.arctan2(y, np.abs(x) if chance(rng, 0.5) else x)
    radius = np.full_like(theta, span(rng, 0.55, 0.8))
    for wave in range(1, 6):
        radius = radius + np.cos(wave * theta + span(rng, 0, 6.3)) * np.float32(span(rng, 0, 0.35) / wave)
    return radius / 1.1 - np.hypot(y, x)


def _form(rng: Random, y: Field, x: Field) -> Field:
    """The large shape that a flat island stands for: a slope, a tube, a ball, a face."""
    form = int(rng.integers(5))
    if form == 0:
        return y * span(rng, -1, 1) + x * span(rng, -1, 1)
    if form == 1:
        return np.sqrt(np.maximum(0, 1 - 0.9 * (x * x + 0 * y)))
    if form == 2:
        return np.sqrt(np.maximum(0, 1 - 0.45 * (x * x + y * y)))
    if form == 3:
        folds = span(rng, 2, 8)
        return np.sin(folds * (y + 0.4 * x * x) + span(rng, 0, 6)) * 0.5
    return np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)


def _lean(rng: Random, y: Field, x: Field) -> Field:
    """Shade (0 open to 1 dark) on one island: from one end, one corner, both sides of a tube, or nowhere."""
    v, u = (y * pick(rng, (-1, 1)) + 1) / 2, (x * pick(rng, (-1, 1)) + 1) / 2
    form = int(rng.integers(5))
    power = np.float32(spread(rng, 1, 6))
    if form == 0:
        return (v if chance(rng, 0.5) else u) ** power + 0 * (y + x)
    if form == 1:
        return (v * u) ** power
    if form == 2:
        return np.abs(x if chance(rng, 0.5) else y) ** power + 0 * (y + x)
    if form == 3:
        return np.exp(-((y - span(rng, -1, 1)) ** 2 + (x - span(rng, -1, 1)) ** 2) * power)
    return np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)


def _face(y: Field, x: Field) -> tuple[Field, Field]:
    """Height and tone of a head seen from the front: eyes, brow, nose, mouth."""
    eyes = np.exp(-((np.abs(x) - 0.28) ** 2 * 90 + (y + 0.15) ** 2 * 160))
    nose = np.exp(-(x * x * 120 + (y - 0.05) ** 2 * 16))
    mouth = np.exp(-(x * x * 22 + (y - 0.38) ** 2 * 400))
    brow = np.exp(-((np.abs(x) - 0.28) ** 2 * 40 + (y + 0.3) ** 2 * 300))
    return (
        0.5 * nose - 0.4 * eyes - 0.3 * mouth + 0.2 * brow,
        -0.5 * eyes - 0.4 * mouth - 0.5 * brow + 0.1 * nose,
    )


def _details(
    rng: Random, y: Field, x: Field, surface: Surface, part: tuple[slice, slice], hard: float
) -> None:
    """Seams, insets, rows of rivets, vents, belts and lamps on one island."""
    height, tone = surface.height[part], surface.tone[part]
    for _ in range(int(rng.integers(0, 5))):
        form = int(rng.integers(6))
        at, other = span(rng, -0.8, 0.8), span(rng, -0.8, 0.8)
        size, deep = span(rng, 0.06, 0.5), span(rng, -0.5, 0.4) * hard
        if form == 0:
            mask = step(np.abs((y if chance(rng, 0.5) else x) - at), 0.05, 0.02) + 0 * (y + x)
            surface.cavity[part] = np.maximum(surface.cavity[part], mask)
            deep = -abs(deep)
        elif form == 1:
            mask = step(np.maximum(np.abs(y - at), np.abs(x - other)), size, size * 0.85)
        elif form == 2:
            mask = step(np.hypot(y - at, x - other), size, size * 0.8)
        elif form == 3:
            along = ((x * span(rng, 3, 12)) % 1 - 0.5) * 0.3
            mask = step(np.hypot(along, y - at), 0.06, 0.03)
        elif form == 4:
            mask = ((y * span(rng, 5, 16)) % 1 > 0.5) & (np.abs(x - at) < size) & (np.abs(y - other) < size)
        else:
            mask = step(np.abs(y - at), size * 0.6, size * 0.5) + 0 * x
        mask = np.asarray(mask, np.float32)
        height += mask * np.float32(deep)
        if chance(rng, 0.5):
            tone += mask * np.float32(span(rng, -0.6, 0.6))
        if chance(rng, 0.25):
            surface.metal[part] = mix(surface.metal[part], float(rng.random() < 0.7), mask)
        if chance(rng, 0.12):
            surface.glow[part] = np.maximum(surface.glow[part], mask * np.float32(span(rng, 0.5, 1)))
        if chance(rng, 0.15):
            surface.wear[part] = np.maximum(surface.wear[part], mask)


def atlas(rng: Random, shape: Shape) -> Surface:
    """A model's skin: islands of many sizes, hard (machines) or soft (creatures, cloth), often mirrored."""
    zeros = [np.zeros(shape, np.float32) for _ in range(6)]
    fine = noise(rng, shape, span(rng, 0.7, 1.8), 3)
    soft = chance(rng, 0.4)
    family = pick(
        rng,
        ("skin", "cloth", "grass", "soil") if soft else ("metal", "paint", "grey", "wood", "dark", "vivid"),
    )
    colours = shades(rng, family) if chance(rng, 0.5) else several(rng, family, 5)
    surface = Surface(
        "creature" if soft else "machine", *zeros[:5], zeros[5].copy(), colours, spread(rng, 2, 20), None,
        span(rng, 0.3, 0.9),
    )  # fmt: skip
    cover, lean = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    filled = span(rng, 0.55, 1)
    margin = int(rng.integers(0, max(2, min(shape) // 60)))
    forms = pick(rng, (("box",), ("box", "round", "taper"), ("blob", "disc", "round", "ring"), ("blob",)))
    for box in split(rng, shape, int(spread(rng, 3, 60)), max(6, min(shape) // 24)):
        if not chance(rng, filled):
            continue
        top, left, bottom, right = box[0] + margin, box[1] + margin, box[2] - margin, box[3] - margin
        part = (slice(top, bottom), slice(left, right))
        y = np.linspace(-1, 1, bottom - top, dtype=np.float32)[:, None]
        x = np.linspace(-1, 1, right - left, dtype=np.float32)[None, :]
        inside = _outline(rng, y, x, pick(rng, forms))
        mask = step(np.asarray(inside, np.float32), -0.01, 0.02)
        surface.height[part] = _form(rng, y, x) * span(rng, 0, 1)
        surface.tone[part] = rng.random()
        lean[part] = _lean(rng, y, x)
        surface.metal[part] = float(not soft and chance(rng, 0.4)) * span(rng, 0.5, 1)
        if soft and chance(rng, 0.3):
            relief, tint = _face(y, x)
            surface.height[part] += relief
            surface.tone[part] += tint
        _details(rng, y, x, surface, part, span(rng, 0.2, 1))
        surface.cavity[part] = np.maximum(
            surface.cavity[part],
            (1 - step(np.asarray(inside, np.float32), 0, span(rng, 0.05, 0.5))) * span(rng, 0, 0.8),
        )
        cover[part] = np.maximum(cover[part], mask)
    rough = float(chance(rng, 0.65))
    surface.height = unit(blur(surface.height, span(rng, 0.4, 1.2))[0] + fine * span(rng, 0, 0.15) * rough)
    surface.tone = np.clip(
        surface.tone * span(rng, 0.4, 0.9) + (fine * rough + 1 - rough) * span(rng, 0.05, 0.5), 0, 1
    )
    surface.wear = np.maximum(surface.wear, wear_of(rng, shape) * (rng.random() < 0.6))
    surface.lean = lean
    surface.cover = cover if chance(rng, 0.8) else None
    return surface


def swatches(rng: Random, shape: Shape) -> Surface:
    """A palette texture of low-polygon models: a grid of flat colours, or strips of gradients."""
    rows, columns = int(spread(rng, 1, 16)), int(spread(rng, 2, 16))
    fall = np.linspace(0, 1, shape[0] // rows + 1) * (rng.random() < 0.4) * 0.4
    tone = np.repeat(
        np.repeat(rng.random((rows, columns)), shape[0] // rows + 1, 0), shape[1] // columns + 1, 1
    )
    tone = (tone - np.tile(fall, rows + 1)[: tone.shape[0], None])[: shape[0], : shape[1]].astype(np.float32)
    zeros = np.zeros(shape, np.float32)
    colours = several(rng, pick(rng, ("paint", "toon", "vivid", "cloth")), int(rng.integers(4, 12)))
    return Surface(
        "swatches",
        tone,
        np.clip(tone, 0, 1),
        zeros,
        zeros,
        zeros,
        zeros,
        colours,
        1,
        None,
        span(rng, 0.3, 0.9),
    )
