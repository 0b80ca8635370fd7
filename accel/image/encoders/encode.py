"""Pixels as the blocks of any format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from accel.image.decoded import Pixels
from accel.image.encoders.bc import Effort
from accel.image.encoders.formats import BlockFormat
from accel.image.encoders.strips import strips
from accel.progress import progress

Encoder = Callable[[Pixels], bytes]
"""Takes a level: height x width x channels, uint8 (two channels: grey and alpha), or for formats of floats
float32 of light, one or three channels. Gives whole blocks, row by row from the top."""


def encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    """What encodes levels of one image. `srgb` matters to ASTC alone, whose decoder rounds otherwise."""
    encode = _strip_encoder(format, effort, srgb)

    def encoded(level: Pixels) -> bytes:
        made, rows = [], 0
        for strip in strips(level, format.block):
            progress(rows, len(level))
            made.append(encode(strip))
            rows += len(strip)
        return b"".join(made)

    return encoded


def _strip_encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    # Imported here, as each of these libraries takes a while and an image needs one.
    if format.family == "astc":
        from accel.image.encoders.astc import astc

        return astc(format.block, effort, srgb)
    if format.family == "etc2":
        from accel.image.encoders.etc import ETC_ENCODERS

        etc = ETC_ENCODERS[format.codec]
        return lambda strip: etc(strip, effort)
    if format.name == "bc7":
        from accel.image.encoders.bc7 import bc7

        return partial(bc7, effort=effort)
    from accel.image.encoders.bc import BC_ENCODERS

    return partial(BC_ENCODERS[format.codec], effort=effort)
