"""Digests of a file, of its pixels, and of how a picture looks from afar."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from deflate import adler32, crc32
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.alpha import straight
from accel.image.channels import is_grey
from accel.image.decoded import Decoded, Pixels, full_scale
from accel.image.preview import as_image
from accel.image.sampling import Floats
from accel.image.sampling import luminance as grey_of

_STRIP = 64
"""Rows looked at in one go."""

SIDE = 32
"""Pixels a side of what a perceptual hash sees."""


def file_digest(path: str, contents: bytes = b"") -> str:
    """SHA-256 of a file, whose contents may be known, in hexadecimal digits. Raises OSError."""
    if contents:
        return hashlib.sha256(contents).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pixel_digest(decoded: Decoded) -> str:
    """Checksums of what is seen, however it is stored, in hexadecimal digits: equal pictures have the same.

    Two of 32 bits that have nothing in common, CRC-32 (Ethernet's) and Adler-32 (RFC 1950): together a tenth
    of the time of SHA-256. Two pictures agree in both by chance once in about 10 ** 18; they stop no forger.

    16 bits that hold no more than 8, an alpha that is full and colours that are grey are reduced first.
    """
    pixels, alpha = _as_8_bit(decoded.pixels), decoded.has_alpha
    full = full_scale(pixels.dtype)
    kept = range(pixels.shape[2])
    if alpha and _all_full(pixels, full):
        kept, alpha = kept[:-1], False
    if decoded.color_model == "rgb" and len(kept) >= 3 and is_grey(pixels):
        kept = range(0, 4, 3) if alpha else kept[:1]
    pixels = _channels(pixels, kept)
    about = f"{pixels.shape} {pixels.dtype} {alpha} {decoded.color_model == 'cmyk'}"
    data, begin = pixels.data.cast("B"), about.encode()
    crc = crc32(data, crc32(begin))
    adler = adler32(data, adler32(begin))
    return f"{crc:08x}{adler:08x}"


def _channels(pixels: Pixels, kept: Sequence[int]) -> Pixels:
    if len(kept) == pixels.shape[2]:
        return np.ascontiguousarray(pixels)
    made = np.empty((*pixels.shape[:2], len(kept)), pixels.dtype)
    # One by one: a fifth of the time in which numpy copies three of four.
    for place, channel in enumerate(kept):
        made[..., place] = pixels[..., channel]
    return made


def _all_full(pixels: Pixels, full: int) -> bool:
    """Whether the last channel is full everywhere; it mostly shows in the first strip that it isn't."""
    return all(_full(pixels[row : row + _STRIP], full) for row in range(0, len(pixels), _STRIP))


def _full(strip: Pixels, full: int) -> bool:
    word = _WORDS.get(strip.itemsize * strip.shape[2]) if strip.dtype.kind == "u" else None
    if word is None:
        return bool((strip[..., -1] == full).all())
    # A pixel is a word: what all have in common takes an eighth of the time.
    common = np.bitwise_and.reduce(np.ascontiguousarray(strip).view(word), axis=None)
    return bool(common.reshape(1).view(strip.dtype)[-1] == full)


_WORDS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
"""By the bytes of a pixel."""


def _as_8_bit(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint16 or (pixels >> 8 != pixels & 255).any():
        return pixels
    return pixels.astype(np.uint8)


def afar(decoded: Decoded) -> Floats:
    """Red, green, blue and alpha of the image at 32 x 32 pixels, 0..1: an array of 4 x 32 x 32."""
    if decoded.alpha == "multiplied as light":
        # Averages of the curve's codes are no codes that could be divided.
        decoded = replace(decoded, pixels=straight(decoded.pixels, decoded.alpha), alpha="straight")
    pixels = _boxed(decoded)
    averaged = _averaged(_averaged(pixels, 0), 1) / np.float32(full_scale(pixels.dtype))
    if decoded.has_alpha and decoded.color_model != "cmyk":
        averaged = straight(averaged, decoded.alpha)
    small = averaged.transpose(2, 0, 1)
    alpha = small[-1:] if decoded.has_alpha else np.ones_like(small[:1])
    colors = small[: len(small) - decoded.has_alpha]
    if decoded.color_model == "cmyk":
        colors = (1 - colors[:3]) * (1 - colors[3])
    elif len(colors) != 3:
        colors = np.repeat(colors[:1], 3, axis=0)
    if pixels.dtype.kind == "f":
        # About what an 8 bit copy of it would hold.
        colors = np.clip(colors, 0, 1) ** np.float32(1 / 2.2)
    return np.concatenate([colors, np.clip(alpha, 0, 1)])


def _boxed(decoded: Decoded) -> Pixels:
    """Averages of whole blocks, height x width x channels, the longest side 64 or a little more."""
    pixels = decoded.pixels
    factor = max(pixels.shape[:2]) // (2 * SIDE)
    if factor < 2:
        return pixels
    if pixels.dtype == np.uint8 and factor in _POWERS and not any(side % factor for side in pixels.shape[:2]):
        return _blocks(pixels, factor)
    image = as_image(decoded)
    # Of thin images the last rows don't count, as they never did: hashes are kept for long.
    image = image.shrink(min(factor, image.width), min(factor, image.height))
    small: Pixels = image.numpy().reshape(image.height, image.width, -1)
    return small


def _blocks(pixels: Pixels, factor: int) -> Pixels:
    """What libvips' `shrink` gives for a power of two, whose averages it rounds exactly, in half the time."""
    height, width, channels = pixels.shape
    rows = _means(pixels.reshape(height // factor, factor, width * channels).swapaxes(0, 1))
    blocks = rows.reshape(height // factor, width // factor, factor, channels)
    # In this order as neighbours are then summed with neighbours.
    planes = _means(np.ascontiguousarray(blocks.transpose(2, 3, 0, 1)))
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _means(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Along the first axis, of a power of two not above 256, rounded half up."""
    count = len(values)
    sums: NDArray[np.uint16] = np.add.reduce(values, axis=0, dtype=np.uint16)
    sums += np.uint16(count // 2)
    sums >>= np.uint16(count.bit_length() - 1)
    return sums.astype(np.uint8)


_POWERS = frozenset(1 << power for power in range(1, 9))


def _averaged(values: NDArray[Any], axis: int) -> Floats:
    """32 averages along an axis; where there are fewer values, they are repeated."""
    length = values.shape[axis]
    if length == 2 * SIDE:
        firsts, seconds = (values[(slice(None),) * axis + (slice(one, None, 2),)] for one in (0, 1))
        pairs: Floats = np.add(firsts, seconds, dtype=np.float32) / np.float32(2)
        return pairs
    begins = np.arange(SIDE) * length // SIDE
    sums = np.add.reduceat(values, begins, axis=axis, dtype=np.float32)
    counts = np.maximum(np.diff(begins, append=length), 1).astype(np.float32)
    averages: Floats = sums / counts.reshape((-1,) + (1,) * (values.ndim - 1 - axis))
    return averages


def mean(seen: Floats) -> list[float]:
    """Of what `afar` gives red, green and blue, as much as they are seen (0 where nothing is), and alpha."""
    # Squared, as beside the edges of what is seen hidden colours are in the averages too.
    weights = np.square(seen[3], dtype=np.float64)
    colors = (seen[:3] * weights).sum(axis=(1, 2)) / max(float(weights.sum()), 1e-9)
    return [*colors.tolist(), float(seen[3].mean())]


def luminance(seen: Floats) -> Floats:
    """What `afar` gives as grey, before black where it is transparent: 32 x 32, 0..1."""
    grey: Floats = grey_of(seen) * seen[3]
    return grey


def perceptual(grey: Floats) -> str:
    """64 bits, as 16 hexadecimal digits, of which few differ between nearly the same pictures.

    The signs of the 64 lowest frequencies but the mean (discrete cosine transform of type II) against their
    median; known as pHash.
    """
    # What is 0 in a symmetrical picture comes out as anything near it, another on each processor, and is
    # compared with a median that is nothing either.
    low = np.rint(_COSINES @ grey.astype(np.float64) @ _COSINES.T / _STEP)
    # The 32nd of 63; numpy's median takes ten times as long for so few.
    bits = low > np.sort(low.reshape(-1)[1:])[31]
    return np.packbits(bits).tobytes().hex()


_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5))

_STEP = 2.0**-12
"""Of a frequency, which is rounded to these. Grey of 0..1, rounded four times to 24 bits, is up to 2 ** -23
off, and the sum of 32 x 32 of them 2 ** -13: half of a step."""
