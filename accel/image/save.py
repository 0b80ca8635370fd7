"""Rasters as files: which format holds what, and who writes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyvips
from msgspec import Struct

from accel.image.alpha import mixed
from accel.image.cut import Range, cut_off, integers
from accel.image.decoded import Alpha
from accel.image.first import first_of
from accel.image.light import DEPTHS, at_depth
from accel.image.multiplied import straightened
from accel.image.operation import Written
from accel.image.raster import Raster
from accel.image.writers import dds, exr, hdr, ktx2, plain, psd, tga, vips
from accel.text import AnyText, text
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
    grey: bool = True
    """The same without alpha."""
    mips: bool = False
    """Whether one file holds all levels; where not, each becomes a file. Such files hold layers as well."""
    longest: int = 65535
    """Most pixels of a side."""
    bits: Callable[[Raster, Writing], int] | None = None
    """Bits of a channel in the file, where they aren't those of the pixels."""
    signed: bool = True
    """Whether its floats may be below 0."""


WRITERS: dict[str, Writer] = {
    "png": Writer(vips.png, "image/png", ("uint8", "uint16"), longest=2**31 - 1),
    "jpeg": Writer(vips.jpeg, "image/jpeg", ("uint8",), alpha=False, longest=65500),
    "webp": Writer(vips.webp, "image/webp", ("uint8",), grey=False, grey_alpha=False, longest=16383),
    "avif": Writer(vips.avif, "image/avif", ("uint8",), grey=False, grey_alpha=False, longest=16384),
    "tiff": Writer(vips.tiff, "image/tiff", ("uint8", "uint16", "float32"), longest=2**31 - 1),
    "tga": Writer(tga.tga, "image/x-tga", ("uint8",), grey_alpha=False),
    "psd": Writer(psd.psd, "image/vnd.adobe.photoshop", ("uint8", "uint16"), longest=30000),
    "exr": Writer(exr.exr, "image/x-exr", ("float32",), longest=2**31 - 1, bits=exr.bits),
    "hdr": Writer(hdr.hdr, "image/vnd.radiance", ("float32",), alpha=False, grey=False, signed=False),
    "dds": Writer(
        dds.write, "image/vnd-ms.dds", ("uint8", "uint16", "float32"), grey_alpha=False, mips=True,
        longest=2**31 - 1, bits=plain.bits,
    ),
    "ktx2": Writer(
        ktx2.write, "image/ktx2", ("uint8", "uint16", "float32"), grey_alpha=False, mips=True,
        longest=2**31 - 1, bits=plain.bits,
    ),
}  # fmt: skip


def save(name: str, image: Raster, params: Writing) -> tuple[list[OutputFile], Written]:
    """The files of an image, and its facts. Raises WorkloadError `unsupported` or `too_large`."""
    format = chosen(image, params.format)
    writer = WRITERS[format]
    given, image = image, fitted(image, params)
    longest = max(image.width, image.height)
    if longest > writer.longest:
        reason = text(
            "is {longest} pixels long; {upper} holds at most {longest_2}",
            longest=longest,
            upper=format.upper(),
            longest_2=writer.longest,
        )
        raise WorkloadError("too_large", reason, image.name)
    files = [
        OutputFile(each, writer.media_type, _coded(one, format, params))
        for each, one in _files(name, image, writer)
    ]
    size = sum(len(file.data) for file in files)
    levels = 1 + len(image.mips)
    bits = writer.bits(image, params) if writer.bits else image.bit_depth
    facts = Written(
        files[0].name, format, image.width, image.height, image.channels, bits, levels, size,
        image.kind or None, left_out(image), 1 + len(image.layers), **lost(given, params),
    )  # fmt: skip
    return files, facts


def lost(image: Raster, params: Writing) -> dict[str, Any]:
    """`below` and `above` of the file: what it holds no value for. As it holds colours of floats, alpha is
    mixed with them."""
    if image.pixels.dtype.kind != "f":
        return cut_off(image, None)
    if wanted(image, params) != "float32":
        return cut_off(image, integers(image))
    format = chosen(image, params.format)
    mix: Alpha = "multiplied" if format == "exr" else "straight"
    return cut_off(image, _floats(image, params), mix if WRITERS[format].alpha else "on white")


def _floats(image: Raster, params: Writing) -> Range:
    """The floats that the file holds."""
    writer = WRITERS[chosen(image, params.format)]
    half = writer.bits is not None and writer.bits(image, params) == 16
    most = exr.LARGEST if half else math.inf
    return (-most if writer.signed else 0, most)


def left_out(image: Raster) -> int | None:
    """How many images the file held that it comes from, where the first alone is left of them."""
    return None if image.layers else first_of(image)


def chosen(image: Raster, format: str) -> str:
    """The format to write: `same` is the one that the image came from, or PNG."""
    if format != "same":
        return format
    return image.format if image.format in WRITERS else "png"


def wanted(image: Raster, params: Writing) -> str:
    """The type of channels to write: what is asked for, or the nearest that the format holds."""
    depths = WRITERS[chosen(image, params.format)].depths
    kind = DEPTHS.get(params.bits, image.pixels.dtype.name)
    if kind in depths:
        return kind
    order = tuple(DEPTHS.values())
    better = [depth for depth in order[order.index(kind) :] if depth in depths]
    return better[0] if better else max(depths, key=order.index)


def fitted(image: Raster, params: Writing) -> Raster:
    """The image as the format can hold it."""
    writer = WRITERS[chosen(image, params.format)]
    fit = image.with_pixels(image.pixels) if image.read_mips and not writer.mips else image
    fit = at_depth(fit, wanted(fit, params))
    if fit.has_alpha and not writer.alpha:
        fit = on_white(fit)
    if not (writer.grey_alpha if fit.has_alpha else writer.grey):
        fit = colored(fit)
    # Layers are read where a file may hold them, which that of the same format may not.
    layers = tuple(fitted(layer, params) for layer in image.layers) if writer.mips else ()
    return msgspec.structs.replace(fit, layers=layers, cube=image.cube and bool(layers))


def on_white(image: Raster) -> Raster:
    """The image without transparency: as it looks on a white page. Data keep their numbers and lose alpha."""
    image = image if image.data else straightened(image)
    levels = [
        np.ascontiguousarray((level if image.data else mixed(level, "on white"))[..., :-1])
        for level in (image.pixels, *image.mips)
    ]
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
        said: AnyText = detail[0] if detail else text("no details")
        if "out of memory" in str(said) or "creating thread" in str(said):
            raise MemoryError(str(said)) from None
        raise WorkloadError(
            "unsupported",
            text("can't be written as {upper} ({said})", upper=format.upper(), said=said),
            image.name,
        ) from None
