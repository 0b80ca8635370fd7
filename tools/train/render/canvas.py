"""A canvas of straight RGBA for pictures made of shapes (signed distances, below 0 inside), and letters."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tools.train.render.field import Field, Random, Shape, chance, pick, span, spread, step


class Canvas:
    """A picture (h, w, 4) in 0..1; places in units of half the lesser side from the middle, y down."""

    def __init__(self, shape: Shape) -> None:
        """An empty, wholly transparent picture of `shape` (height, width)."""
        self.rgb = np.zeros((*shape, 3), np.float32)
        self.alpha = np.zeros(shape, np.float32)
        self.scale = min(shape) / 2
        self.y = ((np.arange(shape[0], dtype=np.float32) + 0.5 - shape[0] / 2) / self.scale)[:, None]
        self.x = ((np.arange(shape[1], dtype=np.float32) + 0.5 - shape[1] / 2) / self.scale)[None, :]

    def turn(self, angle: float, cy: float = 0, cx: float = 0) -> tuple[Field, Field]:
        """Coordinates (y, x) about a centre, turned by `angle` radians."""
        s, c = np.float32(np.sin(angle)), np.float32(np.cos(angle))
        y, x = self.y - np.float32(cy), self.x - np.float32(cx)
        return y * c - x * s, x * c + y * s

    def ellipse(self, cy: float, cx: float, ry: float, rx: float, angle: float = 0) -> Field:
        """An ellipse (distance approximate)."""
        y, x = self.turn(angle, cy, cx)
        return ((np.hypot(y / ry, x / rx) - 1) * min(ry, rx)).astype(np.float32)

    def box(self, cy: float, cx: float, hy: float, hx: float, corner: float = 0, angle: float = 0) -> Field:
        """A rectangle of half sides `hy`, `hx` with rounded corners."""
        y, x = self.turn(angle, cy, cx)
        corner = min(corner, hy, hx)
        qy, qx = np.abs(y) - (hy - corner), np.abs(x) - (hx - corner)
        outside = np.hypot(np.maximum(qy, 0), np.maximum(qx, 0))
        return (outside + np.minimum(np.maximum(qy, qx), 0) - corner).astype(np.float32)

    def line(
        self, y0: float, x0: float, y1: float, x1: float, radius: float, end: float | None = None
    ) -> Field:
        """A capsule from one point to another, `end` its radius there."""
        dy, dx = y1 - y0, x1 - x0
        t = np.clip(((self.y - y0) * dy + (self.x - x0) * dx) / (dy * dy + dx * dx + 1e-6), 0, 1)
        taper = radius if end is None else radius + (end - radius) * t
        return (np.hypot(self.y - y0 - t * dy, self.x - x0 - t * dx) - taper).astype(np.float32)

    def polygon(
        self, cy: float, cx: float, radius: float, sides: int, angle: float = 0, squash: float = 1
    ) -> Field:
        """A regular polygon, `squash`ed along x."""
        y, x = self.turn(angle, cy, cx)
        x = x / np.float32(squash)
        theta = 2 * np.pi / np.arange(1, sides + 1)[-1]
        faces = [y * np.cos(i * theta) + x * np.sin(i * theta) for i in range(sides)]
        return (np.maximum.reduce(faces) - radius * np.cos(theta / 2)).astype(np.float32)

    def star(
        self, cy: float, cx: float, radius: float, points: int, depth: float = 0.5, angle: float = 0
    ) -> Field:
        """A star or a gear's round: the radius swings `points` times by `depth`."""
        y, x = self.turn(angle, cy, cx)
        swing = np.abs(((np.arctan2(x, -y) * points / (2 * np.pi)) % 1) * 2 - 1)
        return (np.hypot(y, x) - radius * (1 - depth * swing)).astype(np.float32)

    def cover(self, distance: Field, hard: bool = False) -> Field:
        """How much of each pixel a shape covers."""
        if hard:
            return (distance < 0).astype(np.float32)
        return np.clip(0.5 - distance * np.float32(self.scale), 0, 1)

    def paint(self, mask: Field, colour: Field | float, opacity: float = 1) -> None:
        """Lays a colour (3) or picture (h, w, 3) over what is there."""
        mask = mask * np.float32(opacity)
        total = mask + self.alpha * (1 - mask)
        share = (mask / np.maximum(total, 1e-6))[..., None]
        self.rgb += (np.asarray(colour, np.float32) - self.rgb) * share
        self.alpha = total

    def rgba(self) -> Field:
        """The picture with its alpha, (h, w, 4)."""
        return np.dstack([self.rgb, self.alpha])


