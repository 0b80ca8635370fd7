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
    return b"".join(data.data for data, _ in strips), np.concatenate([sizes for _, sizes in strips])


def _strip(rows: Pixels, code: Code) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    count, length, size = rows.shape
    items = _words(rows).reshape(-1)
    within = _within(items, length, code)
    begins = _packets(items, within, length, code)
    lengths, repeated = np.diff(begins, append=items.size), within[begins]
    taken = 1 + np.where(repeated, 1, lengths) * size
    ends = np.cumsum(taken)
    heads = ends - taken
    out = np.empty(int(ends[-1]), np.uint8)
    body = np.ones(out.size, bool)
    body[heads] = False
    out[body] = _kept(items, begins, within)[:, :size].reshape(-1)
    runs, literals = code.run_head + code.step * lengths, code.literal_head + lengths
    out[heads] = np.where(repeated, runs, literals).astype(np.uint8)
    last = np.searchsorted(begins, np.arange(1, count + 1) * length) - 1
    return out, np.diff(ends[last], prepend=0)


def _words(rows: Pixels) -> NDArray[Any]:
    """One number for each item, equal where the items are."""
    size = rows.shape[2]
    if size == 1:
        return rows
    if size == 3:
        rows = np.concatenate([rows, np.zeros_like(rows[..., :1])], axis=2)
        size = 4
    return np.ascontiguousarray(rows).view(f"<u{size}")


def _within(items: NDArray[Any], length: int, code: Code) -> NDArray[np.bool_]:
    """Whether each item is within a run."""
    # In bytes of true and false, as numbers of 8 bytes for each item take three times as long.
    starts = _same(items, length)
    for _ in range(code.shortest - 2):
        starts[:-1] &= starts[1:]
    within = starts.copy()
    for behind in range(1, code.shortest):
        within[behind:] |= starts[:-behind]
    return within


def _same(items: NDArray[Any], length: int) -> NDArray[np.bool_]:
    """Whether the next item of the row is the same."""
    same = np.zeros(items.size, bool)
    np.equal(items[1:], items[:-1], out=same[:-1])
    same[length - 1 :: length] = False
    return same


def _packets(items: NDArray[Any], within: NDArray[np.bool_], length: int, code: Code) -> NDArray[np.intp]:
    """Where each packet begins: a run where an item differs from the one before, literals behind a run."""
    fresh = np.ones(items.size, bool)
    fresh[1:] = np.where(within[1:], ~_same(items, length)[:-1], within[:-1])
    fresh[::length] = True
    begins = np.flatnonzero(fresh)
    # No packet holds more than it can.
    most = np.where(within[begins], code.run, code.literal)
    parts = -(-np.diff(begins, append=items.size) // most)
    index = np.arange(int(parts.sum())) - np.repeat(np.cumsum(parts) - parts, parts)
    split: NDArray[np.intp] = np.repeat(begins, parts) + index * np.repeat(most, parts)
    return split


def _kept(items: NDArray[Any], begins: NDArray[np.intp], within: NDArray[np.bool_]) -> Pixels:
    """What stands in the file of the items, in bytes: all literals, and of each run the first."""
    kept = ~within
    kept[begins] = True
    picked = items[kept]
    return picked.view(np.uint8).reshape(len(picked), -1)
