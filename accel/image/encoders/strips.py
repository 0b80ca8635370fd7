"""An image in strips of whole blocks, in the channels that an encoder takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from accel.image.decoded import Pixels, full_scale
from accel.image.readers.blocks import Block
from accel.image.readers.packed import reordered

_STRIP = 1 << 16
"""Pixels in one go: what is made of them stays in the cache, and calling an encoder costs next to nothing."""


def strips(pixels: Pixels, block: Block) -> Iterator[Pixels]:
    """Rows of whole blocks from the top, the last column and row repeated where a block reaches beyond."""
    height, width = pixels.shape[:2]
    right = -width % block.width
    step = block.height * max(1, _STRIP // (block.height * (width + right)))
    for top in range(0, height, step):
        strip = pixels[top : top + step]
        below = -len(strip) % block.height
        if right or below:
            strip = np.pad(strip, ((0, below), (0, right), (0, 0)), mode="edge")
        yield strip


def first(strip: Pixels, count: int) -> Pixels:
    """The first channels, in one piece."""
    if strip.dtype == np.uint8 and strip.shape[2] == 4 and count < 3 and strip.flags.c_contiguous:
        # Cut off from whole words: a third of the time.
        return strip.view("<u4").astype(f"<u{count}").view(np.uint8)
    return reordered(strip, range(count))


def rgba(strip: Pixels) -> Pixels:
    """Four channels of one to four, the second of two being alpha; full alpha where there is none."""
    channels = strip.shape[2]
    if channels == 4:
        return np.ascontiguousarray(strip)
    made = np.empty((*strip.shape[:2], 4), strip.dtype)
    # Plane by plane, which takes numpy a quarter of the time.
    for index in range(3):
        made[..., index] = strip[..., index if channels == 3 else 0]
    made[..., 3] = strip[..., 1] if channels == 2 else 255
    return made


def opaque(pixels: Pixels) -> bool:
    """Whether alpha, the last channel, is full throughout."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 4 and pixels.flags.c_contiguous:
        # As whole words: a fifth of the time.
        return bool((pixels.view("<u4") >= 0xFF000000).all())
    top = full_scale(pixels.dtype)
    return bool((pixels[..., -1] >= top).all())
