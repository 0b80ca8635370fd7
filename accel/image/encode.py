"""Encodes rasters as files: chooses the format, converts the pixels to it and reports clipped values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pyvips
from msgspec import Struct

from accel.image.alpha import mix_with_white, unpremultiply
from accel.image.codecs import dds, exr, gpu_layouts, hdr, ktx2, psd, tga
from accel.image.codecs import png as deflated
from accel.image.normal_maps import is_signed
from accel.image.operation import Operated, Writing, Written, first_layer
from accel.image.operations.geometry import Convert
from accel.image.pixel_coding import DEPTHS, at_depth, channel_kind, resolve_semantics
from accel.image.pixel_data import AlphaMixing, Pixels, vips_image
from accel.image.raster import PixelKind, Raster
from accel.text import AnyText, text
from accel.workload import Limits, OutputFile, WorkloadError

_HALF_STEP = 1 / 512
"""Half a step at 8 bits: less clipping than this isn't reported."""

Range = tuple[float, float]


def integer_range(image: Raster, kind: PixelKind | None = None) -> Range:
    """Returns the range of floats that integers can store: -1 to 1 for signed vectors, otherwise 0 to 1."""
    return (-1, 1) if (kind or image.kind) == "normal" and is_signed(image) else (0, 1)


def clipped_extremes(
    image: Raster, holds: Range | None, alpha: AlphaMixing = "straight", *, hidden: bool = False
) -> dict[str, Any]:
    """Returns `below` and `above` of `Raster`, `Written` and `Compressed`: the extremes that a format clips.

    `holds` is the format's range, or None if it stores any value; colours are first mixed with `alpha`.
    Colours where alpha is 0 count only in data, or if alpha is dropped (`hidden`).
    """
    return clipped_extremes_of_all((image, *image.layers), holds, alpha, hidden=hidden)


def clipped_extremes_of_all(
    images: Sequence[Raster], holds: Range | None, alpha: AlphaMixing = "straight", *, hidden: bool = False
) -> dict[str, Any]:
    """Like `clipped_extremes`, for several images in one file; their layers are ignored."""
    found = [_clipped_range(each, holds, None if hidden or each.data else alpha) for each in images]
    below = [least for least, _ in found if least is not None]
    above = [largest for _, largest in found if largest is not None]
    return {"below": min(below, default=None), "above": max(above, default=None)}


def _clipped_range(
    image: Raster, holds: Range | None, alpha: AlphaMixing | None
) -> tuple[float | None, float | None]:
    if holds is None or image.pixels.dtype.kind != "f":
        return image.below, image.above
    below, above = _beyond(image.pixels, image.colors, holds)
    # Mixing is slow and only matters if something is clipped.
    if (below, above) != (None, None) and image.has_alpha and alpha is not None:
        below, above = _beyond(_visible_colors(image, alpha), image.colors, holds)
    return image.below if below is None else below, image.above if above is None else above


def _beyond(pixels: Pixels, colors: int, holds: Range) -> tuple[float | None, float | None]:
    # Reduce columns first: numpy is ten times slower along the channels of a pixel.
    least = float(pixels.min(axis=0)[:, :colors].min())
    largest = float(pixels.max(axis=0)[:, :colors].max())
    low, high = holds
    return (least if least < low - _HALF_STEP else None, largest if largest > high + _HALF_STEP else None)


def _visible_colors(image: Raster, alpha: AlphaMixing) -> Pixels:
    """Returns the pixels mixed with alpha as in the file, and 0 where alpha is 0."""
    image = unpremultiply(image) if alpha == "on white" else image
    if image.multiplied:
        return image.pixels
    seen: Pixels = mix_with_white(image.pixels, alpha) * (image.pixels[..., -1:] > 0)
    return seen


def convert(images: Sequence[Raster], params: Convert, limits: Limits) -> Operated:
    (image,) = images
    whole = requested_format(image, params) != "float32"
    # DDS and KTX2 tell GPUs whether to decode sRGB, and float vectors must become integers without gamma.
    matters = WRITERS[choose_format(image, params.format)].mips or (whole and image.pixels.dtype.kind == "f")
    if matters and channel_kind(image) == "normal":
        image = resolve_semantics(image, "normal")
    # EXR's 16-bit channels are half floats; its writer does the conversion.
    if params.bits == "32" or (params.bits != "same" and whole):
        cut = clipped_extremes(image, integer_range(image)) if whole else {}
        image = msgspec.structs.replace(at_depth(image, DEPTHS[params.bits]), **cut)
    return Operated({"converted": image})


