"""Rasters as networks see them, which were trained on photographs: RGB of sRGB's curve, 0 to 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accel.image.color import encode_srgb
from accel.image.pixel_data import Pixels, vips_image
from accel.image.raster import Raster

Floats = NDArray[np.float32]

_DARK = 1 / 3
"""What is darker is hardly seen on a black page."""
_FEW = 0.01
"""The share of what is visible that may be so dark there: two black labels of ten letters are 3 % of a panel
twice as wide and seven times as high as one of them."""
_WORD = 64
"""Pixels of a colour by which something could be written, and of the page behind it."""


def to_tensor(image: Raster) -> Floats:
    """Height x width x 3, 0 to 1, as a screen shows the image on a white page, or on a black one where
    what is visible is rather light and hardly any of it dark."""
    colors, alpha = _layers(image)
    return _on(colors, alpha, _page(colors, alpha))


def tensor_pages(image: Raster) -> Iterator[Floats]:
    """As `shown`, and then on the other page, where something that is visible is hardly seen on the first."""
    # Made anew for each: who reads them takes long, and needs the memory.
    for page in _pages(*_layers(image)):
        yield _on(*_layers(image), page)


def _layers(image: Raster) -> tuple[Floats, Floats | None]:
    """Colours as a screen has them, and alpha if there is any."""
    values = _scaled(image.pixels)
    colors = values[..., : image.colors]
    if image.pixels.dtype.kind == "f" and not image.data:
        colors = encode_srgb(np.clip(colors, 0, 1))
    return colors, np.clip(values[..., -1:], 0, 1) if image.has_alpha else None


def _on(colors: Floats, alpha: Floats | None, page: np.float32) -> Floats:
    seen = colors if alpha is None else colors * alpha + page * (1 - alpha)
    return seen if seen.shape[2] == 3 else np.repeat(seen, 3, axis=2)


def _pages(colors: Floats, alpha: Floats | None) -> list[np.float32]:
    first = _page(colors, alpha)
    both = alpha is not None and _shows_page(alpha) and _loses(colors, alpha, first)
    return [first, np.float32(1) - first] if both else [first]


def _page(colors: Floats, alpha: Floats | None) -> np.float32:
    return np.float32(alpha is None or not _light(colors, alpha))


def _shows_page(alpha: Floats) -> bool:
    """Whether enough is transparent to stand behind a word."""
    return int(np.count_nonzero(alpha < 0.5)) >= _WORD


def _loses(colors: Floats, alpha: Floats, page: np.float32) -> bool:
    """Whether some of what is visible is about as light as the page."""
    like = np.abs(colors.mean(2, keepdims=True) - page) < _DARK
    return float(alpha.sum(dtype=np.float64, where=like)) >= _WORD


def _light(colors: Floats, alpha: Floats) -> bool:
    grey = colors.mean(2, keepdims=True)
    visible = float(alpha.sum(dtype=np.float64))
    dark = float(alpha.sum(dtype=np.float64, where=grey < _DARK))
    return float((grey * alpha).sum(dtype=np.float64)) > visible / 2 and dark <= visible * _FEW


def resize_planes(values: Floats, width: int, height: int) -> Floats:
    """Height x width x channels at another size: Lanczos where it shrinks, bicubic where it grows; 0 to 1."""
    given = vips_image(values, "multiband")
    across, down = min(1.0, width / given.width), min(1.0, height / given.height)
    if across < 1 or down < 1:
        given = given.resize(across, vscale=down, kernel="lanczos3")
    made = np.frombuffer(given.write_to_memory(), np.float32).reshape(given.height, given.width, -1)
    return np.clip(_grown(_grown(made, height, 0), width, 1), 0, 1)


def _grown(values: Floats, length: int, axis: int) -> Floats:
    """Longer along one axis, by Catmull and Rom's cubic (Keys, 1981, with a = -1/2)."""
    # Not by libvips: what it enlarges lies half a new pixel too far to the right and below.
    have = values.shape[axis]
    if have == length:
        return values
    at = (np.arange(length) + 0.5) * (have / length) - 0.5
    base = np.floor(at).astype(np.intp)
    t = (at - base).astype(np.float32).reshape(-1, *([1] * (values.ndim - 1 - axis)))
    weights = (
        ((2 - t) * t - 1) * t / 2, ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2, (t - 1) * t * t / 2,
    )  # fmt: skip
    taps = (values.take((base + tap).clip(0, have - 1), axis) for tap in range(-1, 3))
    made: Floats = sum(tap * weight for tap, weight in zip(taps, weights, strict=True))
    return made


def _scaled(pixels: Pixels) -> Floats:
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    made: Floats = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return made
