"""ETC2 and EAC, by etcpak; one effort for all."""

from __future__ import annotations

from collections.abc import Callable

import etcpak

from accel.image.decoded import Pixels
from accel.image.encoders.bc import Effort
from accel.image.encoders.strips import rgba


def _encoder(encode: Callable[[bytes, int, int], bytes], size: int) -> Callable[[Pixels, Effort], bytes]:
    """`size`: bytes of a block."""

    def encoded(strip: Pixels, effort: Effort) -> bytes:
        # A copy of its own, as etcpak swaps red and blue inside the bytes that it is given.
        height, width = strip.shape[:2]
        data = encode(rgba(strip).tobytes(), width, height)
        # The buffer for one channel is twice as long as its blocks.
        return data[: height * width // 16 * size]

    return encoded


ETC_ENCODERS = {
    "etc2": _encoder(etcpak.compress_etc2_rgb, 8),
    "etc2a8": _encoder(etcpak.compress_etc2_rgba, 16),
    "eacr": _encoder(etcpak.compress_eac_r, 8),
    "eacrg": _encoder(etcpak.compress_eac_rg, 16),
}
