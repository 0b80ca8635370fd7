"""Which loop mends blocks that should be opaque: numpy's, or the same compiled once that has paid."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from accel.image import compiled
from accel.image.decoded import Pixels
from accel.image.encoders import opaque
from accel.image.encoders.opaque import Words

WORTH = 48_000_000
"""Texels after which loading numba pays: it takes 0.4 s, which it has saved by then."""

Loop = Callable[[Words, Pixels], Words]


class Loops:
    """The loops of one process."""

    def __init__(self) -> None:
        self._texels = 0

    def chosen(self, texels: int) -> Loop:
        """The loop for so many texels more."""
        self._texels += texels
        # Others may have paid for it already.
        if (self._texels > WORTH or "numba" in sys.modules) and compiled.available():
            from accel.image.compiled.opaque import lifted

            return lifted
        return opaque.lifted


_LOOPS = Loops()


def mended(data: bytes, pixels: Pixels) -> bytes:
    """Blocks of BC7 with alpha 255 throughout; `pixels` is the RGBA that they are of, in whole blocks."""
    loop = _LOOPS.chosen(pixels.shape[0] * pixels.shape[1])
    return loop(np.frombuffer(data, "<u8").reshape(-1, 2), pixels).tobytes()
