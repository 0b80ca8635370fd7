"""BC1 to BC6H, by ispc-texcomp."""

from __future__ import annotations

from typing import Any, Literal

import ispc_texcomp
import numpy as np

from accel.image.decoded import Pixels
from accel.image.encoders.strips import first, rgba

Effort = Literal["fast", "normal", "best"]

LARGEST = 65504.0
"""The largest half."""

_BC6H: dict[Effort, Any] = {"fast": "veryfast", "normal": "basic", "best": "veryslow"}


def surface(pixels: Any) -> Any:
    """Pixels for ispc-texcomp, which works on them where they are."""
    height, width = pixels.shape[:2]
    return ispc_texcomp.RGBASurface(pixels, width, height, pixels.strides[0])


def bc1(strip: Pixels, effort: Effort) -> bytes:
    """One effort for all. The library gives twice as many bytes as there are, of which the first count."""
    data: bytes = ispc_texcomp.compress_blocks_bc1(surface(rgba(strip)))
    return data[: strip.shape[0] * strip.shape[1] // 2]


def bc3(strip: Pixels, effort: Effort) -> bytes:
    """One effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc3(surface(rgba(strip)))
    return data


def bc4(strip: Pixels, effort: Effort) -> bytes:
    """Of the first channel; one effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc4(surface(first(strip, 1)))
    return data


def bc5(strip: Pixels, effort: Effort) -> bytes:
    """Of the first two channels; one effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc5(surface(first(strip, 2)))
    return data


def bc6h(strip: Pixels, effort: Effort) -> bytes:
    """Of light, one or three channels of float32; what is below 0 becomes 0, as these floats have no sign."""
    halves = np.ones((*strip.shape[:2], 4), np.float16)
    halves[..., :3] = np.clip(strip, 0, LARGEST)
    settings = ispc_texcomp.BC6HEncSettings.from_profile(_BC6H[effort])
    data: bytes = ispc_texcomp.compress_blocks_bc6h(surface(halves), settings)
    return data


BC_ENCODERS = {"bc1": bc1, "bc3": bc3, "bc4": bc4, "bc5": bc5, "bc6h": bc6h}
