"""Reads and writes Radiance HDR (RGBE)."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from accel.image.codecs.stream import RADIANCE, Picture, Stream, run_length_encode
from accel.image.operation import Writing
from accel.image.pixel_data import Pixels
from accel.image.raster import Raster
from accel.text import text

_HEADER = 1 << 16
"""Maximum header size in bytes."""

_SIZE = re.compile(rb"([-+])([XY]) (\d{1,7}) ([-+])([XY]) (\d{1,7})\s*\Z")


def read(stream: Stream) -> Picture:
    """Reads a picture as float32. Raises WorkloadError."""
    head = stream.rest(_HEADER)
    begin, sign, axis, rows, other_sign, columns = _header(stream, head)
    stream.check_size(columns, rows)
    # A compressed scanline starts with four bytes and has at most one extra byte per component.
    most = rows * (columns * 8 + 4)
    data = head[begin:] + stream.rest(most)
    rgbe = _decode(stream, data, rows, columns)
    rgbe = rgbe[:: 1 if sign == b"-" else -1, :: 1 if other_sign == b"+" else -1]
    if axis == b"X":
        rgbe = rgbe[::-1, ::-1].transpose(1, 0, 2)
    return Picture(_to_floats(rgbe), "rgb", False)


def _header(stream: Stream, head: bytes) -> tuple[int, bytes, bytes, int, bytes, int]:
    """Returns the offset of the pixels and the resolution: sign, axis and number of scanlines, sign and
    number of columns."""
    end = head.find(b"\n\n")
    line = head.find(b"\n", end + 2)
    if end < 0 or line < 0:
        raise stream.truncated(text("its header has no end"))
    if b"FORMAT=32-bit_rle_xyze" in head[:end]:
        raise stream.unsupported(text("its colours are XYZ; save it as RGB"))
    size = _SIZE.match(head[end + 2 : line])
    if size is None or size[2] == size[5]:
        raise stream.broken(text("its resolution can't be read"))
    return line + 1, size[1], size[2], int(size[3]), size[4], int(size[6])


def _decode(stream: Stream, data: bytes, rows: int, columns: int) -> Pixels:
    """Returns rows x columns x RGBE."""
    coded = bytes((2, 2, columns >> 8, columns & 255))
    if not (8 <= columns < 1 << 15 and data.startswith(coded)):
        return _decode_old(stream, data, rows * columns).reshape(rows, columns, 4)
    out = np.empty((rows, 4, columns), np.uint8)
    at = 0
    for row in range(rows):
        if data[at : at + 4] != coded:
            reason = text("it ends after {row} of {rows} rows", row=f"{row:,}", rows=f"{rows:,}")
            raise (
                stream.truncated(reason)
                if at + 4 > len(data)
                else stream.broken(text("row {row} is damaged", row=row + 1))
            )
        line, at = _decode_scanline(data, at + 4, 4 * columns)
        if line is None:
            raise stream.truncated(
                text("it ends after {row} of {rows} rows", row=f"{row:,}", rows=f"{rows:,}")
            )
        out[row] = np.frombuffer(line, np.uint8).reshape(4, columns)
    return out.transpose(0, 2, 1)


def _decode_scanline(data: bytes, at: int, full: int) -> tuple[bytearray | None, int]:
    """Decodes `full` bytes of literals and runs, whose head is above 128.

    Returns them, or None if the data end early, and the offset after them.
    """
    out, end = bytearray(), len(data)
    while len(out) < full:
        if at + 1 >= end:
            return None, at
        count = data[at]
        if count > 128:
            out += data[at + 1 : at + 2] * (count - 128)
            at += 2
        else:
            out += data[at + 1 : at + 1 + count]
            at += 1 + count
    del out[full:]
    return (None if at > end else out), at


def _decode_old(stream: Stream, data: bytes, count: int) -> Pixels:
    """Decodes the old format: a sequence of pixels, where mantissas 1, 1, 1 repeat the previous pixel."""
    texels = np.frombuffer(data, np.uint8, len(data) // 4 * 4).reshape(-1, 4)
    repeats = np.flatnonzero((texels[:, :3] == 1).all(1))
    if len(repeats) and len(texels):
        texels = _expand_repeats(stream, texels, repeats, count)
    if len(texels) < count:
        raise stream.truncated(
            text("it ends after {pixels} of {count} pixels", pixels=f"{len(texels):,}", count=f"{count:,}")
        )
    return texels[:count]


def _expand_repeats(stream: Stream, texels: Pixels, repeats: NDArray[np.intp], count: int) -> Pixels:
    times = np.ones(len(texels), np.int64)
    # Each consecutive repeat counts 256 times as much as the one before.
    streak = np.zeros(len(repeats), np.int64)
    for index in np.flatnonzero(np.diff(repeats) == 1) + 1:
        streak[index] = streak[index - 1] + 1
    times[repeats] = texels[repeats, 3].astype(np.int64) << np.minimum(8 * streak, 32)
    ends = np.minimum(np.cumsum(np.minimum(times, count)), count)
    if repeats[0] == 0:
        raise stream.broken(text("it repeats a pixel before the first"))
    # For each repeat, the last pixel before it that isn't a repeat.
    source = np.arange(len(texels))
    source[repeats] = 0
    source = np.maximum.accumulate(source)
    return texels[np.repeat(source, np.diff(ends, prepend=0))]


def _to_floats(rgbe: Pixels) -> Pixels:
    """Decodes RGBE: mantissa * 2 ** (exponent - 136); exponent 0 is black."""
    scale = np.ldexp(np.float32(1), np.arange(256) - 136).astype(np.float32)
    scale[0] = 0
    out = np.empty((*rgbe.shape[:2], 3), np.float32)
    for row in range(0, len(out), 64):
        strip = rgbe[row : row + 64]
        np.multiply(strip[..., :3], scale[strip[..., 3]][..., None], out=out[row : row + 64])
    return out


_STRIP = 64
"""Rows encoded at a time, to stay in the cache."""

_COMPRESSIBLE = range(8, 1 << 15)
"""Widths that run-length encoding supports."""


def write_hdr(image: Raster, params: Writing) -> bytes:
    """Writes the format `32-bit_rle_rgbe`; negative values become 0."""
    rgbe = np.empty((image.height, image.width, 4), np.uint8)
    for row in range(0, image.height, _STRIP):
        rgbe[row : row + _STRIP] = shared_exponents(image.pixels[row : row + _STRIP])
    head = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {image.height} +X {image.width}\n".encode()
    return head + (_encode_scanlines(rgbe) if image.width in _COMPRESSIBLE else rgbe.tobytes())


def shared_exponents(pixels: Pixels) -> Pixels:
    """Encodes RGB as RGBE: 8-bit mantissas, rounded, and their common exponent plus 128."""
    light = np.clip(pixels, 0, np.float32(1e38))
    largest = light.max(axis=2)
    _, exponents = np.frexp(largest)
    # A mantissa that would round up to 256 needs the next exponent.
    exponents += np.ldexp(largest, 8 - exponents) >= 255.5
    mantissas = np.ldexp(light, (8 - exponents)[..., None]) + np.float32(0.5)
    stored = np.concatenate([mantissas, (exponents + 128)[..., None]], axis=2)
    # Values below the smallest exponent become black: four zeros.
    stored[(largest == 0) | (exponents < -127)] = 0
    return stored.astype(np.uint8)


def _encode_scanlines(rgbe: Pixels) -> bytes:
    height, width, _ = rgbe.shape
    planes = np.ascontiguousarray(rgbe.transpose(0, 2, 1)).reshape(height * 4, width, 1)
    data, sizes = run_length_encode(planes, RADIANCE)
    ends = np.cumsum(sizes.reshape(height, 4).sum(axis=1)).tolist()
    head = bytes((2, 2, width >> 8, width & 255))
    rows = (data[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
    return b"".join(head + row for row in rows)
