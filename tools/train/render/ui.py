"""Interface textures: icons, buttons, panels, bars, cursors, fonts, portraits, logos, atlases of these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tools.train.render import maps
from tools.train.render.canvas import LETTERS, Brush, Canvas, glyph, words
from tools.train.render.environment import view
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
)
from tools.train.render.ground import marble, plaster
from tools.train.render.masonry import planks, plates
from tools.train.render.material import colour, scheme, shades
from tools.train.render.things import brighten, solid
from tools.train.render.widgets import (
    bar,
    button,
    cursor,
    icon,
    panel,
    plate,
    states,
    style_of,
    symbol,
    write,
)


def font(rng: Random, shape: Shape) -> Field:
    """A bitmap font: a grid or packed lines of letters, white on nothing, on black, or with an outline."""
    size = int(min(spread(rng, 8, 64), shape[0] / 2))
    weight, slant, blocky = span(rng, 0.3, 0.6), span(rng, 0, 0.3) * chance(rng, 0.2), chance(rng, 0.3)
    mask = np.zeros(shape, np.float32)
    packed = chance(rng, 0.5)
    known = [glyph(letter, size, weight, slant, blocky) for letter in LETTERS]
    index = int(rng.integers(len(LETTERS)))
    end = shape[0] * (span(rng, 0.4, 1) if packed else 1)
    for top in range(0, int(end) - size + 1, size + int(rng.integers(0, 4))):
        left = 0
        while left + size <= shape[1]:
            mark = known[index % len(known)]
            mask[top : top + size, left : left + mark.shape[1]] = mark
            index += 1
            left += mark.shape[1] + 1 if packed else size
    ink = np.ones(3, np.float32) if chance(rng, 0.75) else colour(rng, pick(rng, ("toon", "vivid")))
    form = pick(rng, ("alpha", "outline", "black", "grey"), (5, 2, 2, 1))
    if form == "black":
        return mask[..., None] * ink
    if form == "grey":
        return mask
    canvas = Canvas(shape)
    if form == "outline":
        canvas.paint(np.clip(blur(mask, max(0.8, size / 20))[0] * 3, 0, 1), 0.0)
    fall = 1 - span(rng, 0, 0.5) * ((np.arange(shape[0]) % size) / size)
    canvas.paint(mask, ink * fall[:, None, None].astype(np.float32) + np.zeros((*shape, 1), np.float32))
    if form == "alpha":
        canvas.rgb[...] = ink
    return canvas.rgba()


def portrait(rng: Random, shape: Shape) -> Field:
    """A face or creature in a frame, over a plain or painted ground."""
    canvas, inks = Canvas(shape), scheme(rng)
    back = ramp(shades(rng, pick(rng, ("dark", "paint", "water", "wood")), 3), noise(rng, shape, 2))
    canvas.paint(np.ones(shape, np.float32), back)
    brush, skin = Brush(rng), colour(rng, "skin")
    brush.shade = max(brush.shade, 0.3)
    brush.fill(canvas, canvas.ellipse(1.0, 0, 0.6, 0.9), inks[1])
    brush.fill(canvas, canvas.ellipse(-0.15, 0, 0.7, 0.55), inks[0] * np.float32(0.5))
    brush.fill(canvas, canvas.ellipse(0, 0, 0.6, 0.45), skin)
    for side in (-1, 1):
        brush.fill(canvas, canvas.ellipse(-0.08, side * 0.2, 0.07, 0.1), np.ones(3, np.float32))
        canvas.paint(canvas.cover(canvas.ellipse(-0.08, side * 0.2, 0.05, 0.05)), 0.05)
        canvas.paint(canvas.cover(canvas.line(-0.22, side * 0.1, -0.24, side * 0.3, 0.025)), inks[0] * 0.3)
    canvas.paint(canvas.cover(canvas.line(0.3, -0.12, 0.3 + span(rng, -0.05, 0.05), 0.12, 0.03)), skin * 0.5)
    brush.fill(
        canvas, np.maximum(canvas.ellipse(-0.2, 0, 0.7, 0.55), canvas.y + 0.3), inks[2] * np.float32(0.6)
    )
    if chance(rng, 0.4):
        canvas.rgb *= (0.7 + 0.6 * noise(rng, shape, 1.4))[..., None]
    if chance(rng, 0.4):
        plate(
            canvas,
            rng,
            np.abs(canvas.box(0, 0, 0.95, 0.95, 0.05)) - np.float32(0.05),
            colour(rng, "metal"),
            style_of(rng),
        )
    if chance(rng, 0.35):
        canvas.alpha = canvas.cover(canvas.ellipse(0, 0, 0.95, 0.95))
    return canvas.rgba()


def logo(rng: Random, shape: Shape) -> Field:
    """A word with a finish, sometimes with a mark beside or behind it."""
    canvas, inks = Canvas(shape), scheme(rng)
    if chance(rng, 0.4):
        canvas.paint(symbol(canvas, rng, 0.8), inks[0])
    size = max(8, int(min(shape[0] * 0.7, shape[1] / 4)))
    mark = words(rng, size, max(1, int(shape[1] * 0.9 / (size * 0.67))))
    mask = np.zeros(shape, np.float32)
    top, left = (shape[0] - mark.shape[0]) // 2, max(0, (shape[1] - mark.shape[1]) // 2)
    mask[top : top + mark.shape[0], left : left + mark.shape[1]] = mark[: shape[0], : shape[1] - left]
    if chance(rng, 0.5):
        canvas.paint(np.clip(blur(mask, size / 14)[0] * 2.5, 0, 1), inks[1] * 0.3)
    canvas.paint(mask, ramp(inks[2:], (canvas.y + 1) / 2 + 0 * canvas.x))
    return canvas.rgba()


def caption(rng: Random, shape: Shape) -> Field:
    """Lines of text in one colour, with or without a shadow, on nothing."""
    canvas, ink = (
        Canvas(shape),
        pick(rng, (np.ones(3, np.float32), colour(rng, pick(rng, ("toon", "vivid"))), colour(rng, "dark"))),
    )
    count = int(rng.integers(1, max(2, min(7, shape[0] // 12))))
    size = max(6, int(shape[0] / count * span(rng, 0.5, 0.95)))
    mask = np.zeros(shape, np.float32)
    for line in range(count):
        mark = words(rng, size, max(1, int(shape[1] * span(rng, 0.5, 1) / (size * 0.67))))
        top, left = int((line + 0.5) * shape[0] / count - size / 2), int(rng.integers(0, 8))
        part = mask[max(0, top) : top + size, left : left + mark.shape[1]]
        part[...] = mark[: part.shape[0], : part.shape[1]]
    if chance(rng, 0.3):
        canvas.paint(np.roll(mask, (1 + size // 16, 1 + size // 16), (0, 1)), 0.0, span(rng, 0.3, 1))
    canvas.paint(mask, ink)
    return canvas.rgba()


def screen(rng: Random, shape: Shape) -> Field:
    """A menu's or loading screen's background: a painted gradient or scene, dimmed, with an emblem."""
    y, x = grid(shape)
    rough = noise(rng, shape, span(rng, 1.6, 2.8), 1)
    form = pick(rng, ("plain", "sheet", "scene"), (4, 3, 3))
    if form == "sheet":
        base = maps.colour(rng, pick(rng, (planks, plaster, marble, plates))(rng, shape), "photo")
    elif form == "scene":
        base = view(rng, shape, "side", pick(rng, ("day", "dusk", "scene", "nebula", "studio")))
    else:
        base = ramp(
            shades(rng, pick(rng, ("dark", "water", "paint", "wood", "sand")), 4),
            mix(y + 0 * x, rough, span(rng, 0.1, 1)),
        )
    base = base * (1 - span(rng, 0, 0.8) * np.hypot(y - 0.5, x - 0.5)[..., None])
    canvas = Canvas(shape)
    canvas.paint(np.ones(shape, np.float32), np.clip(base, 0, 1))
    if chance(rng, 0.5):
        canvas.paint(symbol(canvas, rng, span(rng, 0.3, 0.9)), scheme(rng)[2], span(rng, 0.1, 0.9))
    if chance(rng, 0.4):
        write(canvas, words(rng, max(8, shape[0] // 8), 8), 0.95)
    return canvas.rgba() if chance(rng, 0.3) else canvas.rgb


def parts(rng: Random, shape: Shape) -> Field:
    """An atlas of an interface's parts: icons in a grid, or everything packed in rows."""
    result = np.zeros((*shape, 4), np.float32)
    style = style_of(rng)
    even = chance(rng, 0.5)
    side = int(pick(rng, (16, 24, 32, 48, 64)))
    white = chance(rng, 0.35)
    top = 0
    while top + 8 <= shape[0]:
        tall = side if even else int(pick(rng, (12, 16, 24, 32, 48, 64)))
        tall = min(tall, shape[0] - top)
        left = 0
        while left + 8 <= shape[1]:
            wide = min(side if even else int(tall * pick(rng, (1, 1, 2, 3, 5))), shape[1] - left)
            if wide >= 8 and chance(rng, 0.9):
                draw: Callable[..., Field] = icon if even or wide < 1.5 * tall else button
                result[top : top + tall, left : left + wide] = draw(rng, (tall, wide), style)
            left += wide + (0 if even else 2)
        top += tall + (0 if even else 2)
    if white:
        result[..., :3] = 1
    return result