_GREY = {"uint8": "b-w", "uint16": "grey16", "float32": "b-w"}
_COLOR = {"uint8": "srgb", "uint16": "rgb16", "float32": "scrgb"}


def vips_png(image: Raster, params: Writing) -> bytes:
    if image.pixels.nbytes <= deflated.MAX_FILTERED:
        return deflated.write_png(image.pixels, deflated.USUAL)
    # Level 3 takes a third of the time of level 6 for a tenth more bytes; level 1 doubles the size.
    return _write_with_vips(
        image, "png", compression=3, filter="up" if deflated.channels_differ(image.pixels) else "none"
    )


def vips_jpeg(image: Raster, params: Writing) -> bytes:
    return _write_with_vips(image, "jpg", Q=params.quality, optimize_coding=True, background=255)


def vips_webp(image: Raster, params: Writing) -> bytes:
    # `exact` preserves colours under transparency, which texture filtering blends into the edges.
    return _write_with_vips(image, "webp", Q=params.quality, lossless=params.lossless, exact=True)


def vips_avif(image: Raster, params: Writing) -> bytes:
    options: dict[str, Any] = {"lossless": True} if params.lossless else {"Q": params.quality}
    # libvips' default of 4 takes 3 to 7 times as long, for 2 to 6 % fewer bytes at the same quality.
    return _write_with_vips(image, "avif", compression="av1", effort=3, **options)


def vips_tiff(image: Raster, params: Writing) -> bytes:
    predictor = "float" if image.pixels.dtype.kind == "f" else "horizontal"
    # Level 3 takes a quarter of the time of level 6 for a sixth more bytes.
    return _write_with_vips(image, "tif", compression="deflate", predictor=predictor, level=3)


def _write_with_vips(image: Raster, suffix: str, **options: Any) -> bytes:
    """Raises pyvips.Error."""
    models = _GREY if image.colors == 1 else _COLOR
    lazy = vips_image(image.pixels, models[image.pixels.dtype.name])
    data: bytes = lazy.write_to_buffer(f".{suffix}", keep="none", **options)
    return data


class Writer(Struct, frozen=True):
    write: Callable[[Raster, Writing], bytes]
    media_type: str
    depths: tuple[str, ...]
    """Channel types it can store, as numpy dtype names. Others are converted to the nearest."""
    alpha: bool = True
    """Whether it can store alpha; if not, the image is blended with white."""
    grey_alpha: bool = True
    """Whether it can store grey with alpha; if not, grey becomes RGB."""
    grey: bool = True
    """Whether it can store grey without alpha; if not, grey becomes RGB."""
    mips: bool = False
    """Whether a file can store mip levels and layers; if not, each level gets its own file."""
    longest: int = 65535
    """Maximum side length in pixels."""
    bits: Callable[[Raster, Writing], int] | None = None
    """Returns the bits per channel in the file, if they can differ from those of the pixels."""
    signed: bool = True
    """Whether its floats can be negative."""


WRITERS: dict[str, Writer] = {
    "png": Writer(vips_png, "image/png", ("uint8", "uint16"), longest=2**31 - 1),
    "jpeg": Writer(vips_jpeg, "image/jpeg", ("uint8",), alpha=False, longest=65500),
    "webp": Writer(vips_webp, "image/webp", ("uint8",), grey=False, grey_alpha=False, longest=16383),
    "avif": Writer(vips_avif, "image/avif", ("uint8",), grey=False, grey_alpha=False, longest=16384),
    "tiff": Writer(vips_tiff, "image/tiff", ("uint8", "uint16", "float32"), longest=2**31 - 1),
    "tga": Writer(tga.write_tga, "image/x-tga", ("uint8",), grey_alpha=False),
    "psd": Writer(psd.write_psd, "image/vnd.adobe.photoshop", ("uint8", "uint16"), longest=30000),
    "exr": Writer(exr.write_exr, "image/x-exr", ("float32",), longest=2**31 - 1, bits=exr.exr_bits),
    "hdr": Writer(hdr.write_hdr, "image/vnd.radiance", ("float32",), alpha=False, grey=False, signed=False),
    "dds": Writer(
        dds.write, "image/vnd-ms.dds", ("uint8", "uint16", "float32"), grey_alpha=False, mips=True,
        longest=2**31 - 1, bits=gpu_layouts.pixel_bits,
    ),
    "ktx2": Writer(
        ktx2.write, "image/ktx2", ("uint8", "uint16", "float32"), grey_alpha=False, mips=True,
        longest=2**31 - 1, bits=gpu_layouts.pixel_bits,
    ),
}  # fmt: skip


