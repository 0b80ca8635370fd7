"""Run-length codes of Targa, Photoshop and Radiance: rows as packets of a repeated item or of literals."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.decoded import Pixels

_STRIP = 1 << 18
"""Items coded in one go, so that what is computed stays near the cache."""


class Code(Struct, frozen=True):
    """How packets are written: a head of one byte, then one item to repeat or so many literals."""

    shortest: int
    """Fewest equal items that are worth a run."""
    run: int
    """Most items of a run."""
    run_head: int
    """Head of a run of 0 items, were there any; each more adds `step`."""
    step: int
    literal: int
    """Most literals of a packet."""
    literal_head: int
    """Head of a packet of 0 literals; each more adds 1."""


TARGA = Code(shortest=2, run=128, run_head=127, step=1, literal=128, literal_head=-1)
"""Truevision TGA 2.0, "Run-length encoded images"; an item is a pixel."""

PACKBITS = Code(shortest=3, run=128, run_head=257, step=-1, literal=128, literal_head=-1)
"""TIFF 6.0, section 9, which Photoshop documents use too; an item is a byte."""

RADIANCE = Code(shortest=4, run=127, run_head=128, step=1, literal=128, literal_head=0)
"""What Radiance has written since 1991; an item is a byte of one component's scanline."""


def coded(rows: Pixels, code: Code) -> tuple[bytes, NDArray[np.intp]]:
    """Packets of rows x items x bytes of an item, none of which reaches over its row's end; and each row's
    bytes.
    """
    step = max(1, _STRIP // rows.shape[1])
    strips = [_strip(rows[begin : begin + step], code) for begin in range(0, len(rows), step)]
    return b"".join(data for data, _ in strips), np.concatenate([sizes for _, sizes in strips])


def _strip(rows: Pixels, code: Code) -> tuple[bytes, NDArray[np.intp]]:
    count, length, size = rows.shape
    items = _words(rows).reshape(-1)
    begins, repeated = _packets(items, length, code)
    lengths = np.diff(begins, append=items.size)
    taken = np.where(repeated, 1, lengths)
    ends = np.cumsum(1 + taken * size)
    out = np.empty(int(ends[-1]), np.uint8)
    heads = ends - (1 + taken * size)
    body = np.ones(out.size, bool)
    body[heads] = False
    out[body] = _kept(rows.reshape(-1, size), begins, repeated, lengths).reshape(-1)
    runs, literals = code.run_head + code.step * lengths, code.literal_head + lengths
    out[heads] = np.where(repeated, runs, literals).astype(np.uint8)
    last = np.searchsorted(begins, np.arange(1, count + 1) * length) - 1
    return out.tobytes(), np.diff(ends[last], prepend=0)


def _words(rows: Pixels) -> NDArray[Any]:
    """One number for each item, equal where the items are."""
    size = rows.shape[2]
    if size == 1:
        return rows
    if size == 3:
        rows = np.concatenate([rows, np.zeros_like(rows[..., :1])], axis=2)
        size = 4
    return np.ascontiguousarray(rows).view(f"<u{size}")


def _packets(items: NDArray[Any], length: int, code: Code) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each packet begins, and whether it is a run."""
    changes = np.empty(items.size, bool)
    changes[0] = True
    np.not_equal(items[1:], items[:-1], out=changes[1:])
    changes[::length] = True
    begins = np.flatnonzero(changes)
    repeated = np.diff(begins, append=items.size) >= code.shortest
    # Neighbours that are no runs become one stretch of literals, within their row.
    fresh = repeated | (begins % length == 0)
    fresh[1:] |= repeated[:-1]
    begins, repeated = begins[fresh], repeated[fresh]
    return _split(begins, repeated, items.size, code)


def _split(
    begins: NDArray[np.intp], repeated: NDArray[np.bool_], end: int, code: Code
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The same where no packet holds more than it can."""
    lengths = np.diff(begins, append=end)
    most = np.where(repeated, code.run, code.literal)
    parts = -(-lengths // most)
    index = np.arange(int(parts.sum())) - np.repeat(np.cumsum(parts) - parts, parts)
    return np.repeat(begins, parts) + index * np.repeat(most, parts), np.repeat(repeated, parts)


def _kept(
    flat: Pixels, begins: NDArray[np.intp], repeated: NDArray[np.bool_], lengths: NDArray[np.intp]
) -> Pixels:
    """What stands in the file of the items: all literals, and of each run the first."""
    kept = np.repeat(~repeated, lengths)
    kept[begins] = True
    return flat[kept]
