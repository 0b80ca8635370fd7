"""Pictures whose kind nobody doubts, made by few lines."""

from __future__ import annotations

import numpy as np

from accel.image.pixel_data import DecodedImage


def decoded(pixels, format: str = "png") -> DecodedImage:
    channels = pixels.shape[2]
    model = "grey" if channels < 3 else "rgb"
    return DecodedImage(np.ascontiguousarray(pixels), model, channels in (2, 4), format, pixels.size)


def surface(side: int = 256, seed: int = 1):
    """Heights of a rough, tileable surface, 0..1."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(side, side))) / frequency**1.6
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return (field - field.min()) / np.ptp(field)


def normal_map(side: int = 256, seed: int = 1):
    field = surface(side, seed) * side / 12
    x, y = ((np.roll(field, 1, axis) - np.roll(field, -1, axis)) / 2 for axis in (1, 0))
    vectors = np.stack([x, -y, np.ones_like(field)], -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.round((vectors + 1) * 127.5).astype(np.uint8)


def ball(side: int = 64):
    """The normals of a ball, on transparent black."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, side)] * 2)
    vectors = np.stack([x, -y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], -1)
    inside = (np.hypot(x, y) < 0.9)[..., None]
    return np.round(np.concatenate([(vectors + 1) * 127.5, 255 * inside], -1) * inside).astype(np.uint8)


def bricks(side: int = 256):
    """Reddish bricks in grey mortar, with dirt."""
    y, x = np.mgrid[:side, :side]
    mortar = (y % 32 < 3) | ((x + 32 * (y // 32 % 2)) % 64 < 3)
    dirt = 0.6 + 0.4 * surface(side)[..., None]
    colors = np.where(mortar[..., None], (0.6, 0.58, 0.55), (0.62, 0.28, 0.2)) * dirt
    return np.round(colors * 255).astype(np.uint8)


def button(width: int = 128, height: int = 48):
    """A rounded, shaded widget on nothing."""
    y, x = np.mgrid[:height, :width].astype(float)
    beyond = np.hypot(
        np.maximum(np.abs(x - width / 2) - width / 2 + 14, 0),
        np.maximum(np.abs(y - height / 2) - height / 2 + 14, 0),
    )
    shade = 0.85 - 0.4 * y / height
    colors = np.stack([shade * 0.5, shade * 0.7, shade, np.clip(13 - beyond, 0, 1)], -1)
    return np.round(colors * 255).astype(np.uint8)
