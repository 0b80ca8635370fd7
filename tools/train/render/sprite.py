"""Sprites: single things, animation sheets, effects, tiles and layers of 2D worlds, pixel art."""

from __future__ import annotations

import numpy as np

from tools.train.render.canvas import Brush, Canvas
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
    spread,
    step,
)
from tools.train.render.maps import normals
from tools.train.render.material import colour, scheme, shades
from tools.train.render.things import THINGS, brighten, solid, thing


def enlarge(field: Field, times: int) -> Field:
    """Each pixel repeated `times` along both sides."""
    return np.repeat(np.repeat(field, times, 0), times, 1) if times > 1 else field


def single(rng: Random, shape: Shape) -> Field:
    """One thing that fills the texture, drawn at its size or as enlarged pixel art."""
    if chance(rng, 0.35):
        small = int(pick(rng, (8, 12, 16, 16, 24, 32)))
        return enlarge(posterise(rng, thing(rng, (small, small))), max(1, -(-shape[0] // small)))
    picture = ball(rng, shape) if chance(rng, 0.15) else thing(rng, shape)
    if chance(rng, 0.35):
        picture[..., :3] *= (0.6 + 0.8 * noise(rng, shape, span(rng, 0.8, 2)))[..., None]
    if chance(rng, 0.35):
        picture = solid(rng, picture)
    if chance(rng, 0.3):
        picture = shadow(rng, picture)
    return picture


def ball(rng: Random, shape: Shape) -> Field:
    """A round or lumpy body lit from one side: balls, marbles, rocks, planets, fruit, coins."""
    canvas = Canvas(shape)
    form = int(rng.integers(3))
    reach = span(rng, 0.6, 0.97)
    if form == 0:
        outline = canvas.star(0, 0, reach, int(rng.integers(3, 9)), span(rng, 0.05, 0.3), span(rng, 0, 6))
    else:
        outline = canvas.ellipse(0, 0, reach, reach * pick(rng, (1, 1, span(rng, 0.6, 1))))
    height = np.sqrt(np.clip(1 - (canvas.y**2 + canvas.x**2) / reach**2, 0, 1))
    rough = noise(rng, shape, span(rng, 1, 2.2), 1)
    if form != 1:
        height = height + rough * span(rng, 0, 0.4)
    vectors = normals(height.astype(np.float32), canvas.scale * reach)
    angle = span(rng, 0, 2 * np.pi)
    side = vectors[..., 0] * np.cos(angle) + vectors[..., 1] * np.sin(angle)
    light = np.clip(side * 0.7 + vectors[..., 2] * 0.5 + span(rng, 0, 0.3), 0.03, 1.3)
    shine = np.clip(side * 0.6 + vectors[..., 2] * 0.75, 0, 1) ** spread(rng, 6, 60) * span(rng, 0, 1)
    skin = ramp(
        shades(rng, pick(rng, ("stone", "paint", "toon", "water", "metal", "sand", "grey", "brick"))), rough
    )
    if chance(rng, 0.4):
        skin = mix(skin, skin.mean((0, 1)), 0.9)
    canvas.paint(canvas.cover(outline), np.clip(skin * light[..., None] + shine[..., None], 0, 1))
    return canvas.rgba()


def posterise(rng: Random, picture: Field) -> Field:
    """Few colours and a hard alpha, as in pixel art."""
    levels = int(rng.integers(4, 10))
    rgb = np.round(picture[..., :3] * levels) / levels
    return np.dstack([rgb, (picture[..., 3] > 0.4).astype(np.float32)])


def shadow(rng: Random, picture: Field) -> Field:
    """The picture with a soft shadow under it."""
    dark = blur(np.roll(picture[..., 3], (2, 2), (0, 1)), span(rng, 1, 4))[0] * span(rng, 0.3, 0.7)
    alpha = np.maximum(picture[..., 3], dark)
    return np.dstack([picture[..., :3] * picture[..., 3:], alpha])


def _cell(rng: Random, shape: Shape, rows: int, columns: int) -> int:
    return max(8, min(shape[0] // rows, shape[1] // columns))


def sheet(rng: Random, shape: Shape) -> Field:
    """A grid of animation frames: each row one thing (or all one), phases from left to right."""
    rows, columns = int(pick(rng, (1, 1, 2, 3, 4, 4, 6, 8))), int(pick(rng, (1, 2, 3, 4, 4, 6, 8)))
    side = _cell(rng, shape, rows, columns)
    pixel = 2 if side >= 32 and chance(rng, 0.4) else 1
    result = np.zeros((rows * side, columns * side, 4), np.float32)
    draw, seed, inks = pick(rng, THINGS), int(rng.integers(1 << 30)), scheme(rng)
    same, round_ = chance(rng, 0.6), chance(rng, 0.25)
    for row in range(rows):
        if not same:
            draw, seed, inks = pick(rng, THINGS), int(rng.integers(1 << 30)), scheme(rng)
        last = columns if chance(rng, 0.8) else int(rng.integers(1, columns + 1))
        for column in range(last):
            own = np.random.default_rng(seed)
            canvas, brush = Canvas((side // pixel, side // pixel)), Brush(own)
            draw(canvas, brush, own, inks, (column + row * 0.3 * same) / columns)
            cell = canvas.rgba()
            cell = solid(own, cell) if round_ else cell
            cell = enlarge(posterise(own, cell), pixel) if pixel > 1 else cell
            result[row * side : row * side + cell.shape[0], column * side : column * side + cell.shape[1]] = (
                cell
            )
    if chance(rng, 0.08):
        line = np.append(colour(rng, pick(rng, ("toon", "vivid"))), 1).astype(np.float32)
        result[::side] = line
        result[:, ::side] = line
    return result


def mixed(rng: Random, shape: Shape) -> Field:
    """A packed atlas of many different things of several sizes."""
    result = np.zeros((*shape, 4), np.float32)
    brushes = int(rng.integers(1 << 30))
    top = 0
    while top < shape[0] - 12:
        tall = int(min(pick(rng, (16, 24, 32, 48, 64)), shape[0] - top))
        left = 0
        while left < shape[1] - 12:
            wide = int(min(tall * pick(rng, (1, 1, 1, 0.75, 1.5)), shape[1] - left))
            if chance(rng, 0.9) and wide > 6:
                canvas = Canvas((tall, wide))
                brush = Brush(np.random.default_rng(brushes))
                pick(rng, THINGS)(canvas, brush, rng, scheme(rng), 0)
                result[top : top + tall, left : left + wide] = canvas.rgba()
            left += max(8, wide) + int(rng.integers(0, 3))
        top += tall + int(rng.integers(0, 3))
    return result


def effect(rng: Random, shape: Shape) -> Field:
    """A particle: smoke, flare, explosion, spark, beam, ring, splash; light on black or on alpha."""
    y, x = grid(shape)
    cy, cx = (y - 0.5) * 2, (x - 0.5) * 2
    away = np.hypot(cy, cx).astype(np.float32)
    form = pick(rng, ("puff", "glow", "rays", "ring", "burst", "beam", "spark"))
    rough = noise(rng, shape, span(rng, 1.2, 2.2), span(rng, 1, 4))
    if form == "puff":
        value = step(1 - away + (rough - 0.5) * span(rng, 0.5, 1.6), 0, span(rng, 0.4, 1)) * (
            0.3 + 0.7 * rough
        )
    elif form == "glow":
        value = np.clip(1 - away, 0, 1) ** np.float32(spread(rng, 0.7, 4))
    elif form == "rays":
        theta = np.arctan2(cy, cx)
        count = int(rng.integers(2, 12))
        value = np.clip(1 - away, 0, 1) ** 2 + np.abs(np.cos(theta * count)) ** 12 * np.clip(1 - away, 0, 1)
    elif form == "ring":
        value = np.exp(-((away - span(rng, 0.4, 0.85)) ** 2) * spread(rng, 20, 400)) * (
            0.5 + rough * chance(rng, 0.5)
        )
    elif form == "burst":
        value = step(0.9 - away + (rough - 0.5) * 1.2, 0, 0.7) * step(away + rough, span(rng, -0.2, 0.5), 0.9)
    elif form == "beam":
        value = np.exp(-(cx**2) * spread(rng, 4, 80)) * (0.5 + 0.5 * rough) + 0 * cy
    else:
        dots = (rng.random(shape) > 0.995) * 1.0
        value = sum(blur(dots.astype(np.float32), 0.8, 2.5)) * 8 * np.clip(1.1 - away, 0, 1)
    value = np.clip(np.asarray(value, np.float32), 0, 1)
    if chance(rng, 0.3):
        return _frames(rng, value, shape)
    return _light(rng, value)


def _light(rng: Random, value: Field) -> Field:
    """A brightness as white with alpha, fire or coloured light on black, or both."""
    hot = [np.zeros(3, np.float32), colour(rng, pick(rng, ("lava", "toon", "water"))), np.ones(3, np.float32)]
    tinted = ramp(hot, value)
    form = int(rng.integers(5))
    if form == 0:
        return np.dstack([np.ones((*value.shape, 3), np.float32), value])
    if form == 1:
        return tinted
    if form == 2:
        return np.repeat(value[..., None], 3, -1)
    if form == 3:
        return np.dstack([np.clip(tinted / np.maximum(value, 0.2)[..., None], 0, 1), value])
    grey = ramp(shades(rng, pick(rng, ("grey", "stone", "sand", "dark")), 3), value)
    return np.dstack([grey, value * span(rng, 0.5, 1)])


def _frames(rng: Random, value: Field, shape: Shape) -> Field:
    """An effect as a sheet of frames that grow and fade."""
    count = int(pick(rng, (2, 3, 4)))
    small = value[::count, ::count]
    rows = []
    for row in range(count):
        cells = []
        for column in range(count):
            age = (row * count + column) / (count * count)
            cells.append(np.clip(np.roll(small, int(age * 5), 0) * (1.2 - age) - age * 0.2, 0, 1))
        rows.append(np.concatenate(cells, 1))
    return _light(rng, np.concatenate(rows, 0))


def tile(rng: Random, side: int, inks: list[Field]) -> Field:
    """One square tile of a 2D world: grass edge, bricks, water, path, crate, slope; (side, side, 4)."""
    shape = (side, side)
    y, x = grid(shape)
    fine = rng.random(shape, np.float32)
    rough = noise(rng, shape, 1.2, 2)
    base = ramp(inks, np.clip(np.round((fine * 0.3 + rough * 0.7) * 5) / 5, 0, 1)) * span(rng, 0.6, 1)
    alpha = np.ones(shape, np.float32)
    form = int(rng.integers(8))
    if form == 0:
        top = y + 0 * x < 0.25 + 0.1 * np.sin(x * 12)
        base = mix(base, ramp(shades(rng, "grass"), fine), top[..., None].astype(np.float32))
    elif form == 1:
        rows = int(pick(rng, (2, 3, 4)))
        gap = ((y * rows) % 1 < 0.15) | (((x * 2 + np.floor(y * rows) * 0.5) % 1) < 0.1)
        base = base * (1 - 0.6 * gap[..., None])
    elif form == 2:
        alpha = ((x < y) if chance(rng, 0.5) else (1 - x < y)).astype(np.float32) + np.zeros(
            shape, np.float32
        )
    elif form == 3:
        edge = np.minimum(np.minimum(y, 1 - y), np.minimum(x, 1 - x)) < 0.12
        base = base * (0.6 + 0.6 * edge[..., None])
    elif form == 4:
        return thing(rng, shape)
    elif form == 5:
        alpha = (y + 0 * x < span(rng, 0.3, 0.8)).astype(np.float32)
    return np.dstack([np.clip(base, 0, 1), alpha])


def tileset(rng: Random, shape: Shape) -> Field:
    """A grid of square tiles of few colour families, some places empty."""
    side = int(pick(rng, (16, 16, 32, 32, 48, 64)))
    rows, columns = max(1, shape[0] // side), max(1, shape[1] // side)
    families = [
        shades(rng, pick(rng, ("grass", "soil", "stone", "water", "wood", "brick", "metal", "sand")))
        for _ in range(4)
    ]
    small = side // 2 if side >= 32 and chance(rng, 0.4) else side
    known = [tile(rng, small, pick(rng, families)) for _ in range(min(24, rows * columns))]
    known += [np.zeros((small, small, 4), np.float32)] * int(rng.integers(0, 6))
    lines = [[known[int(rng.integers(len(known)))] for _ in range(columns)] for _ in range(rows)]
    return enlarge(np.concatenate([np.concatenate(line, 1) for line in lines], 0), side // small)


def ground_tile(rng: Random, shape: Shape) -> Field:
    """A single opaque, isometric or hexagonal tile of a map."""
    side = int(pick(rng, (16, 32, 32, 64)))
    base = tile(rng, side, shades(rng, pick(rng, ("grass", "soil", "stone", "water", "snow", "sand"))))
    base = enlarge(base, max(1, min(shape) // side))
    form = int(rng.integers(3))
    height, width = base.shape[:2]
    y, x = grid((height, width))
    if form == 0:
        base[..., 3] = (np.abs(y - 0.5) * 2 * pick(rng, (1, 2)) + np.abs(x - 0.5) * 2 < 1).astype(np.float32)
    elif form == 1:
        canvas = Canvas((height, width))
        base[..., 3] = canvas.cover(canvas.polygon(0, 0, 0.99, 6, np.pi / 6))
    return base


def layer(rng: Random, shape: Shape) -> Field:
    """A backdrop or a foreground layer: hills, cities, clouds, trees, over a sky or over nothing."""
    y, _ = grid(shape)
    inks = scheme(rng, 6)
    picture = np.zeros((*shape, 4), np.float32)
    if chance(rng, 0.65):
        picture[..., :3] = ramp(inks[:3], y + np.zeros(shape, np.float32))
        picture[..., 3] = 1
    for index in range(int(rng.integers(1, 5))):
        line = noise(rng, (1, shape[1]), span(rng, 1, 2.2), 1)[0]
        if chance(rng, 0.35):
            count = int(rng.integers(6, 30))
            line = np.repeat(rng.random(count), -(-shape[1] // count))[: shape[1]].astype(np.float32)
        level = 0.35 + 0.15 * index + 0.3 * (line - 0.5)
        mask = step((y - level[None, :]) * shape[0], -0.5, 0.5)
        tone = inks[(index + 2) % 6] * np.float32(span(rng, 0.4, 1.1))
        rough = 1 + (noise(rng, shape, 1.4, 2) - 0.5) * span(rng, 0, 0.6)
        picture[..., :3] = mix(picture[..., :3], np.clip(tone * rough[..., None], 0, 1), mask[..., None])
        picture[..., 3] = np.maximum(picture[..., 3], mask)
    for _ in range(int(rng.integers(0, 6))):
        side = int(rng.integers(16, max(17, min(shape) // 3)))
        top, left = int(rng.integers(0, shape[0] - side + 1)), int(rng.integers(0, shape[1] - side + 1))
        small = thing(rng, (side, side))
        part = picture[top : top + side, left : left + side]
        part[..., :3] = mix(part[..., :3], small[..., :3], small[..., 3:])
        part[..., 3] = np.maximum(part[..., 3], small[..., 3])
    return picture


FORMS = {"thing": single, "sheet": sheet, "atlas": mixed, "effect": effect, "tileset": tileset,
         "tile": ground_tile, "layer": layer}  # fmt: skip
WEIGHTS = (6, 4, 2, 4, 2, 2, 2)


def ground(rng: Random, picture: Field) -> Field:
    """What stands for "nothing": alpha (clean, dirty, premultiplied), a colour key, black, white, a tint."""
    if picture.shape[-1] < 4:
        return picture
    rgb, alpha = picture[..., :3], picture[..., 3:]
    form = pick(
        rng,
        ("alpha", "clean", "premultiplied", "key", "black", "white", "tint"),
        (8, 4, 1.5, 1.8, 1.8, 0.6, 1),
    )
    if form == "alpha":
        return picture
    if form == "clean":
        return np.dstack([np.where(alpha > 0, rgb, np.float32(pick(rng, (0, 0, 1)))), alpha])
    if form == "premultiplied":
        return np.dstack([rgb * alpha, alpha])
    back = {
        "key": np.array(pick(rng, ((1, 0, 1), (0, 1, 0), (0, 1, 1), (0, 0, 1)))),
        "black": np.zeros(3), "white": np.ones(3), "tint": colour(rng, "cloth"),
    }[form]  # fmt: skip
    mask = (alpha > 0.5).astype(np.float32) if form == "key" else alpha
    return mix(back.astype(np.float32), rgb, mask)


def sprite(rng: Random, shape: Shape) -> tuple[str, Field]:
    """A sprite's form and its picture, (h, w, 1 to 4)."""
    form = pick(rng, tuple(FORMS), WEIGHTS)
    picture = FORMS[form](rng, shape)
    return form, ground(rng, brighten(rng, picture) if chance(rng, 0.5) else picture)
