"""What happens to textures in the wild: compression, resizing, palettes, spare channels, noise, gamma."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyvips
from numpy.typing import NDArray

from tools.train.render.field import Random, chance, pick, span, spread

Pixels = NDArray[np.uint8]

LEAST, MOST = 16, 512
"""Sides, in pixels, that a rendered or degraded texture keeps within."""

SWAPPABLE = ("albedo", "sprite", "ui", "packed", "emissive", "environment")
"""Kinds that stay what they are when red, green and blue change places."""


def _vips(pixels: Pixels) -> pyvips.Image:
    height, width, bands = pixels.shape
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, bands, "uchar")


def _numpy(image: pyvips.Image) -> Pixels:
    return np.frombuffer(image.write_to_memory(), np.uint8).reshape(image.height, image.width, image.bands)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Red, green and blue (or grey) through JPEG; the second or fourth channel, alpha, stays."""
    colours = 3 if pixels.shape[2] >= 3 else 1
    data = _vips(pixels[..., :colours]).jpegsave_buffer(Q=quality, subsample_mode="auto")
    coded = _numpy(pyvips.Image.jpegload_buffer(data))[..., :colours]
    return np.concatenate([coded, pixels[..., colours:]], 2)


def _cut(pixels: Pixels) -> NDArray[np.float32]:
    """4 x 4 blocks (rows, columns, 16, channels); edges repeated to whole blocks."""
    height, width, bands = pixels.shape
    padded = np.pad(pixels, ((0, -height % 4), (0, -width % 4), (0, 0)), "edge").astype(np.float32)
    rows, columns = padded.shape[0] // 4, padded.shape[1] // 4
    return padded.reshape(rows, 4, columns, 4, bands).swapaxes(1, 2).reshape(rows, columns, 16, bands)


def _join(blocks: NDArray[np.float32], shape: tuple[int, ...]) -> Pixels:
    rows, columns, _, bands = blocks.shape
    whole = blocks.reshape(rows, columns, 4, 4, bands).swapaxes(1, 2).reshape(rows * 4, columns * 4, bands)
    return (np.clip(whole, 0, 255) + 0.5).astype(np.uint8)[: shape[0], : shape[1]]


def _quantise(blocks: NDArray[np.float32], levels: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Each block's channels on one line between two end points that have `levels` values each."""
    low, high = blocks.min(2, keepdims=True), blocks.max(2, keepdims=True)
    # The diagonal of the bounding box whose direction fits the block: flip channels that fall as green rises.
    lead = blocks[..., min(1, blocks.shape[-1] - 1), None] - blocks[
        ..., min(1, blocks.shape[-1] - 1), None
    ].mean(2, keepdims=True)
    falls = ((blocks - blocks.mean(2, keepdims=True)) * lead).sum(2, keepdims=True) < 0
    start, stop = np.where(falls, high, low), np.where(falls, low, high)
    start, stop = (np.round(end / 255 * levels) / levels * 255 for end in (start, stop))
    line = stop - start
    t = ((blocks - start) * line).sum(-1, keepdims=True) / np.maximum((line * line).sum(-1, keepdims=True), 1)
    return start + line * (np.round(np.clip(t, 0, 1) * steps) / steps)


def dxt(pixels: Pixels) -> Pixels:
    """The look of BC1 (colour, 5:6:5 end points, 4 steps) and BC4 (alpha, 8 steps), not their bits."""
    colours = 3 if pixels.shape[2] >= 3 else 1
    levels = np.array([31, 63, 31] if colours == 3 else [255], np.float32)
    coded = _join(_quantise(_cut(pixels[..., :colours]), levels, 3 if colours == 3 else 7), pixels.shape)
    if pixels.shape[2] == colours:
        return coded
    alpha = _join(_quantise(_cut(pixels[..., colours:]), np.array([255], np.float32), 7), pixels.shape)
    return np.concatenate([coded, alpha], 2)


def palette(pixels: Pixels, rng: Random) -> Pixels:
    """At most 256 colours, fewer bits in each channel, sometimes with an ordered dither."""
    levels = int(pick(rng, (5, 6, 8, 12, 16)))
    step = 255 / levels
    dither = 0.0
    if chance(rng, 0.4):
        bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16 - 0.47
        times = (pixels.shape[0] // 4 + 1, pixels.shape[1] // 4 + 1)
        dither = (np.tile(bayer, times)[: pixels.shape[0], : pixels.shape[1], None] * step).astype(np.float32)
    coded = np.clip(np.round((pixels + dither) / step) * step, 0, 255).astype(np.uint8)
    return np.concatenate([coded[..., :3], pixels[..., 3:]], 2)


def resize(pixels: Pixels, factor: float, nearest: bool) -> Pixels:
    """Scaled, sides kept within 16 to 512."""
    height, width = (int(min(MOST, max(LEAST, round(side * factor)))) for side in pixels.shape[:2])
    if nearest:
        rows = (np.arange(height) + 0.5) * pixels.shape[0] // height
        columns = (np.arange(width) + 0.5) * pixels.shape[1] // width
        return pixels[rows.astype(int)][:, columns.astype(int)]
    scaled = _vips(pixels).resize(width / pixels.shape[1], vscale=height / pixels.shape[0], kernel="linear")
    return _numpy(scaled)[:MOST, :MOST]


def crop(pixels: Pixels, rng: Random) -> Pixels:
    """A part of at least half of each side, never under 16 pixels."""
    sides = []
    for side in pixels.shape[:2]:
        length = max(min(side, LEAST), int(side * span(rng, 0.5, 1)))
        start = int(rng.integers(0, side - length + 1))
        sides.append(slice(start, start + length))
    return pixels[sides[0], sides[1]]


def _spare(pixels: Pixels, rng: Random) -> Pixels:
    """Channels that say nothing: grey as RGB, an opaque alpha; or grey RGB as one channel."""
    if pixels.shape[2] == 1 and chance(rng, 0.75):
        pixels = np.repeat(pixels, 3, 2)
    elif (
        pixels.shape[2] == 3
        and np.array_equal(pixels[..., 0], pixels[..., 1])
        and np.array_equal(pixels[..., 1], pixels[..., 2])
        and chance(rng, 0.3)
    ):
        pixels = pixels[..., :1]
    if pixels.shape[2] in (1, 3) and chance(rng, 0.12):
        pixels = np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], 2)
    return pixels


