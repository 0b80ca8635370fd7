"""Rasters as files: which format holds what, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyvips
from msgspec import Struct

from accel.image.light import at_depth
from accel.image.operation import Written
from accel.image.raster import Raster
from accel.image.writers import dds, ktx2, plain, vips
from accel.workload import OutputFile, WorkloadError

if TYPE_CHECKING:
    from accel.image.operation import Writing


class Writer(Struct, frozen=True):
    """A file format that can be written."""

    write: Callable[[Raster, Writing], bytes]
    media_type: str
    depths: tuple[str, ...]
    """The types of channels that it holds, numpy's names; others become the nearest that loses least."""
    alpha: bool = True
    """Whether it holds transparency; where not, the image is put on white."""
    grey_alpha: bool = True
    """Whether it holds grey with alpha; where not, grey becomes RGB."""
    mips: bool = False
    """Whether one file holds all levels; where not, each becomes a file."""
    longest: int = 65535
    """Most pixels of a side."""
    bits: Callable[[Raster, Writing], int] | None = None
    """Bits of a channel in the file, where they aren't those of the pixels."""


WRITERS: dict[str, Writer] = {
    "png": Writer(vips.png, "image/png", ("uint8", "uint16"), longest=2**31 - 1),
    "jpeg": Writer(vips.jpeg, "image/jpeg", ("uint8",), alpha=False),
    "webp": Writer(vips.webp, "image/webp", ("uint8",), longest=16383),
    "avif": Writer(vips.avif, "image/avif", ("uint8",), longest=16384),
    "tiff": Writer(vips.tiff, "image/tiff", ("uint8", "uint16", "float32"), longest=2**31 - 1),
    "dds": Writer(
        dds.write,
        "image/vnd-ms.dds",
        ("uint8", "uint16", "float32"),
        grey_alpha=False,
        mips=True,
        longest=2**31 - 1,
        bits=plain.bits,
    ),
    "ktx2": Writer(
        ktx2.write,
        "image/ktx2",
        ("uint8", "uint16", "float32"),
        grey_alpha=False,
        mips=True,
        longest=2**31 - 1,
        bits=plain.bits,
    ),
}


def save(name: str, image: Raster, params: Writing) -> tuple[list[OutputFile], Written]:
    """The files of an image, and its facts. Raises WorkloadError `unsupported` or `too_large`."""
    format = chosen(image, params.format)
    writer = WRITERS[format]
    image = fitted(image, writer)
    longest = max(image.width, image.height)
    if longest > writer.longest:
        reason = f"is {longest} pixels long; {format.upper()} holds at most {writer.longest}"
        raise WorkloadError("too_large", reason, image.name)
    files = [
        OutputFile(each, writer.media_type, _coded(one, format, params))
        for each, one in _files(name, image, writer)
    ]
    size = sum(len(file.data) for file in files)
    levels = 1 + len(image.mips)
    bits = writer.bits(image, params) if writer.bits else image.bit_depth
    facts = Written(files[0].name, format, image.width, image.height, image.channels, bits, levels, size)
    return files, facts


def chosen(image: Raster, format: str) -> str:
    """The format to write: `same` is the one that the image came from, or PNG."""
    if format != "same":
        return format
    return image.format if image.format in WRITERS else "png"


def fitted(image: Raster, writer: Writer) -> Raster:
    """The image as the format can hold it."""
    kind = image.pixels.dtype.name
    if kind not in writer.depths:
        image = at_depth(image, _nearest(kind, writer.depths))
    if image.has_alpha and not writer.alpha:
        image = on_white(image)
    if image.has_alpha and image.colors == 1 and not writer.grey_alpha:
        image = colored(image)
    return image


def _nearest(kind: str, depths: tuple[str, ...]) -> str:
    order = ("uint8", "uint16", "float32")
    better = [depth for depth in order[order.index(kind) :] if depth in depths]
    return better[0] if better else max(depths, key=order.index)


def on_white(image: Raster) -> Raster:
    """The image without transparency: as it looks on a white page."""
    top = 1.0 if image.pixels.dtype.kind == "f" else float(np.iinfo(image.pixels.dtype).max)
    levels = []
    for level in (image.pixels, *image.mips):
        alpha = level[..., -1:] / np.float32(top)
        mixed = level[..., :-1] * alpha + np.float32(top) * (1 - alpha)
        rounded = mixed if level.dtype.kind == "f" else mixed + 0.5
        levels.append(np.ascontiguousarray(rounded.astype(level.dtype)))
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), has_alpha=False)


def colored(image: Raster) -> Raster:
    """Grey with its value in three channels."""
    if image.colors != 1:
        return image
    index = [0, 0, 0] + [1] * image.has_alpha
    levels = [np.ascontiguousarray(level[..., index]) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]))


def _files(name: str, image: Raster, writer: Writer) -> list[tuple[str, Raster]]:
    if not image.mips or writer.mips:
        return [(name, image)]
    levels = (image.pixels, *image.mips)
    return [(f"{name}.mip{index}", image.with_pixels(level)) for index, level in enumerate(levels)]


def _coded(image: Raster, format: str, params: Writing) -> bytes:
    try:
        return WRITERS[format].write(image, params)
    except pyvips.Error as error:
        detail = str(error.detail or error.message).strip().splitlines()
        said = detail[0] if detail else "no details"
        if "out of memory" in said:
            raise MemoryError(said) from None
        raise WorkloadError(
            "unsupported", f"can't be written as {format.upper()} ({said})", image.name
        ) from None
