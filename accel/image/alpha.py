"""How formats mix colours with alpha, multiplied (EXR, textures) or put on white (Photoshop), and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Alpha, Pixels, full_scale
from accel.image.multiplied import divided

_STRIP = 1 << 16
"""Pixels in one go, so that what is computed stays in the cache."""

Floats = NDArray[np.float32]


def mixed(pixels: Pixels, alpha: Alpha) -> Pixels:
    """Straight pixels, whose last channel is alpha, as a file stores them. Integers are rounded."""
    if alpha == "straight":
        return pixels
    white = np.float32(0.0 if alpha == "multiplied" else full_scale(pixels.dtype))
    return _in_strips(pixels, lambda colors, share: (colors - white) * share + white)


def straight(pixels: Pixels, alpha: Alpha) -> Pixels:
    """The other way round. Where nothing is to be seen, colours stay what the file says."""
    if alpha == "straight":
        return pixels
    # Floats are light as they are.
    if alpha == "multiplied as light" and pixels.dtype.kind != "f":
        return np.where(pixels[..., -1:] > 0, divided(pixels, light=True), pixels)
    white = np.float32(full_scale(pixels.dtype) if alpha == "on white" else 0.0)

    def undone(colors: Floats, share: Floats) -> Floats:
        safe = np.maximum(share, np.float32(1e-9))
        made: Floats = np.where(share > 0, (colors - white) / safe + white, colors)
        return made

    return _in_strips(pixels, undone)


def _in_strips(pixels: Pixels, mix: Callable[[Floats, Floats], Floats]) -> Pixels:
    """The colours of each pixel from themselves and alpha, 0 to 1; alpha as it was."""
    top = np.float32(full_scale(pixels.dtype))
    made = np.empty_like(pixels)
    flat, out = pixels.reshape(-1, pixels.shape[2]), made.reshape(-1, pixels.shape[2])
    for begin in range(0, len(flat), _STRIP):
        strip = flat[begin : begin + _STRIP]
        colors = mix(strip[:, :-1].astype(np.float32), (strip[:, -1:] / top).astype(np.float32))
        if pixels.dtype.kind != "f":
            colors = np.clip(colors + np.float32(0.5), 0, top)
        out[begin : begin + _STRIP, :-1] = colors
        out[begin : begin + _STRIP, -1] = strip[:, -1]
    return made
