"""A bounded reader that raises decoders' errors, and a run-length encoder shared by several formats."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.pixel_data import AlphaMixing, Pixels
from accel.image.records import Compression
from accel.memory import claim
from accel.text import AnyText, text
from accel.workload import Input, Limits, WorkloadError

MAX_IMAGES = 2048 * 6
"""Maximum number of images in a file: 2048 cubes, as Direct3D 11 allows 2048 layers."""


_PIXEL_BYTES = {"EXR": 16, "HDR": 12}
"""Bytes of a decoded pixel, by format; 4 for others."""


class Picture(Struct, frozen=True):
    """The result of a decoder; see `DecodedImage` for the fields."""

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
    """An open file, read within its size and the limits. All reading methods raise WorkloadError."""

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
        """Number of bytes not yet read."""
        self.mips = mips
        """Whether to read mip levels."""
        self.layers = layers
        """Whether to read the images after the first."""
        self._file = file
        self._size = size
        self._format = format.upper()
        self._limits = limits

    def take(self, count: int, what: AnyText) -> bytes:
        """Returns the next `count` bytes; `what` names them in the error if the file ends early."""
        if count > self.left:
            raise self.truncated(
                text(
                    "{what}: needs {count} bytes, has {left}",
                    what=what,
                    count=f"{count:,}",
                    left=f"{self.left:,}",
                )
            )
        data = self._file.read(count)
        self.left -= count
        if len(data) < count:
            raise self.truncated(text("it became shorter while {what} was read", what=what))
        return data

    def at(self, place: int, count: int) -> bytes:
        """Returns `count` bytes at an offset, or fewer at the end of the file. Keeps the position."""
        # A damaged file may contain numbers too large to seek to or allocate.
        count = min(count, self._size - place)
        if count <= 0:
            return b""
        position = self._file.tell()
        self._file.seek(place)
        data = self._file.read(count)
        self._file.seek(position)
        return data

    def unpack(self, layout: str, what: AnyText) -> tuple[Any, ...]:
        """Returns the next values of a `struct` layout."""
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def number(self, layout: str, what: AnyText) -> int:
        """Returns the next value of a `struct` layout with one integer."""
        (value,) = self.unpack(layout, what)
        return int(value)

    def rest(self, most: int) -> bytes:
        """Returns up to `most` bytes of the rest of the file."""
        return self.take(min(self.left, most), text("the pixels"))

    def skip(self, count: int, what: AnyText) -> None:
        if not 0 <= count <= self.left:
            raise self.truncated(
                text(
                    "{what}: needs {count} bytes, has {left}",
                    what=what,
                    count=f"{count:,}",
                    left=f"{self.left:,}",
                )
            )
        self._file.seek(count, 1)
        self.left -= count

    def check_size(self, width: int, height: int) -> None:
        """Raises WorkloadError for an empty image or one above the limits."""
        check_dimensions(self.source, self._format, width, height, self._limits)
        claim(self.source.name, width, height, _PIXEL_BYTES.get(self._format, 4))

    def check_array(self, width: int, height: int, images: int) -> None:
        """Raises WorkloadError `too_large` for more images than a GPU can bind, or more pixels in total than
        the limit for one image."""
        if images > MAX_IMAGES:
            reason = text(
                "holds {images} images, more than the {max_images} that any GPU binds at once",
                images=f"{images:,}",
                max_images=f"{MAX_IMAGES:,}",
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
        """Returns the error for a file that ends early."""
        return WorkloadError(
            "bad_input",
            text("is a truncated {format} ({detail})", format=self._format, detail=detail),
            self.source.name,
        )

    def broken(self, detail: AnyText) -> WorkloadError:
        """Returns the error for a file that violates its format."""
        return WorkloadError(
            "bad_input",
            text("is a corrupt {format} ({detail})", format=self._format, detail=detail),
            self.source.name,
        )

    def unsupported(self, detail: AnyText) -> WorkloadError:
        """Returns the error for a valid but unsupported file; `detail` gives the reason and the remedy."""
        reason = text(
            "is a {format} of a kind that isn't opened here: {detail}", format=self._format, detail=detail
        )
        return WorkloadError("unsupported", reason, self.source.name)


def check_dimensions(source: Input, format: str, width: int, height: int, limits: Limits) -> None:
    """Raises WorkloadError: `bad_input` for an empty image, `too_large` for one above the limits."""
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
"""Items encoded at a time, to stay near the cache."""


class RunLengthCode(Struct, frozen=True):
    """A packet format: a one-byte head, then either an item to repeat or literals.

    The head is `run_head + n * step` for a run of n items, and `literal_head + n` for n literals.
    """

    shortest: int
    """Minimum number of equal items in a run."""
    run: int
    """Maximum number of items in a run."""
    run_head: int
    step: int
    literal: int
    """Maximum number of literals in a packet."""
    literal_head: int


TARGA = RunLengthCode(shortest=2, run=128, run_head=127, step=1, literal=128, literal_head=-1)
"""Truevision TGA 2.0, "Run-length encoded images". An item is a pixel."""

PACKBITS = RunLengthCode(shortest=3, run=128, run_head=257, step=-1, literal=128, literal_head=-1)
"""TIFF 6.0, section 9, also used by PSD. An item is a byte."""

RADIANCE = RunLengthCode(shortest=4, run=127, run_head=128, step=1, literal=128, literal_head=0)
"""Radiance's format since 1991. An item is one byte of a component's scanline."""


def run_length_encode(rows: Pixels, code: RunLengthCode) -> tuple[bytes, NDArray[np.intp]]:
    """Encodes rows x items x bytes per item. Packets don't cross row boundaries.

    Returns the packets and the encoded size of each row.
    """
    step = max(1, _STRIP // rows.shape[1])
    strips = [_encode_strip(rows[begin : begin + step], code) for begin in range(0, len(rows), step)]
    return b"".join(data.data for data, _ in strips), np.concatenate([sizes for _, sizes in strips])


def _encode_strip(rows: Pixels, code: RunLengthCode) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    count, length, size = rows.shape
    items = _to_integers(rows).reshape(-1)
    within = _find_runs(items, length, code)
    begins = _packet_starts(items, within, length, code)
    lengths, repeated = np.diff(begins, append=items.size), within[begins]
    packet_bytes = 1 + np.where(repeated, 1, lengths) * size
    ends = np.cumsum(packet_bytes)
    heads = ends - packet_bytes
    out = np.empty(int(ends[-1]), np.uint8)
    body = np.ones(out.size, bool)
    body[heads] = False
    out[body] = _written_items(items, begins, within)[:, :size].reshape(-1)
    runs, literals = code.run_head + code.step * lengths, code.literal_head + lengths
    out[heads] = np.where(repeated, runs, literals).astype(np.uint8)
    last = np.searchsorted(begins, np.arange(1, count + 1) * length) - 1
    return out, np.diff(ends[last], prepend=0)


def _to_integers(rows: Pixels) -> NDArray[Any]:
    """Returns each item as a single integer, for comparison."""
    size = rows.shape[2]
    if size == 1:
        return rows
    if size == 3:
        rows = np.concatenate([rows, np.zeros_like(rows[..., :1])], axis=2)
        size = 4
    return np.ascontiguousarray(rows).view(f"<u{size}")


def _find_runs(items: NDArray[Any], length: int, code: RunLengthCode) -> NDArray[np.bool_]:
    """Returns which items are part of a run."""
    # Boolean arrays are three times as fast as integers here.
    starts = _equals_next(items, length)
    for _ in range(code.shortest - 2):
        starts[:-1] &= starts[1:]
    within = starts.copy()
    for behind in range(1, code.shortest):
        within[behind:] |= starts[:-behind]
    return within


def _equals_next(items: NDArray[Any], length: int) -> NDArray[np.bool_]:
    """Returns which items equal the next one in their row."""
    same = np.zeros(items.size, bool)
    np.equal(items[1:], items[:-1], out=same[:-1])
    same[length - 1 :: length] = False
    return same


def _packet_starts(
    items: NDArray[Any], within: NDArray[np.bool_], length: int, code: RunLengthCode
) -> NDArray[np.intp]:
    """Returns the index of each packet's first item."""
    fresh = np.ones(items.size, bool)
    fresh[1:] = np.where(within[1:], ~_equals_next(items, length)[:-1], within[:-1])
    fresh[::length] = True
    begins = np.flatnonzero(fresh)
    # Split packets that are too long.
    most = np.where(within[begins], code.run, code.literal)
    parts = -(-np.diff(begins, append=items.size) // most)
    index = np.arange(int(parts.sum())) - np.repeat(np.cumsum(parts) - parts, parts)
    split: NDArray[np.intp] = np.repeat(begins, parts) + index * np.repeat(most, parts)
    return split


def _written_items(items: NDArray[Any], begins: NDArray[np.intp], within: NDArray[np.bool_]) -> Pixels:
    """Returns the bytes of all literals and of each run's first item."""
    written = ~within
    written[begins] = True
    picked = items[written]
    return picked.view(np.uint8).reshape(len(picked), -1)
