"""A file that a reader takes apart from the front, and the errors that a reader can meet."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from msgspec import Struct

from accel.image.compression import Compression
from accel.image.decoded import Alpha, Pixels
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
    alpha: Alpha = "straight"
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