class Brush:
    """One artist's way of filling shapes: flat, shaded, banded, outlined, hard-edged; one per picture."""

    def __init__(self, rng: Random) -> None:
        """Draws a style."""
        self.outline = pick(rng, (0.0, span(rng, 0.02, 0.07)))
        self.ink = np.float32(span(rng, 0, 0.25)) * np.ones(3, np.float32)
        self.shade = pick(rng, (0.0, span(rng, 0.2, 0.8)))
        self.bands = int(rng.integers(2, 5)) if chance(rng, 0.4) else 0
        self.hard = chance(rng, 0.35)
        self.angle = span(rng, 0, 2 * np.pi)
        self.texture = pick(rng, (0.0, 0.0, span(rng, 0.03, 0.2)))
        self.rng = rng

    def fill(self, canvas: Canvas, distance: Field, colour: Field) -> None:
        """Fills a shape in this style."""
        if self.outline:
            canvas.paint(
                canvas.cover(distance - np.float32(max(self.outline, 0.8 / canvas.scale)), self.hard),
                self.ink,
            )
        mask = canvas.cover(distance, self.hard)
        if not self.shade and not self.texture:
            canvas.paint(mask, colour)
            return
        light = canvas.y * np.sin(self.angle) + canvas.x * np.cos(self.angle)
        rim = np.clip(-distance * 4, 0, 1)
        value = light * 0.5 + rim * 0.6 - 0.3
        if self.bands:
            value = np.round(value * self.bands) / self.bands
        tone = 1 + value * self.shade
        if self.texture:
            tone = tone + self.rng.standard_normal(tone.shape, np.float32) * self.texture
        canvas.paint(mask, np.clip(tone[..., None] * colour, 0, 1))


_ROWS = {
    "A": "25755", "B": "65656", "C": "74447", "D": "65556", "E": "74747", "F": "74644", "G": "74557",
    "H": "55755", "I": "72227", "J": "11157", "K": "55655", "L": "44447", "M": "57755", "N": "65555",
    "O": "75557", "P": "75744", "Q": "75571", "R": "75655", "S": "74717", "T": "72222", "U": "55557",
    "V": "55552", "W": "55775", "X": "55255", "Y": "55222", "Z": "71247", "0": "25552", "1": "26227",
    "2": "61247", "3": "71317", "4": "55711", "5": "74617", "6": "34757", "7": "71122", "8": "75257",
    "9": "75716", "!": "22202", "?": "71202", "+": "02720", "-": "00700", ".": "00002", "/": "11244",
    "*": "52725", "#": "57575", "=": "07070", ":": "02020", "(": "12221", ")": "42224", "'": "22000",
}  # fmt: skip
"""Five rows of three pixels, each an octal digit."""

LETTERS = "".join(_ROWS)


@lru_cache(maxsize=128)
def _lattice(letter: str) -> Field:
    rows = _ROWS[letter]
    bits = [[int(digit) >> shift & 1 for shift in (2, 1, 0)] for digit in rows]
    return np.array(bits, np.float32)


def glyph(letter: str, size: int, weight: float = 0.5, slant: float = 0, blocky: bool = False) -> Field:
    """A letter `size` pixels tall (and 2/3 as wide) in 0..1; `weight` 0.3 (heavy) to 0.6 (thin)."""
    lattice = np.pad(_lattice(letter), 1)
    rows, columns = size, max(3, size * 2 // 3)
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows * 6 + 0.0
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns * 4 + 0.0
    ys = np.clip(y[:, None] + 0 * x, 0, 5.99)
    xs = np.clip(x[None, :] + slant * (y[:, None] - 3), 0, 3.99)
    if blocky:
        return lattice[np.round(ys).astype(int), np.round(xs).astype(int)]
    top, left = ys.astype(int), xs.astype(int)
    fy, fx = ys - top, xs - left
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    upper = lattice[top, left] * (1 - fx) + lattice[top, left + 1] * fx
    lower = lattice[top + 1, left] * (1 - fx) + lattice[top + 1, left + 1] * fx
    soft = 3.0 / size
    return step((upper * (1 - fy) + lower * fy).astype(np.float32), weight - soft, weight + soft)


def _reshape(rng: Random, mark: Field, wide: float, low: bool) -> Field:
    """A letter made narrower or wider, or set as a small one on the line."""
    rows, columns = mark.shape
    tall = int(rows * 0.7) if low else rows
    ys = (np.arange(tall) * rows / tall).astype(int)
    count = max(3, int(columns * wide * (0.8 if low else 1)))
    xs = (np.arange(count) * columns / count).astype(int)
    return np.pad(mark[ys][:, xs], ((rows - tall, 0), (0, 0)))


def words(rng: Random, size: int, length: int) -> Field:
    """A word of random letters, `size` pixels tall, in 0..1."""
    weight, slant, blocky = span(rng, 0.3, 0.6), span(rng, 0, 0.3) * chance(rng, 0.3), chance(rng, 0.2)
    wide, low = spread(rng, 0.6, 1.4), chance(rng, 0.5)
    marks = []
    for place in range(length):
        mark = glyph(LETTERS[int(rng.integers(36))], size, weight, slant, blocky)
        if place and chance(rng, 0.12):
            mark = mark * 0
        small = low and place > 0 and chance(rng, 0.7)
        marks.append(_reshape(rng, mark, wide, small) if not blocky else mark)
    return np.concatenate(marks, 1)
