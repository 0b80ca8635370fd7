"""Converts rasters to the input of networks trained on photographs: sRGB, 0 to 1, without alpha."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from accel.image.color import encode_srgb
from accel.image.pixel_data import Pixels, vips_image
from accel.image.raster import Raster

Floats = NDArray[np.float32]

_DARK = 1 / 3
"""Darker colours are hardly visible on black."""
_FEW = 0.01
"""Share of visible pixels that may be dark on a black background. Two black labels of ten letters cover 3 %
of a panel twice as wide and seven times as high as one of them."""
_WORD = 64
"""Minimum number of pixels of a colour that could be text, and of the background behind it."""


def to_tensor(image: Raster) -> Floats:
    """Returns height x width x 3, 0 to 1: the image on white, or on black if its visible part is light."""
    colors, alpha = _split_alpha(image)
    return _composite(colors, alpha, _background(colors, alpha))


def tensors_on_backgrounds(image: Raster) -> Iterator[Floats]:
    """Yields `to_tensor(image)`, then the image on the other background if the first hides something."""
    # Recompute for each, to free the memory while the caller works.
    for background in _backgrounds(*_split_alpha(image)):
        yield _composite(*_split_alpha(image), background)


def _split_alpha(image: Raster) -> tuple[Floats, Floats | None]:
    """Returns sRGB colours, and alpha if there is any."""
    values = _to_floats(image.pixels)
    colors = values[..., : image.colors]
    if image.pixels.dtype.kind == "f" and not image.data:
        colors = encode_srgb(np.clip(colors, 0, 1))
    return colors, np.clip(values[..., -1:], 0, 1) if image.has_alpha else None


def _composite(colors: Floats, alpha: Floats | None, background: np.float32) -> Floats:
    seen = colors if alpha is None else colors * alpha + background * (1 - alpha)
    return seen if seen.shape[2] == 3 else np.repeat(seen, 3, axis=2)


def _backgrounds(colors: Floats, alpha: Floats | None) -> list[np.float32]:
    first = _background(colors, alpha)
    both = alpha is not None and _shows_background(alpha) and _hides(colors, alpha, first)
    return [first, np.float32(1) - first] if both else [first]


def _background(colors: Floats, alpha: Floats | None) -> np.float32:
    return np.float32(alpha is None or not _is_light(colors, alpha))


def _shows_background(alpha: Floats) -> bool:
    """Whether the transparent area is large enough to be the background of a word."""
    return int(np.count_nonzero(alpha < 0.5)) >= _WORD


def _hides(colors: Floats, alpha: Floats, background: np.float32) -> bool:
    """Whether some visible pixels are about as light as the background."""
    like = np.abs(colors.mean(2, keepdims=True) - background) < _DARK
    return float(alpha.sum(dtype=np.float64, where=like)) >= _WORD


def _is_light(colors: Floats, alpha: Floats) -> bool:
    grey = colors.mean(2, keepdims=True)
    visible = float(alpha.sum(dtype=np.float64))
    dark = float(alpha.sum(dtype=np.float64, where=grey < _DARK))
    return float((grey * alpha).sum(dtype=np.float64)) > visible / 2 and dark <= visible * _FEW


def resize_planes(values: Floats, width: int, height: int) -> Floats:
    """Resizes height x width x channels (0 to 1), with Lanczos to shrink and bicubic to enlarge."""
    image = vips_image(values, "multiband")
    across, down = min(1.0, width / image.width), min(1.0, height / image.height)
    if across < 1 or down < 1:
        image = image.resize(across, vscale=down, kernel="lanczos3")
    result = np.frombuffer(image.write_to_memory(), np.float32).reshape(image.height, image.width, -1)
    return np.clip(_enlarge(_enlarge(result, height, 0), width, 1), 0, 1)


def _enlarge(values: Floats, length: int, axis: int) -> Floats:
    """Enlarges one axis with the Catmull-Rom cubic (Keys 1981, a = -1/2)."""
    # libvips would shift the enlarged image by half a new pixel to the right and down.
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
    result: Floats = sum(tap * weight for tap, weight in zip(taps, weights, strict=True))
    return result


def _to_floats(pixels: Pixels) -> Floats:
    if pixels.dtype.kind == "f":
        return pixels.astype(np.float32, copy=False)
    result: Floats = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return result