def _levels(pixels: Pixels, rng: Random) -> Pixels:
    """Gamma, brightness and contrast on the colours, by a table."""
    x = np.linspace(0, 1, 256) ** spread(rng, 0.6, 1.7)
    x = (x - 0.5) * span(rng, 0.75, 1.2) + 0.5 + span(rng, -0.06, 0.06)
    table = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    colours = 3 if pixels.shape[2] >= 3 else 1
    return np.concatenate([table[pixels[..., :colours]], pixels[..., colours:]], 2)


def _noise(pixels: Pixels, rng: Random) -> Pixels:
    colours = 3 if pixels.shape[2] >= 3 else 1
    grain = rng.standard_normal((*pixels.shape[:2], colours if chance(rng, 0.5) else 1), np.float32)
    noisy = pixels[..., :colours] + grain * np.float32(spread(rng, 0.5, 10))
    return np.concatenate([np.clip(noisy, 0, 255).astype(np.uint8), pixels[..., colours:]], 2)


def degrade(pixels: Pixels, rng: Random, kind: str | None = None) -> Pixels:
    """The texture after a few of the mishaps that files go through; the same kind, sides 16 to 512.

    Channels may be added or dropped where they say nothing. Colours are swapped, levels changed and sides
    flipped only where `kind` is given and stays true.
    """
    steps: list[tuple[float, Callable[[Pixels], Pixels]]] = [
        (0.15, lambda p: crop(p, rng)),
        (0.35, lambda p: resize(p, spread(rng, 0.25, 1.6), chance(rng, 0.3))),
        (0.12, lambda p: _noise(p, rng)),
        (0.06, lambda p: palette(p, rng) if kind != "normal" else p),
        (0.3 if kind not in (None, "normal") else 0, lambda p: _levels(p, rng)),
        (0.5, lambda p: _mirror(p, rng, kind)),
        (0.9, lambda p: _spare(p, rng)),
        (0.22, dxt),
        (0.3, lambda p: jpeg(p, int(rng.integers(35, 97)))),
        (0.2 if kind in SWAPPABLE else 0, lambda p: _swap(p, rng)),
    ]
    for probability, change in steps:
        if chance(rng, probability):
            pixels = change(pixels)
    return np.ascontiguousarray(pixels)


def _swap(pixels: Pixels, rng: Random) -> Pixels:
    if pixels.shape[2] < 3:
        return pixels
    return pixels[..., [*rng.permutation(3), *range(3, pixels.shape[2])]]


def _mirror(pixels: Pixels, rng: Random, kind: str | None) -> Pixels:
    """Flipped left to right where that keeps the meaning; a normal's x turns round with it."""
    if kind in (None, "ui", "environment"):
        return pixels
    flipped = pixels[:, ::-1]
    if kind == "normal" and pixels.shape[2] >= 3:
        flipped = np.concatenate([255 - flipped[..., :1], flipped[..., 1:]], 2)
    return flipped