def save(name: str, image: Raster, params: Writing) -> tuple[list[OutputFile], Written]:
    """Encodes an image. Returns its files and a record of them.

    Raises WorkloadError `unsupported` or `too_large`.
    """
    format = choose_format(image, params.format)
    writer = WRITERS[format]
    source, image = image, fit_to_format(image, params)
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
        OutputFile(each, writer.media_type, _encode(one, format, params))
        for each, one in _files(name, image, writer)
    ]
    size = sum(len(file.data) for file in files)
    levels = 1 + len(image.mips)
    bits = writer.bits(image, params) if writer.bits else image.bit_depth
    facts = Written(
        files[0].name, format, image.width, image.height, image.channels, bits, levels, size,
        image.kind or None, dropped_images(image), 1 + len(image.layers), **clipped_in_format(source, params),
    )  # fmt: skip
    return files, facts


def clipped_in_format(image: Raster, params: Writing) -> dict[str, Any]:
    """Returns `below` and `above`: the extremes that the written file clips."""
    if image.pixels.dtype.kind != "f":
        return clipped_extremes(image, None)
    if requested_format(image, params) != "float32":
        return clipped_extremes(image, integer_range(image))
    format = choose_format(image, params.format)
    mix: AlphaMixing = "multiplied" if format == "exr" else "straight"
    return clipped_extremes(image, _float_range(image, params), mix if WRITERS[format].alpha else "on white")


def _float_range(image: Raster, params: Writing) -> Range:
    """Returns the range of floats that the file can store."""
    writer = WRITERS[choose_format(image, params.format)]
    half = writer.bits is not None and writer.bits(image, params) == 16
    most = exr.LARGEST if half else math.inf
    return (-most if writer.signed else 0, most)


def dropped_images(image: Raster) -> int | None:
    """Returns `first_of` if only the first image of the source file is left, otherwise None."""
    return None if image.layers else first_layer(image)


def choose_format(image: Raster, format: str) -> str:
    """Returns the format to write; `same` means that of the source file, or PNG if that can't be written."""
    if format != "same":
        return format
    return image.format if image.format in WRITERS else "png"


def requested_format(image: Raster, params: Writing) -> str:
    """Returns the channel type to write: the requested one, or the nearest that the format can store."""
    depths = WRITERS[choose_format(image, params.format)].depths
    kind = DEPTHS.get(params.bits, image.pixels.dtype.name)
    if kind in depths:
        return kind
    order = tuple(DEPTHS.values())
    better = [depth for depth in order[order.index(kind) :] if depth in depths]
    return better[0] if better else max(depths, key=order.index)


def fit_to_format(image: Raster, params: Writing) -> Raster:
    """Converts the image to a pixel type and channel layout that the format can store."""
    writer = WRITERS[choose_format(image, params.format)]
    fit = image.with_pixels(image.pixels) if image.read_mips and not writer.mips else image
    fit = at_depth(fit, requested_format(fit, params))
    if fit.has_alpha and not writer.alpha:
        fit = flatten_on_white(fit)
    if not (writer.grey_alpha if fit.has_alpha else writer.grey):
        fit = expand_grey(fit)
    # `same` reads layers too, but may turn out to be a format without them.
    layers = tuple(fit_to_format(layer, params) for layer in image.layers) if writer.mips else ()
    return msgspec.structs.replace(fit, layers=layers, cube=image.cube and bool(layers))


def flatten_on_white(image: Raster) -> Raster:
    """Blends the image with white. Data only lose their alpha."""
    image = image if image.data else unpremultiply(image)
    levels = [
        np.ascontiguousarray((level if image.data else mix_with_white(level, "on white"))[..., :-1])
        for level in (image.pixels, *image.mips)
    ]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), has_alpha=False)


def expand_grey(image: Raster) -> Raster:
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


def _encode(image: Raster, format: str, params: Writing) -> bytes:
    try:
        return WRITERS[format].write(image, params)
    except pyvips.Error as error:
        detail = str(error.detail or error.message).strip().splitlines()
        reason: AnyText = detail[0] if detail else text("no details")
        if "out of memory" in str(reason) or "creating thread" in str(reason):
            raise MemoryError(str(reason)) from None
        raise WorkloadError(
            "unsupported",
            text("can't be written as {upper} ({said})", upper=format.upper(), said=reason),
            image.name,
        ) from None
