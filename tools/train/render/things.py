"""Things of a 2D world drawn from shapes: figures, vehicles, items, plants, gems, buildings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.train.render.canvas import Brush, Canvas
from tools.train.render.field import Field, Random, blur, chance, pick, span
from tools.train.render.maps import normals
from tools.train.render.material import colour, scheme

Draw = Callable[[Canvas, Brush, Random, list[Field], float], None]
"""Draws on a canvas in a brush's style with some colours at a phase (0..1) of its animation."""


def figure(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A person or robot: legs and arms that swing with the phase, body, head, hair, eyes, a tool."""
    swing = np.sin(phase * 2 * np.pi) * span(rng, 0.1, 0.3)
    girth, head, tall = span(rng, 0.14, 0.32), span(rng, 0.14, 0.34), span(rng, 0.0, 0.15)
    limb = span(rng, 0.05, 0.11)
    skin = colour(rng, "skin") if chance(rng, 0.7) else inks[3]
    for side in (-1, 1):
        brush.fill(
            canvas, canvas.line(0.3, side * girth * 0.5, 0.85, side * (girth * 0.5 + swing), limb), inks[0]
        )
        brush.fill(
            canvas, canvas.ellipse(0.88, side * (girth * 0.5 + swing), limb * 0.8, limb * 1.4), inks[1] * 0.5
        )
        brush.fill(
            canvas,
            canvas.line(-0.1, side * girth, 0.3 - tall, side * (girth + 0.1) - swing, limb * 0.9),
            inks[1],
        )
    brush.fill(canvas, canvas.box(0.12, 0, 0.32, girth, span(rng, 0.02, 0.2)), inks[1])
    if chance(rng, 0.5):
        brush.fill(canvas, canvas.box(0.32, 0, 0.04, girth, 0.01), inks[2])
    brush.fill(canvas, canvas.ellipse(-0.28 - head * 0.7, 0, head, head * span(rng, 0.75, 1.1)), skin)
    if chance(rng, 0.7):
        brush.fill(canvas, canvas.ellipse(-0.32 - head * 1.25, 0, head * 0.55, head * 1.05), inks[4])
    look = pick(rng, (0.0, 0.0, head * 0.3))
    for side in (-1, 1):
        canvas.paint(
            canvas.cover(canvas.ellipse(-0.28 - head * 0.65, side * head * 0.4 + look, 0.05, 0.04)), 0.05
        )
    if chance(rng, 0.5):
        x = girth + 0.15
        brush.fill(
            canvas, canvas.line(0.4, x, -0.5 * span(rng, 0.4, 1.4), x + 0.1, 0.035), colour(rng, "metal")
        )


def blob(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A monster or animal: a round or lobed body with eyes, feet, horns, mouth."""
    bounce = 0.08 * np.sin(phase * 2 * np.pi)
    points, depth = int(rng.integers(2, 12)), span(rng, 0, 0.3)
    for side in (-1, 1):
        if chance(rng, 0.7):
            brush.fill(canvas, canvas.ellipse(0.62, side * 0.3, 0.12, 0.2), inks[1])
        if chance(rng, 0.5):
            brush.fill(
                canvas, canvas.line(-0.3, side * 0.3, -0.85, side * span(rng, 0.2, 0.6), 0.12, 0.02), inks[2]
            )
    body = canvas.star(0.08 + bounce, 0, span(rng, 0.5, 0.75), points, depth, span(rng, 0, 6))
    brush.fill(canvas, np.minimum(body, canvas.ellipse(0.1 + bounce, 0, 0.5, span(rng, 0.4, 0.8))), inks[0])
    if chance(rng, 0.5):
        brush.fill(canvas, canvas.ellipse(0.3 + bounce, 0, 0.25, 0.3), inks[3])
    eye = span(rng, 0.08, 0.22)
    for side in (-1, 1):
        brush.fill(canvas, canvas.ellipse(-0.15 + bounce, side * eye * 1.3, eye, eye), np.ones(3, np.float32))
        canvas.paint(
            canvas.cover(canvas.ellipse(-0.13 + bounce, side * eye * 1.2, eye * 0.5, eye * 0.45)), 0.03
        )
    if chance(rng, 0.6):
        canvas.paint(
            canvas.cover(canvas.box(0.2 + bounce, 0, 0.04, span(rng, 0.1, 0.3), 0.04)), inks[4] * 0.3
        )


def ship(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A ship, plane, tank or car from above: mirrored hull, wings, engines, cockpit."""
    hull = span(rng, 0.1, 0.3)
    for index in range(int(rng.integers(1, 4))):
        y, reach, sweep = span(rng, -0.4, 0.6), span(rng, 0.3, 0.9), span(rng, -0.3, 0.5)
        for side in (-1, 1):
            wing = canvas.line(y, 0, y + sweep, side * reach, span(rng, 0.06, 0.2), span(rng, 0.01, 0.1))
            brush.fill(canvas, wing, inks[index % 3])
    for side in (-1, 1):
        if chance(rng, 0.6):
            flame = canvas.ellipse(0.8 + 0.05 * phase, side * hull, 0.15 + 0.1 * phase, 0.05)
            canvas.paint(canvas.cover(flame), np.array([1, 0.7, 0.2], np.float32), 0.8)
            brush.fill(canvas, canvas.box(0.6, side * hull, 0.18, 0.08, 0.03), inks[3])
    if chance(rng, 0.6):
        body = canvas.line(0.6, 0, span(rng, -0.9, -0.5), 0, hull, hull * span(rng, 0.1, 0.7))
    else:
        body = canvas.box(0, 0, span(rng, 0.5, 0.85), hull * 1.6, span(rng, 0.02, 0.2))
    brush.fill(canvas, body, inks[0])
    for _ in range(int(rng.integers(0, 5))):
        brush.fill(
            canvas,
            canvas.box(span(rng, -0.5, 0.6), 0, span(rng, 0.01, 0.1), hull * span(rng, 0.3, 1), 0.01),
            pick(rng, inks),
        )
    if chance(rng, 0.5):
        brush.fill(canvas, canvas.line(0, 0, -0.8, span(rng, -0.3, 0.3) * chance(rng, 0.3), 0.05), inks[4])
    brush.fill(
        canvas, canvas.ellipse(span(rng, -0.4, 0.2), 0, span(rng, 0.1, 0.25), hull * 0.6), inks[2] * 0.6 + 0.3
    )


def item(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A pick-up: potion, sword, coin (turning with the phase), gem, heart, key, chest, shield, fruit."""
    form = int(rng.integers(9))
    turn = max(0.12, abs(np.cos(phase * np.pi)))
    angle = span(rng, -0.8, 0.8)
    metal = colour(rng, pick(rng, ("metal", "sand")))
    if form == 0:
        brush.fill(canvas, canvas.box(-0.45, 0, 0.3, 0.16, 0.03), inks[1] * 0.5 + 0.5)
        brush.fill(canvas, canvas.ellipse(0.25, 0, 0.55, span(rng, 0.4, 0.6)), inks[0])
        canvas.paint(canvas.cover(canvas.ellipse(0.1, -0.2, 0.15, 0.08)), 1.0, 0.7)
    elif form == 1:
        y, x = 0.8 * np.cos(angle), 0.8 * np.sin(angle)
        brush.fill(canvas, canvas.line(y * 0.3, -x * 0.3, -y, x, span(rng, 0.06, 0.15), 0.02), metal)
        brush.fill(canvas, canvas.line(y, -x, y * 0.3, -x * 0.3, 0.07), inks[1])
        brush.fill(canvas, canvas.box(y * 0.35, -x * 0.35, 0.06, 0.3, 0.03, angle), inks[0])
    elif form == 2:
        brush.fill(canvas, canvas.ellipse(0, 0, 0.8, 0.8 * turn), metal * np.float32(0.8))
        brush.fill(canvas, canvas.ellipse(0, 0, 0.6, 0.6 * turn), inks[0])
    elif form == 3:
        sides = int(rng.integers(4, 9))
        brush.fill(canvas, canvas.polygon(0, 0, 0.8, sides, 0, span(rng, 0.6, 1.1)), inks[0])
        canvas.paint(canvas.cover(canvas.polygon(-0.08, 0, 0.45, sides, 0, 0.9)), inks[0] * 0.6 + 0.4, 0.8)
    elif form == 4:
        tip = canvas.polygon(0.1, 0, 0.75, 4, 0, 1)
        lobes = np.minimum(canvas.ellipse(-0.25, -0.36, 0.42, 0.42), canvas.ellipse(-0.25, 0.36, 0.42, 0.42))
        brush.fill(canvas, np.minimum(tip, lobes), inks[0])
    elif form == 5:
        brush.fill(canvas, np.abs(canvas.ellipse(-0.45, 0, 0.3, 0.3)) - np.float32(0.09), metal)
        brush.fill(canvas, canvas.line(-0.1, 0, 0.8, 0, 0.08), metal)
        brush.fill(canvas, canvas.box(0.65, 0.16, 0.06, 0.16), metal)
    elif form == 6:
        brush.fill(canvas, canvas.box(0.2, 0, 0.5, 0.8, 0.06), inks[0])
        brush.fill(canvas, canvas.box(-0.35, 0, 0.25, 0.82, 0.2), inks[0] * np.float32(0.8))
        brush.fill(canvas, canvas.box(0.05, 0, 0.16, 0.12, 0.02), metal)
    elif form == 7:
        shield = np.maximum(canvas.ellipse(-0.5, 0, 1.4, 0.9), canvas.box(0.1, 0, 0.85, 0.75, 0.1))
        brush.fill(canvas, shield, inks[0])
        brush.fill(canvas, canvas.star(-0.05, 0, 0.45, int(rng.integers(3, 9)), span(rng, 0.2, 0.7)), inks[2])
    else:
        brush.fill(canvas, canvas.ellipse(0.15, 0, 0.65, span(rng, 0.5, 0.7)), inks[0])
        brush.fill(canvas, canvas.line(-0.4, 0, -0.85, span(rng, -0.3, 0.3), 0.05), inks[1] * np.float32(0.5))
        if chance(rng, 0.6):
            brush.fill(canvas, canvas.ellipse(-0.7, 0.25, 0.1, 0.25, 0.4), colour(rng, "grass"))


def plant(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A tree, bush, mushroom, flower or rock."""
    form = int(rng.integers(4))
    lean = 0.05 * np.sin(phase * 2 * np.pi)
    if form < 2:
        brush.fill(canvas, canvas.line(0.95, 0, 0.0, lean, span(rng, 0.06, 0.15), 0.05), colour(rng, "wood"))
        leaf = colour(rng, "grass") if chance(rng, 0.8) else inks[0]
        for index in range(int(rng.integers(1, 9))):
            if form == 0:
                at = span(rng, -0.5, 0.5), span(rng, -0.45, 0.45)
                shape = canvas.star(
                    at[0] - 0.2, at[1] + lean, span(rng, 0.2, 0.45), 7, span(rng, 0, 0.3), span(rng, 0, 6)
                )
            else:
                shape = canvas.polygon(0.35 - index * 0.2, lean, 0.65 - index * 0.07, 3, np.pi, 0.9)
            brush.fill(canvas, shape, leaf * np.float32(span(rng, 0.7, 1.25)))
    elif form == 2:
        brush.fill(canvas, canvas.line(0.9, 0, 0.1, 0, 0.12, 0.1), inks[2])
        for index in range(int(rng.integers(4, 9))):
            angle = index * 2 * np.pi / 6
            brush.fill(
                canvas, canvas.ellipse(-0.2 + 0.4 * np.sin(angle), 0.4 * np.cos(angle), 0.25, 0.25), inks[0]
            )
        brush.fill(canvas, canvas.ellipse(-0.2, 0, 0.22, 0.22), inks[1])
    else:
        stone = colour(rng, "stone")
        for _ in range(int(rng.integers(1, 5))):
            at = span(rng, 0, 0.5), span(rng, -0.4, 0.4)
            sides = int(rng.integers(5, 9))
            brush.fill(
                canvas,
                canvas.polygon(*at, span(rng, 0.3, 0.6), sides, span(rng, 0, 6)),
                stone * np.float32(span(rng, 0.7, 1.2)),
            )


def building(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A house, tower or machine, seen from the front or as an isometric block."""
    if chance(rng, 0.4):
        sides = ((0.35, 1.0), (-0.35, 0.7))
        for x, value in sides:
            slant = canvas.x * np.sign(-x) * 0.5
            part = np.maximum(
                np.abs(canvas.x - x) - 0.35, np.abs(canvas.y - 0.25 + slant + 0.17) - span(rng, 0.3, 0.5)
            )
            brush.fill(canvas, part.astype(np.float32), inks[0] * np.float32(value))
        brush.fill(
            canvas, (np.abs(canvas.y + 0.35) * 2 + np.abs(canvas.x) - 0.72).astype(np.float32) * 0.5, inks[1]
        )
        return
    wide = span(rng, 0.3, 0.75)
    brush.fill(canvas, canvas.box(0.35, 0, 0.55, wide), inks[0])
    if chance(rng, 0.7):
        brush.fill(canvas, canvas.polygon(-0.3, 0, 0.6, 3, np.pi, wide * 1.9), inks[1])
    for column in range(int(rng.integers(1, 4))):
        for row in range(int(rng.integers(1, 3))):
            at = 0.1 + row * 0.35, (column - 1) * wide * 0.6
            brush.fill(canvas, canvas.box(*at, 0.11, 0.09, 0.02), inks[2])
    brush.fill(canvas, canvas.box(0.7, 0, 0.2, 0.1, 0.03), inks[3] * np.float32(0.5))


def invader(canvas: Canvas, brush: Brush, rng: Random, inks: list[Field], phase: float) -> None:
    """A mirrored figure of random cells: creatures and machines of the oldest games."""
    rows, columns = int(rng.integers(6, 17)), int(rng.integers(3, 9))
    weight = np.linspace(span(rng, 0.1, 0.5), 0.9, columns)
    half = rng.random((rows, columns)) < weight
    half[[0, -1]] &= rng.random((2, columns)) < 0.5
    shade = rng.integers(0, 3, (rows, columns))
    both = np.concatenate([half, half[:, ::-1]], 1), np.concatenate([shade, shade[:, ::-1]], 1)
    iy = np.clip(((canvas.y + 0.95) / 1.9 * rows).astype(int), 0, rows - 1)
    ix = np.clip(((canvas.x + 0.95) / 1.9 * columns * 2).astype(int), 0, columns * 2 - 1)
    inside = both[0][iy, ix] & (np.abs(canvas.y) < 0.95) & (np.abs(canvas.x) < 0.95)
    canvas.paint(inside.astype(np.float32), np.stack(inks[:3])[both[1][iy, ix]])


THINGS: tuple[Draw, ...] = (figure, figure, blob, ship, item, item, plant, building, invader)


def thing(rng: Random, shape: tuple[int, int], draw: Draw | None = None) -> Field:
    """One thing on transparency, (h, w, 4)."""
    canvas, brush = Canvas(shape), Brush(rng)
    (draw or pick(rng, THINGS))(canvas, brush, rng, scheme(rng), float(rng.random()))
    return canvas.rgba()


def solid(rng: Random, picture: Field) -> Field:
    """The picture as if rendered: its outline puffed up and lit, with highlights."""
    alpha = picture[..., 3]
    reach = min(alpha.shape) / span(rng, 8, 24)
    puffed = sum(blur(alpha, reach, reach / 3)) * alpha * 0.5
    depth = min(alpha.shape) * span(rng, 0.2, 0.6)
    vectors = normals(np.sqrt(np.clip(puffed, 0, 1)), depth)
    angle = span(rng, 0, 2 * np.pi)
    side = vectors[..., 0] * np.cos(angle) + vectors[..., 1] * np.sin(angle)
    light = np.clip(vectors[..., 2] * 0.55 + side * 0.6 + 0.25, 0.1, 1.3)
    shine = np.clip(side * 0.7 + vectors[..., 2] * 0.7, 0, 1) ** 24 * span(rng, 0, 0.9)
    rgb = picture[..., :3] * light[..., None] + shine[..., None]
    return np.dstack([np.clip(rgb, 0, 1), alpha])


def brighten(rng: Random, picture: Field) -> Field:
    """The picture with its lights drawn up to near white, as artists use the whole range."""
    rgb = picture[..., :3]
    shown = rgb[picture[..., 3] > 0.3] if picture.shape[-1] == 4 else rgb.reshape(-1, 3)
    top = float(np.quantile(shown[::7], 0.97)) if len(shown) else 1.0
    return np.dstack([np.clip(rgb * span(rng, 0.8, 1.1) / max(0.2, top), 0, 1), picture[..., 3:]])
