"""Augmentation: other forms in which a texture could have been published, without changing its kind."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from accel.image.pixel_data import DecodedImage
from accel.texture.kinds import Kind

Pixels = NDArray[Any]

_MATERIAL: frozenset[Kind] = frozenset(
    ("albedo", "normal", "height", "roughness", "specular", "ao", "packed", "emissive")
)
"""Kinds whose crops are still of that kind."""

_ANY_HUE: frozenset[Kind] = frozenset(("albedo", "sprite", "ui", "emissive"))


def augment(decoded: DecodedImage, kind: Kind, rng: np.random.Generator) -> DecodedImage:
    """Returns an augmented copy, in 8 bits unless the pixels are float, by steps that `rng` selects."""
    pixels = decoded.pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    pixels = _mirror(pixels, kind, rng)
    if kind in _MATERIAL and rng.random() < 0.4:
        pixels = _crop(pixels, rng)
    has_alpha = decoded.has_alpha
    if pixels.dtype == np.uint8 and decoded.color_model != "cmyk":
        pixels = _resize(pixels, rng)
        pixels = _values(pixels, kind, has_alpha, rng)
        pixels, has_alpha = _channels(pixels, has_alpha, rng)
        pixels = _compress(pixels, has_alpha, rng)
    model = "grey" if pixels.shape[2] < 3 else decoded.color_model
    if decoded.color_model == "grey" and pixels.shape[2] >= 3:
        model = "rgb"
    return DecodedImage(
        pixels=np.ascontiguousarray(pixels),
        color_model=model,
        has_alpha=has_alpha,
        format=decoded.format,
        size=decoded.size,
        compression=decoded.compression,
    )


def _mirror(pixels: Pixels, kind: Kind, rng: np.random.Generator) -> Pixels:
    if kind == "normal":
        # Invert green only: mirroring would reverse the slopes.
        if rng.random() < 0.4 and pixels.dtype == np.uint8 and pixels.shape[2] >= 3:
            pixels = pixels.copy()
            pixels[..., 1] = 255 - pixels[..., 1]
        return pixels
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if kind in _MATERIAL and rng.random() < 0.5:
        pixels = pixels[::-1]
    if kind in _MATERIAL and rng.random() < 0.3:
        pixels = pixels.swapaxes(0, 1)
    return pixels


def _crop(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    if min(height, width) < 64:
        return pixels
    rows, columns = (height // 2, width // 2) if rng.random() < 0.6 else (height // 4 * 3, width // 4 * 3)
    y, x = int(rng.integers(0, height - rows + 1)), int(rng.integers(0, width - columns + 1))
    return pixels[y : y + rows, x : x + columns]


def _resize(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    if rng.random() < 0.5:
        return pixels
    scale = float(rng.choice([0.25, 0.5, 0.5, 0.75, 1.5, 2.0]))
    if max(height, width) * scale > 2048 or min(height, width) * scale < 12:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = rng.choice([Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(pixels[..., one])).resize(size, Image.Resampling(method))
        )
        for one in range(pixels.shape[2])
    ]
    return np.stack(planes, axis=2)


def _values(pixels: Pixels, kind: Kind, has_alpha: bool, rng: np.random.Generator) -> Pixels:
    colors = pixels.shape[2] - has_alpha
    if kind == "roughness" and rng.random() < 0.3:
        # Smoothness instead of roughness.
        pixels = pixels.copy()
        pixels[..., :colors] = 255 - pixels[..., :colors]
    if kind == "packed" and colors == 3 and rng.random() < 0.5:
        pixels = pixels.copy()
        pixels[..., :3] = pixels[..., rng.permutation(3)]
    if kind in _ANY_HUE and colors == 3 and rng.random() < 0.35:
        pixels = pixels.copy()
        pixels[..., :3] = pixels[..., rng.permutation(3)]
    if kind in ("albedo", "height", "roughness", "specular", "environment") and rng.random() < 0.4:
        gamma, gain = float(rng.uniform(0.7, 1.4)), float(rng.uniform(0.75, 1.1))
        table = np.clip((np.arange(256) / 255) ** gamma * gain * 255 + 0.5, 0, 255).astype(np.uint8)
        pixels = pixels.copy()
        pixels[..., :colors] = table[pixels[..., :colors]]
    return pixels


def _channels(pixels: Pixels, has_alpha: bool, rng: np.random.Generator) -> tuple[Pixels, bool]:
    """Switches between one and three grey channels, and adds or removes an opaque alpha channel."""
    opaque = has_alpha and bool((pixels[..., -1] == 255).all())
    if opaque and rng.random() < 0.5:
        return pixels[..., :-1], False
    if not has_alpha and pixels.shape[2] == 3:
        if (pixels[..., :1] == pixels).all() and rng.random() < 0.5:
            return pixels[..., :1], False
        if rng.random() < 0.15:
            return np.concatenate([pixels, np.full_like(pixels[..., :1], 255)], axis=2), True
    if pixels.shape[2] == 1 and rng.random() < 0.5:
        return np.repeat(pixels, 3, axis=2), False
    return pixels, has_alpha


def _compress(pixels: Pixels, has_alpha: bool, rng: np.random.Generator) -> Pixels:
    """Adds artefacts of JPEG or of block compression."""
    chance = rng.random()
    if chance < 0.2 and not has_alpha and pixels.shape[2] in (1, 3):
        return _round_trip(pixels, "JPEG", quality=int(rng.integers(50, 96)))
    if chance < 0.35 and pixels.shape[2] in (3, 4) and min(pixels.shape[:2]) >= 16:
        height, width = (side // 4 * 4 for side in pixels.shape[:2])
        return _round_trip(pixels[:height, :width], "DDS", pixel_format="DXT5" if has_alpha else "DXT1")
    return pixels


def _round_trip(pixels: Pixels, format: str, **options: Any) -> Pixels:
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    file = io.BytesIO()
    image.save(file, format, **options)
    read = np.asarray(Image.open(file))
    read = read[..., None] if read.ndim == 2 else read
    return read[..., : pixels.shape[2]]
