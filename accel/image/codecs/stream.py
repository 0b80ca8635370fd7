"""Bounded header reader, decode errors, run-length codes."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import AlphaMixing, Pixels
from accel.image.records import Compression
from accel.text import AnyText, text
from accel.workload import Input, Limits, WorkloadError

MOST_IMAGES = 2048 * 6
"""Of one file: 2048 cubes, as Direct3D 11 has 2048 layers at most."""


class Picture(Struct, frozen=True):
    """What a reader makes of a file; `Decoded` says what the fields mean."""

    pixels: Pixels
    color_model: str
    has_alpha: bool
    compression: Compression = ""
    palette: bool = False
    alpha: AlphaMixing = "straight"
    profile: bytes = b""
    float_bits: int = 0
    data: bool = False
    mips: tuple[Pixels, ...] = ()
    levels: int = 1
    images: int = 1
    others: tuple[tuple[Pixels, ...], ...] = ()
    cube: bool = False
    array: bool = False


class Stream:
    """An open file with what is needed to refuse it; every method that reads raises WorkloadError."""

    def __init__(
        self,
        file: BinaryIO,
        source: Input,
        format: str,
        size: int,
        limits: Limits,
        *,
        mips: bool = False,
        layers: bool = False,
    ) -> None:
        self.source = source
        self.left = size
        """Bytes that were not taken yet."""
        self.mips = mips
        """Whether smaller levels are wanted."""
        self.layers = layers
        """Whether the images after the first are wanted."""
        self._file = file
        self._size = size
        self._format = format.upper()
        self._limits = limits

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes; `what` names them where the file ends before."""
        if count > self.left:
            raise self.truncated(f"{what} would take {count:,} bytes, {self.left:,} are left")
        data = self._file.read(count)
        self.left -= count
        if len(data) < count:
            raise self.truncated(f"it became shorter while {what} was read")
        return data

    def at(self, place: int, count: int) -> bytes:
        """`count` bytes from anywhere in the file, fewer where it ends; what is taken next stays the same."""
        # What a damaged file names may be more than a system can seek or a process may hold.
        count = min(count, self._size - place)
        if count <= 0:
            return b""
        here = self._file.tell()
        self._file.seek(place)
        data = self._file.read(count)
        self._file.seek(here)
        return data

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        """The next values, by a `struct` layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def number(self, layout: str, what: str) -> int:
        """The next number, by a `struct` layout of one."""
        (value,) = self.unpack(layout, what)
        return int(value)

    def rest(self, most: int) -> bytes:
        """All that is left, at most `most` bytes."""
        return self.take(min(self.left, most), "the pixels")

    def skip(self, count: int, what: str) -> None:
        """Goes on behind the next `count` bytes."""
        if not 0 <= count <= self.left:
            raise self.truncated(f"{what} would take {count:,} bytes, {self.left:,} are left")
        self._file.seek(count, 1)
        self.left -= count

    def dimensions(self, width: int, height: int) -> None:
        """Raises WorkloadError for a size that no image has, or that is larger than is taken here."""
        check_dimensions(self.source, self._format, width, height, self._limits)

    def several(self, width: int, height: int, images: int) -> None:
        """Raises WorkloadError `too_large` for more images than any GPU binds, or for ones of more pixels
        together than one may have here."""
        if images > MOST_IMAGES:
            reason = text(
                "holds {images} images, more than the {most_images} that any GPU binds at once",
                images=f"{images:,}",
                most_images=f"{MOST_IMAGES:,}",
            )
            raise WorkloadError("too_large", reason, self.source.name)
        most = self._limits.max_pixels
        if width * height * images > most:
            reason = text(
                "holds {images} images of {width} x {height} ({width_2} megapixels in all), more "
                "than the limit of {most} megapixels; raise images.max_pixels, or convert to another "
                "format, which takes the first alone",
                images=f"{images:,}",
                width=width,
                height=height,
                width_2=f"{(width * height * images / 1e6):,.1f}",
                most=f"{(most / 1e6):,.1f}",
            )
            raise WorkloadError("too_large", reason, self.source.name)

    def truncated(self, detail: AnyText) -> WorkloadError:
        """The file ends too early."""
        return WorkloadError(
            "bad_input",
            text("is a truncated {format} ({detail})", format=self._format, detail=detail),
            self.source.name,
        )

    def broken(self, detail: str) -> WorkloadError:
        """The file contradicts its format."""
        return WorkloadError(
            "bad_input",
            text("is a corrupt {format} ({detail})", format=self._format, detail=detail),
            self.source.name,
        )

    def unsupported(self, detail: AnyText) -> WorkloadError:
        """The file is of a kind that isn't read here; `detail` also says what to do."""
        reason = text(
            "is a {format} of a kind that isn't opened here: {detail}", format=self._format, detail=detail
        )
        return WorkloadError("unsupported", reason, self.source.name)


def check_dimensions(source: Input, format: str, width: int, height: int, limits: Limits) -> None:
    """Raises WorkloadError: `bad_input` for no pixels, `too_large` for more than `limits` takes."""
    if width < 1 or height < 1:
        reason = text(
            "is a corrupt {format} (its header says {width} x {height} pixels)",
            format=format,
            width=width,
            height=height,
        )
        raise WorkloadError("bad_input", reason, source.name)
    pixels = width * height
    if pixels > limits.max_pixels:
        reason = text(
            "is {width} x {height} ({pixels} megapixels), more than the limit of {max_pixels} megapixels",
            width=width,
            height=height,
            pixels=f"{(pixels / 1e6):,.1f}",
            max_pixels=f"{(limits.max_pixels / 1e6):,.1f}",
        )
        raise WorkloadError("too_large", reason, source.name)


_STRIP = 1 << 18
"""Items coded in one go, so that what is computed stays near the cache."""


class RunLengthCode(Struct, frozen=True):
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


TARGA = RunLengthCode(shortest=2, run=128, run_head=127, step=1, literal=128, literal_head=-1)
"""Truevision TGA 2.0, "Run-length encoded images"; an item is a pixel."""

PACKBITS = RunLengthCode(shortest=3, run=128, run_head=257, step=-1, literal=128, literal_head=-1)
"""TIFF 6.0, section 9, which Photoshop documents use too; an item is a byte."""

RADIANCE = RunLengthCode(shortest=4, run=127, run_head=128, step=1, literal=128, literal_head=0)
"""What Radiance has written since 1991; an item is a byte of one component's scanline."""


def run_length_encode(rows: Pixels, code: RunLengthCode) -> tuple[bytes, NDArray[np.intp]]:
    """Packets of rows x items x bytes of an item, none of which reaches over its row's end; and each row's
    bytes.
    """
    step = max(1, _STRIP // rows.shape[1])
    strips = [_strip(rows[begin : begin + step], code) for begin in range(0, len(rows), step)]
    return b"".join(data.data for data, _ in strips), np.concatenate([sizes for _, sizes in strips])


def _strip(rows: Pixels, code: RunLengthCode) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
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


def _within(items: NDArray[Any], length: int, code: RunLengthCode) -> NDArray[np.bool_]:
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


def _packets(
    items: NDArray[Any], within: NDArray[np.bool_], length: int, code: RunLengthCode
) -> NDArray[np.intp]:
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
