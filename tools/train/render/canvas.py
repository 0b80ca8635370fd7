"""A canvas of straight RGBA for pictures made of shapes; shapes are signed distances, below 0 inside."""

from __future__ import annotations

import numpy as np

from tools.train.render.field import Field, Random, Shape, chance, pick, span


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
