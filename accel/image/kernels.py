"""The inner loops of filtering in numpy; `accel.image.compiled.kernels` has the compiled versions.

Lines are float32, rows x channels x width, so that each channel is contiguous.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.color import Floats, encode_srgb
from accel.image.pixel_data import Pixels

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint16]

STEPS = 4096
"""Size of the table that guesses an 8-bit code: fine enough that a step crosses at most one code boundary."""


def decode(pixels: Pixels, table: Floats, alpha: Floats, colors: int, weighted: bool, lines: Floats) -> None:
    """Decodes integers with tables for colours and alpha; `weighted` multiplies colours by alpha."""
    for channel in range(pixels.shape[2]):
        chosen = table if channel < colors else alpha
        np.take(chosen, pixels[..., channel], out=lines[:, channel], mode="clip")
    if weighted:
        lines[:, :colors] *= lines[:, colors:]


def halve_pixels(
    pixels: Pixels, table: Floats, alpha: Floats, colors: int, weighted: bool, lines: Floats
) -> None:
    """Decodes pixels and averages each 2 x 2 texels."""
    height, width, channels = pixels.shape
    whole = np.empty((height, channels, width), np.float32)
    decode(pixels, table, alpha, colors, weighted, whole)
    halve_lines(whole, lines)


def halve_lines(lines: Floats, out: Floats) -> None:
    """Averages each 2 x 2 texels."""
    both = lines[0::2] + lines[1::2]
    np.add(both[..., 0::2], both[..., 1::2], out=out)
    out *= np.float32(0.25)


def halve_sums(rows: Any, channels: int, shift: int, sums: Words, codes: Bytes) -> None:
    """Writes the sums of each 2 x 2 entries, and the 8-bit mean of all texels that each sum covers.

    `rows` and `sums` are rows x (width x channels), with bytes or 16-bit sums. A sum covers 2 ** `shift`
    texels.
    """
    both = np.add(rows[0::2], rows[1::2], dtype=np.uint16)
    if channels == 3:
        pairs = both.reshape(len(both), -1, 2, 3)
        np.add(pairs[:, :, 0], pairs[:, :, 1], out=sums.reshape(len(sums), -1, 3))
    else:
        # Add all channels of a texel as one number: sums of up to 256 bytes never carry over.
        texel = f"u{2 * channels}"
        pairs = both.view(texel)
        np.add(pairs[:, 0::2], pairs[:, 1::2], out=sums.view(texel))
    # At most 65280 + 128, which fits into 16 bits.
    np.right_shift(sums + np.uint16(1 << (shift - 1)), shift, out=codes, casting="unsafe")


def encode8(
    lines: Floats, colors: int, weighted: bool, curve: bool, guess: Bytes, bounds: Floats, pixels: Bytes
) -> None:
    """Encodes values of 0..1 as bytes; `curve` applies the sRGB curve to colours, exactly, by `bounds`."""
    for channel, values in _values(lines, colors, weighted):
        if curve and channel < colors:
            code = guess[(values * np.float32(STEPS)).astype(np.int32)]
            code += values >= bounds[1:][code]
        else:
            code = (values * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        pixels[..., channel] = code


def encode16(lines: Floats, colors: int, weighted: bool, curve: bool, pixels: Words) -> None:
    """Encodes values of 0..1 as 16-bit words; `curve` applies the sRGB curve to colours."""
    for channel, values in _values(lines, colors, weighted):
        coded = encode_srgb(values) if curve and channel < colors else values
        pixels[..., channel] = coded * np.float32(65535) + np.float32(0.5)


MIN_WEIGHT = np.float32(2**-20)
"""Added to alpha when it is a weight, so that fully transparent colours can be averaged too."""


def _values(lines: Floats, colors: int, weighted: bool) -> Any:
    if weighted:
        weight = lines[:, colors]
        inverse = np.divide(1, weight, out=np.zeros_like(weight), where=np.abs(weight) > 1e-9)
    for channel in range(lines.shape[1]):
        values = lines[:, channel]
        if weighted:
            values = values * inverse if channel < colors else values - MIN_WEIGHT
        yield channel, np.clip(values, 0, 1)
