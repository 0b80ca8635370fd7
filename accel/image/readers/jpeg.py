"""JPEGs that lack nothing but their end marker, as old programs wrote them and every viewer shows them.

libvips decodes them once they have one; what is found out here is that no pixel is missing. The clauses are
those of ITU-T T.81.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyvips
from msgspec import Struct

END = b"\xff\xd9"
"""EOI (B.1.1.3)."""
LAST = 64
"""Rows at the bottom for which libvips doesn't look whether the decoder has warned, and more."""
LEAST = 16
"""Pixels a side, a unit of the frame: of less, too little shows to tell by what comes behind the data."""
FILLS = tuple(bytes([value]) * 64 for value in (0x00, 0x0F, 0x33, 0x55, 0x7F, 0xAA, 0xCC, 0xF0))
"""What may follow the data of a scan: who has all the bits that it needs passes over it."""

_MARKER = re.compile(rb"\xff+([\x01-\xfe])")
_FRAMES = (0xC0, 0xC1, 0xC2)
"""Frames by Huffman codes, whose decoder warns of what is missing; that of arithmetic codes doesn't."""
_SCAN, _INTERVAL, _RESTARTS = 0xDA, 0xDD, range(0xD0, 0xD8)
_BARE = (0x01, END[1], *_RESTARTS)
"""Markers without a length."""


class _Part(Struct):
    """A component: a colour."""

    across: int
    down: int
    """Its samples in a unit of the frame (A.1.1)."""
    left: list[int | None]
    """Bits of each coefficient that haven't come in any scan; None for all."""


class _Frame:
    """What a file says of its pixels until it ends."""

    def __init__(self) -> None:
        self._parts: dict[int, _Part] = {}
        self._sides = (0, 0)
        self._interval = 0
        self._missing = 0
        """Restarts that the scan still wants."""

    @property
    def complete(self) -> bool:
        """Whether all bits of all coefficients come in some scan, of which the last may be cut off."""
        left = [part.left for part in self._parts.values()]
        is_large = min(self._sides) >= LEAST
        return is_large and bool(left) and self._missing == 0 and all(b == 0 for each in left for b in each)

    def take(self, code: int, segment: bytes) -> None:
        """A marker with what it holds. Raises LookupError and ValueError where that is none."""
        if code in _FRAMES:
            self._begin(segment)
        elif code == _INTERVAL:
            self._interval = int.from_bytes(segment[:2], "big")
        elif code == _SCAN:
            self._scan(segment)
        elif code in _RESTARTS:
            self._missing -= 1

    def _begin(self, segment: bytes) -> None:
        self._sides = int.from_bytes(segment[3:5], "big"), int.from_bytes(segment[1:3], "big")
        places = range(6, 6 + 3 * segment[5], 3)
        self._parts = {
            segment[at]: _Part(segment[at + 1] >> 4, segment[at + 1] & 15, [None] * 64) for at in places
        }

    def _scan(self, segment: bytes) -> None:
        """B.2.3: which parts, their coefficients from which to which, and bits that come later."""
        count = segment[0]
        first, last, bits = segment[1 + 2 * count :][:3]
        parts = [self._parts[segment[at]] for at in range(1, 1 + 2 * count, 2)]
        for part in parts:
            part.left[first : last + 1] = [bits & 15] * (last + 1 - first)
        self._missing = (self._units(parts) - 1) // self._interval if self._interval else 0

    def _units(self, parts: list[_Part]) -> int:
        """How many units a scan has: of several parts those of the frame, of one its blocks (A.2)."""
        across = max(part.across for part in self._parts.values())
        down = max(part.down for part in self._parts.values())
        width, height = self._sides
        if len(parts) > 1:
            return _times(width, 8 * across) * _times(height, 8 * down)
        (part,) = parts
        wide, high = _times(width * part.across, across), _times(height * part.down, down)
        return _times(wide, 8) * _times(high, 8)


def _times(length: int, step: int) -> int:
    """How many steps cover a length. Raises ValueError where there is no step."""
    if not step:
        raise ValueError("a part has no samples")
    return (length + step - 1) // step


def mended_file(path: Path) -> bytes:
    """As `mended`, of a file, which is read only where it doesn't end by the marker. Raises OSError."""
    with path.open("rb") as file:
        file.seek(-min(len(END), file.seek(0, 2)), 2)
        if file.read() == END:
            return b""
        file.seek(0)
        return mended(file.read())


def mended(contents: bytes) -> bytes:
    """A JPEG with the end marker that it lacks; empty where it has one, or lacks more than that."""
    if contents.endswith(END):
        return b""
    # Half an end marker, or half of what stands for a byte of 255 in a scan (B.1.1.5).
    contents = contents.rstrip(b"\xff")
    frame = _Frame()
    try:
        for code, segment in _segments(contents):
            if code == END[1]:
                return b""
            frame.take(code, segment)
    except (LookupError, ValueError):
        return b""
    return contents + END if frame.complete and _all_bits_in(contents) else b""


def _segments(contents: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers with what their segments hold (B.1.1.4). Raises ValueError where one is cut off."""
    at = 2
    while found := _MARKER.search(contents, at):
        code, at = found[1][0], found.end()
        end = at if code in _BARE else at + int.from_bytes(contents[at : at + 2], "big")
        if end > len(contents):
            raise ValueError("a segment is cut off")
        yield code, contents[at + 2 : end]
        at = end


def _all_bits_in(contents: bytes) -> bool:
    """Whether the decoder finds all bits of the scans: then it warns of nothing, and what comes behind them
    makes no difference to the last rows, after which nobody looks whether it has warned."""
    try:
        rows = _last_rows(contents + END, "warning")
        return all(_last_rows(contents + fill + END, "error") == rows for fill in FILLS)
    except pyvips.Error:
        return False


def _last_rows(contents: bytes, fail_on: str) -> bytes:
    image = pyvips.Image.jpegload_buffer(contents, access="sequential", fail_on=fail_on)
    rows = min(LAST, image.height)
    return bytes(image.crop(0, image.height - rows, image.width, rows).write_to_memory())
