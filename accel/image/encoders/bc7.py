"""BC7, by ispc-texcomp: each block by the profile for what it holds, and opaque blocks left opaque."""

from __future__ import annotations

from functools import cache
from typing import Any

import ispc_texcomp
import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Pixels
from accel.image.encoders.bc import Effort, surface
from accel.image.encoders.mending import mended
from accel.image.encoders.strips import opaque, rgba

_PROFILES = {"fast": "ultrafast", "normal": "fast", "best": "slow"}


def bc7(strip: Pixels, effort: Effort) -> bytes:
    """Of RGB or RGBA.

    Blocks without transparency go through the profile for RGB, which is several times faster and better than
    the one for RGBA.
    """
    pixels = rgba(strip)
    if opaque(pixels):
        return _opaque(pixels, effort)
    down, across = len(strip) // 4, strip.shape[1] // 4
    full = (pixels[..., 3].reshape(down, 4, across, 4) == 255).all(axis=(1, 3))
    if not full.any():
        return _encoded(pixels, "alpha_" + _PROFILES[effort])
    blocks = pixels.reshape(down, 4, across, 4, 4).swapaxes(1, 2)
    out = np.empty((down, across, 16), np.uint8)
    out[full] = _blocks(_opaque(_row(blocks[full]), effort))
    out[~full] = _blocks(_encoded(_row(blocks[~full]), "alpha_" + _PROFILES[effort]))
    return out.tobytes()


def _row(blocks: Pixels) -> Pixels:
    """Blocks side by side as an image."""
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(4, -1, 4)


def _blocks(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, 16)


def _opaque(pixels: Pixels, effort: Effort) -> bytes:
    return mended(_encoded(pixels, _PROFILES[effort]), pixels)


def _encoded(pixels: Pixels, profile: str) -> bytes:
    data: bytes = ispc_texcomp.compress_blocks_bc7(surface(pixels), _settings(profile))
    return data


@cache
def _settings(profile: Any) -> Any:
    return ispc_texcomp.BC7EncSettings.from_profile(profile)