FORMS: dict[str, Callable[[Random, Shape], Field]] = {
    "icon": icon, "button": button, "states": states, "panel": panel, "bar": bar, "cursor": cursor,
    "font": font, "portrait": portrait, "logo": logo, "screen": screen, "atlas": parts,
    "caption": caption,
}  # fmt: skip
WEIGHTS = (9, 2, 2, 3, 2, 1, 3, 2, 2, 2, 3, 2.5)


def ui(rng: Random, shape: Shape) -> tuple[str, Field]:
    """An interface texture's form and its picture, (h, w, 1 to 4)."""
    form = pick(rng, tuple(FORMS), WEIGHTS)
    if form in ("button", "bar", "caption", "logo", "panel") and chance(rng, 0.6):
        shape = (max(16, shape[1] // int(pick(rng, (2, 3, 4, 8)))), shape[1])
    picture = FORMS[form](rng, shape)
    if picture.shape[-1] >= 3 and chance(rng, 0.4):
        picture = brighten(rng, picture)
    if picture.shape[-1] == 4 and form in ("icon", "logo", "button", "cursor") and chance(rng, 0.2):
        picture = solid(rng, picture)
    if picture.shape[-1] != 4 or picture.ndim == 2:
        return form, picture
    finish = pick(rng, ("alpha", "clean", "white", "black", "flat", "key"), (6, 4, 1.5, 2, 1.2, 0.7))
    rgb, alpha = picture[..., :3], picture[..., 3:]
    if finish == "clean":
        picture = np.dstack([np.where(alpha > 0, rgb, np.float32(pick(rng, (0, 0, 0, 1)))), alpha])
    elif finish == "white" and form in ("icon", "cursor", "atlas"):
        picture = np.dstack([np.ones_like(rgb), alpha])
    elif finish == "key":
        picture = mix(np.array([1, 0, 1], np.float32), rgb, (alpha > 0.5).astype(np.float32))
    elif finish in ("black", "flat"):
        picture = mix(np.zeros(3, np.float32) if finish == "black" else colour(rng, "cloth"), rgb, alpha)
    return form, picture
