"""Parts of interfaces: icons, buttons, panels, bars, gauges, cursors, in one finish for each interface."""

from __future__ import annotations

import numpy as np

from tools.train.render.canvas import LETTERS, Brush, Canvas, glyph, words
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
)
from tools.train.render.material import colour, scheme
from tools.train.render.things import blob, figure, item, ship

Style = dict[str, float]


def plate(canvas: Canvas, rng: Random, distance: Field, ink: Field, style: Style) -> None:
    """A shape with an interface's finish: gradient, gloss, bevel, border."""
    mask = canvas.cover(distance)
    fall = canvas.y * np.float32(-style["gradient"]) + 0 * canvas.x
    gloss = (canvas.y < 0) * np.float32(style["gloss"]) + 0 * canvas.x
    canvas.paint(mask, np.clip(ink * (1 + fall[..., None]) + gloss[..., None], 0, 1), style["opacity"])
    border = style["border"]
    if border:
        rim = canvas.cover(np.abs(distance + np.float32(border)) - np.float32(border))
        canvas.paint(
            rim, np.clip(ink * np.float32(style["rim"]) + np.float32(max(0.0, style["rim"] - 1) * 0.3), 0, 1)
        )
    if style["bevel"]:
        light = canvas.cover(np.abs(distance + 0.06) - 0.025)
        up = (canvas.y + canvas.x < 0).astype(np.float32)
        canvas.paint(light * up, 1.0, style["bevel"])
        canvas.paint(light * (1 - up), 0.0, style["bevel"])


def style_of(rng: Random) -> Style:
    """One interface's finish, the same for all of its parts."""
    return {
        "gradient": span(rng, 0, 0.5) * chance(rng, 0.6),
        "gloss": span(rng, 0.05, 0.25) * chance(rng, 0.3),
        "border": span(rng, 0.02, 0.08) * chance(rng, 0.6),
        "rim": pick(rng, (0.3, 0.5, 1.5, 2.0)),
        "bevel": span(rng, 0.2, 0.6) * chance(rng, 0.35),
        "opacity": pick(rng, (1.0, 1.0, span(rng, 0.3, 0.9))),
        "corner": span(rng, 0, 0.5),
    }


