"""How a TIFF lays out its channels, which libvips doesn't tell."""

from __future__ import annotations

import struct
from typing import BinaryIO

from msgspec import Struct

# TIFF 6.0, section 8: PhotometricInterpretation, SamplesPerPixel and PlanarConfiguration.
_PHOTOMETRIC, _SAMPLES, _PLANAR = 262, 277, 284
_RGB, _INKS, _YCBCR = 2, 5, 6
_APART = 2
_SHORT = 3
"""The type of all values."""


class _Kind(Struct, frozen=True):
    """How the numbers of a directory are stored; each entry begins with a tag and a type of 2 bytes."""

    begin: int
    """Where the place of the first directory stands."""
    place: str
    """The layout of that, and of a value's number."""
    count: str
    """The layout of the number of entries."""


# TIFF 6.0, section 2, and BigTIFF.
_KINDS = {42: _Kind(4, "I", "H"), 43: _Kind(8, "Q", "Q")}
_MOST = 4096
"""Entries that are looked at; files have some dozens."""


def is_mixed_up(file: BinaryIO, half: bool) -> bool:
    """Whether libvips 8.18 mixes up the texels of the first image: where each of several channels (colours of
    a palette are one) is stored by itself, it reads but RGB and inks as if it weren't, and these too if they
    are `half` floats. What is damaged isn't: others tell of it."""
    try:
        said = _shorts(file)
    except (struct.error, OverflowError, ValueError):
        return False
    sound = said.get(_PHOTOMETRIC) in (_RGB, _INKS, _YCBCR) and not half
    return said.get(_PLANAR) == _APART and said.get(_SAMPLES, 1) > 1 and not sound


def _shorts(file: BinaryIO) -> dict[int, int]:
    """The values of the first directory that are a single short, by their tags. Raises struct.error."""
    order = "<" if file.read(2) == b"II" else ">"

    def numbers(layout: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack(order + layout, file.read(struct.calcsize(order + layout)))
        return found

    kind = _KINDS.get(numbers("H")[0])
    if kind is None:
        return {}
    file.seek(kind.begin)
    file.seek(numbers(kind.place)[0])
    # A short stands at the beginning of the entry's last part, which holds what fits into it.
    rest = struct.calcsize(f"={kind.place}") - 2
    entries = [numbers(f"2H{kind.place}H{rest}x") for _ in range(min(numbers(kind.count)[0], _MOST))]
    return {tag: value for tag, type, count, value in entries if (type, count) == (_SHORT, 1)}