def symbol(canvas: Canvas, rng: Random, size: float = 0.6) -> Field:
    """A pictogram as coverage: arrow, cross, tick, gear, house, lens, play, bars, star, eye, letter."""
    form = int(rng.integers(14))
    line, thick = canvas.line, size * span(rng, 0.1, 0.24)
    if form == 0:
        angle = pick(rng, (0, np.pi / 2, np.pi, -np.pi / 2))
        s, c = np.sin(angle) * size, np.cos(angle) * size
        d = np.minimum.reduce(
            [
                line(-s, -c, s, c, thick),
                line(s, c, -c * 0.7, s * 0.7, thick),
                line(s, c, c * 0.7, -s * 0.7, thick),
            ]
        )
    elif form == 1:
        d = np.minimum(line(-size, -size, size, size, thick), line(-size, size, size, -size, thick))
    elif form == 2:
        d = np.minimum(
            line(0.1 * size, -size, 0.8 * size, -0.2 * size, thick),
            line(0.8 * size, -0.2 * size, -0.7 * size, size, thick),
        )
    elif form == 3:
        gear = canvas.star(0, 0, size, int(rng.integers(6, 12)), 0.25)
        d = np.maximum(gear, -canvas.ellipse(0, 0, size * 0.4, size * 0.4))
    elif form == 4:
        d = np.minimum(
            canvas.box(size * 0.4, 0, size * 0.55, size * 0.7),
            canvas.polygon(-size * 0.4, 0, size * 0.8, 3, np.pi, 1.2),
        )
    elif form == 5:
        d = np.minimum(
            np.abs(canvas.ellipse(-size * 0.2, -size * 0.2, size * 0.6, size * 0.6)) - thick,
            line(size * 0.3, size * 0.3, size, size, thick),
        )
    elif form == 6:
        d = canvas.polygon(0, 0, size, 3, pick(rng, (0, np.pi / 2, -np.pi / 2, np.pi)))
    elif form == 7:
        d = np.minimum.reduce(
            [canvas.box(at * size, 0, thick, size * span(rng, 0.5, 1)) for at in (-0.7, 0, 0.7)]
        )
    elif form == 8:
        d = canvas.star(0, 0, size, int(rng.integers(4, 9)), span(rng, 0.3, 0.65))
    elif form == 9:
        d = np.minimum(
            np.abs(
                np.maximum(
                    canvas.ellipse(size * 0.5, 0, size, size), canvas.ellipse(-size * 0.5, 0, size, size)
                )
            )
            - thick * 0.6,
            canvas.ellipse(0, 0, size * 0.3, size * 0.3),
        )
    elif form == 10:
        d = np.abs(canvas.ellipse(0, 0, size, size)) - thick
    elif form == 11:
        d = canvas.box(0, 0, size * 0.9, size * 0.9, size * 0.2)
        d = np.maximum(d, -canvas.box(span(rng, -0.2, 0.2), 0, size * 0.3, size * 0.6))
    elif form == 12:
        side = max(6, int(canvas.scale * size * 2.2))
        mark = glyph(LETTERS[int(rng.integers(36))], side, span(rng, 0.3, 0.55))
        mask = np.zeros(canvas.alpha.shape, np.float32)
        top, left = (mask.shape[0] - mark.shape[0]) // 2, (mask.shape[1] - mark.shape[1]) // 2
        if top >= 0 and left >= 0:
            mask[top : top + mark.shape[0], left : left + mark.shape[1]] = mark
        return mask
    else:
        parts = [
            canvas.box(
                span(rng, -size, size),
                span(rng, -size, size),
                span(rng, 0.05, size * 0.6),
                span(rng, 0.05, size * 0.6),
            )
            for _ in range(3)
        ]
        d = np.minimum.reduce(parts)
    return canvas.cover(d.astype(np.float32))


def icon(rng: Random, shape: Shape, style: Style | None = None) -> Field:
    """A pictogram or an item on a plate, on nothing, or with a glow or outline round it."""
    canvas, style = Canvas(shape), style or style_of(rng)
    inks = scheme(rng)
    base = pick(rng, ("none", "none", "round", "square"))
    if base != "none":
        distance = (
            canvas.ellipse(0, 0, 0.92, 0.92)
            if base == "round"
            else canvas.box(0, 0, 0.92, 0.92, style["corner"])
        )
        plate(canvas, rng, distance, inks[0], style)
    if chance(rng, 0.35):
        top = Canvas(shape)
        top.y, top.x = top.y * 1.35, top.x * 1.35
        pick(rng, (item, item, ship, blob, figure))(top, Brush(rng), rng, scheme(rng), 0)
        canvas.paint(top.alpha, top.rgb)
        return canvas.rgba()
    mask = symbol(canvas, rng, span(rng, 0.4, 0.75) if base != "none" else span(rng, 0.6, 0.9))
    ink = pick(rng, (np.ones(3, np.float32), np.zeros(3, np.float32), inks[2], inks[4]))
    if chance(rng, 0.3):
        halo = np.clip(blur(mask, max(1.0, canvas.scale * span(rng, 0.03, 0.12)))[0] * 2, 0, 1)
        canvas.paint(halo, inks[3] if chance(rng, 0.5) else 0.0, span(rng, 0.4, 1))
    fill = (
        ink * (1 - (canvas.y[..., None] + 1) * np.float32(style["gradient"] * 0.5)) + 0 * canvas.x[..., None]
    )
    canvas.paint(mask, np.clip(fill, 0, 1))
    return canvas.rgba()


def button(
    rng: Random, shape: Shape, style: Style | None = None, ink: Field | None = None, text: bool = True
) -> Field:
    """A button or a label, with a word or a pictogram."""
    canvas, style = Canvas(shape), style or style_of(rng)
    wide = shape[1] / min(shape)
    tall = shape[0] / min(shape)
    ink = colour(rng, pick(rng, ("paint", "metal", "dark", "toon", "grey", "vivid"))) if ink is None else ink
    margin = span(rng, 0, 0.1)
    plate(canvas, rng, canvas.box(0, 0, tall - margin, wide - margin, style["corner"]), ink, style)
    if text:
        size = max(6, int(min(shape) * span(rng, 0.3, 0.6)))
        write(
            canvas,
            words(rng, size, max(1, min(12, int(shape[1] * 0.8 / (size * 0.67))))),
            1.0 if ink.mean() < 0.6 else 0.1,
        )
    return canvas.rgba()


def write(canvas: Canvas, mark: Field, ink: float) -> None:
    rows, columns = min(mark.shape[0], canvas.alpha.shape[0]), min(mark.shape[1], canvas.alpha.shape[1])
    mask = np.zeros(canvas.alpha.shape, np.float32)
    top, left = (mask.shape[0] - rows) // 2, (mask.shape[1] - columns) // 2
    mask[top : top + rows, left : left + columns] = mark[:rows, :columns]
    canvas.paint(mask, ink)


def states(rng: Random, shape: Shape) -> Field:
    """A strip of one button's states."""
    style, ink, count = (
        style_of(rng),
        colour(rng, pick(rng, ("paint", "metal", "toon", "vivid"))),
        int(rng.integers(2, 5)),
    )
    seed = int(rng.integers(1 << 30))
    tall = max(16, shape[0] // count)
    rows = []
    for index in range(count):
        own = np.random.default_rng(seed)
        rows.append(button(own, (tall, shape[1]), style, np.clip(ink * (0.7 + 0.25 * index), 0, 1)))
    return np.concatenate(rows, 0)


def panel(rng: Random, shape: Shape) -> Field:
    """A window's or dialog's frame: borders to be cut in nine, corners, text, an empty middle."""
    canvas, style = Canvas(shape), style_of(rng)
    tall, wide = shape[0] / min(shape), shape[1] / min(shape)
    ink = colour(rng, pick(rng, ("dark", "metal", "wood", "paint", "sand", "grey", "vivid", "dark")))
    style["border"] = max(style["border"], span(rng, 0.01, 0.06))
    plate(canvas, rng, canvas.box(0, 0, tall * 0.98, wide * 0.98, style["corner"] * 0.4), ink, style)
    if chance(rng, 0.5):
        rough = noise(rng, shape, span(rng, 0.6, 2), 2, 1e9, pick(rng, ((1, 1), (0.3, 6))))
        canvas.rgb *= (0.8 + 0.4 * rough)[..., None]
    inner = canvas.box(
        span(rng, 0, 0.15), 0, tall * span(rng, 0.6, 0.85), wide * span(rng, 0.75, 0.9), style["corner"] * 0.2
    )
    form = int(rng.integers(4))
    if form == 0:
        canvas.alpha = canvas.alpha * (1 - canvas.cover(inner))
    elif form == 1:
        plate(canvas, rng, inner, ink * np.float32(span(rng, 0.2, 1.5)), style)
    elif form == 2:
        for side_y in (-1, 1):
            for side_x in (-1, 1):
                at = side_y * (tall - 0.12), side_x * (wide - 0.12)
                plate(canvas, rng, canvas.ellipse(*at, 0.09, 0.09), colour(rng, "metal"), style)
    if chance(rng, 0.3):
        size = max(6, int(min(shape) * 0.1))
        for line in range(int(rng.integers(1, 6))):
            mark = words(rng, size, int(rng.integers(3, 14)))
            top, left = int(shape[0] * 0.12) + line * size * 2, int(shape[1] * 0.1)
            rows, columns = min(mark.shape[0], shape[0] - top), min(mark.shape[1], shape[1] - left)
            if rows > 0:
                canvas.rgb[top : top + rows, left : left + columns] = mix(
                    canvas.rgb[top : top + rows, left : left + columns],
                    np.float32(0.9),
                    mark[:rows, :columns, None],
                )
    return canvas.rgba()


def bar(rng: Random, shape: Shape) -> Field:
    """Bars, sliders, switches, check boxes, gauges."""
    canvas, style = Canvas(shape), style_of(rng)
    tall, wide = shape[0] / min(shape), shape[1] / min(shape)
    inks = scheme(rng)
    form = int(rng.integers(4))
    if form == 0:
        count = int(rng.integers(1, 6))
        for index in range(count):
            y = (index + 0.5) / count * 2 * tall - tall
            thick = tall / count * span(rng, 0.4, 0.85)
            plate(
                canvas,
                rng,
                canvas.box(y, 0, thick, wide * 0.95, style["corner"] * thick * 2),
                inks[0] * 0.4,
                style,
            )
            part = span(rng, 0.2, 1)
            plate(
                canvas,
                rng,
                canvas.box(
                    y, -wide * 0.92 * (1 - part), thick * 0.75, wide * 0.92 * part, style["corner"] * thick
                ),
                inks[index % 5],
                style,
            )
    elif form == 1:
        plate(canvas, rng, canvas.box(0, 0, 0.85, 0.85, style["corner"]), inks[0], style)
        if chance(rng, 0.6):
            canvas.paint(symbol(canvas, rng, 0.45), inks[3])
    elif form == 2:
        ring = np.abs(canvas.ellipse(0, 0, 0.8, 0.8)) - np.float32(span(rng, 0.03, 0.15))
        plate(canvas, rng, ring, inks[0], style)
        theta = np.arctan2(canvas.y, canvas.x)
        ticks = (np.abs((theta * span(rng, 2, 8)) % 1 - 0.5) < 0.06) & (
            np.abs(np.hypot(canvas.y, canvas.x) - 0.65) < 0.1
        )
        canvas.paint(ticks.astype(np.float32), inks[2])
        canvas.paint(canvas.cover(canvas.line(0, 0, *rng.uniform(-0.6, 0.6, 2), 0.04, 0.01)), inks[4])
    else:
        plate(canvas, rng, canvas.box(0, 0, tall * 0.2, wide * 0.9, 0.2), inks[0] * 0.5, style)
        plate(canvas, rng, canvas.ellipse(0, span(rng, -wide, wide) * 0.7, 0.6, 0.6), inks[1], style)
    return canvas.rgba()


def cursor(rng: Random, shape: Shape) -> Field:
    """A pointer, cross-hair, hand-like or selection mark."""
    canvas = Canvas(shape)
    form = int(rng.integers(3))
    if form == 0:
        y, x = canvas.turn(span(rng, -0.2, 0.2), -0.8, -0.6)
        arrow = np.maximum.reduce([-x, x * 0.75 - y * 0.75, (y - 1.3 + np.abs(x - 0.3) * 0.9)]).astype(
            np.float32
        )
        canvas.paint(canvas.cover(arrow - 0.06), float(chance(rng, 0.3)))
        canvas.paint(canvas.cover(arrow), pick(rng, (np.ones(3, np.float32), colour(rng, "paint"))))
    else:
        reach, gap, thick = span(rng, 0.5, 0.95), span(rng, 0, 0.3), span(rng, 0.01, 0.06)
        ink = colour(rng, pick(rng, ("toon", "vivid"))) if chance(rng, 0.5) else np.ones(3, np.float32)
        parts = [
            canvas.line(gap * s, gap * c, reach * s, reach * c, thick)
            for s, c in ((0, 1), (0, -1), (1, 0), (-1, 0))
        ]
        if form == 2:
            parts = [
                np.abs(canvas.ellipse(0, 0, reach, reach)) - np.float32(thick),
                parts[0] if chance(rng, 0.3) else canvas.ellipse(0, 0, 0.05, 0.05),
            ]
        distance = np.minimum.reduce(parts)
        if chance(rng, 0.4):
            canvas.paint(canvas.cover(distance - 0.03), 0.0)
        canvas.paint(canvas.cover(distance), ink)
    return canvas.rgba()
