"""A raster as a compressed texture in its container, with the facts of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from accel.image.compress import Attempt, Compress, Compressed
from accel.image.cut import Range, cut_off, integers
from accel.image.decoded import Pixels
from accel.image.encoders.bc import LARGEST
from accel.image.encoders.choose import candidates, chosen, measured, tried
from accel.image.encoders.encode import Encoder, encoder
from accel.image.encoders.formats import FORMATS, BlockFormat
from accel.image.encoders.subject import Subject
from accel.image.meaning import kind_of
from accel.image.raster import PixelKind, Raster
from accel.image.save import WRITERS, left_out
from accel.image.tangent import is_signed, unsigned
from accel.image.writers import dds, ktx2
from accel.image.writers.texels import Texture
from accel.progress import part
from accel.workload import OutputFile

TARGET_DB = 40.0
"""What `auto` aims at where nothing is said: differences that are hard to see."""


class _Chosen(Struct, frozen=True):
    """A format with the largest level of each image."""

    format: BlockFormat
    data: Sequence[bytes]
    psnr: float | None = None
    reached: bool | None = None
    tried: tuple[Attempt, ...] = ()


def compressed(image: Raster, params: Compress) -> tuple[Compressed, OutputFile]:
    """The file and its facts. Raises WorkloadError `unsupported`."""
    kind = _kind(image, params)
    if kind == "data" and params.kind == "auto" and kind_of(image) == "normal" and is_signed(image):
        # Of one channel, or of floats, which hold nothing below 0 either.
        image = msgspec.structs.replace(_unsigned(image), layers=tuple(map(_unsigned, image.layers)))
    subject = Subject(image, kind=kind, drop_alpha=params.alpha == "drop")
    # All smaller levels have a third of the largest one's pixels.
    with part(0, 4 / 3 if image.mips else 1):
        found = _by_target(subject, params) if params.format == "auto" else _given(subject, params)
    format, texels = found.format, subject.texels(found.format)
    encode = encoder(format, params.quality, texels.srgb)
    with part(3, 4) if image.mips else contextlib.nullcontext():
        levels, *layers = (
            [data, *(_encoded(encode, each[1:]))]
            for data, each in zip(found.data, subject.levels(format), strict=True)
        )
    swizzle = "rrr1" if format.channels == "r" else ""
    same = texels.srgb == (image.transfer == "srgb")
    multiplied = image.blends and same and params.alpha != "drop"
    texture = Texture(
        texels, image.width, image.height, levels, swizzle, multiplied, layers, image.cube, image.array
    )
    container = _container(params, format)
    data = dds.packed(texture) if container == "dds" else ktx2.packed(texture, params.zstd)
    came = sum(level.nbytes for level in (image.pixels, *image.mips)) * (1 + len(layers))
    value = Compressed(
        format.name, found.reached, container, image.width, image.height, len(levels), texels.srgb,
        format.bits_per_pixel, len(data), came / len(data), found.psnr, found.tried, kind,
        left_out(image), 1 + len(layers),
        **cut_off(image, _holds(image, kind, format), hidden=params.alpha == "drop"),
    )  # fmt: skip
    return value, OutputFile("compressed", WRITERS[container].media_type, data)


def _encoded(encode: Encoder, images: Sequence[Pixels]) -> list[bytes]:
    made = []
    for done, pixels in enumerate(images):
        with part(done, len(images)):
            made.append(encode(pixels))
    return made


def _holds(image: Raster, kind: PixelKind, format: BlockFormat) -> Range:
    """What the blocks hold of floats: those that are written here have no sign."""
    return (0, LARGEST) if format.floats else integers(image, kind)


def _unsigned(image: Raster) -> Raster:
    pixels, *smaller = map(unsigned, (image.pixels, *image.mips))
    return image.with_pixels(pixels, mips=tuple(smaller), signed=False)


def _kind(image: Raster, params: Compress) -> PixelKind:
    """What the channels are: a normal map only where the format that is asked for holds one, unless said."""
    kind = kind_of(image, params.kind)
    if kind == "normal" and params.kind == "auto" and params.format != "auto":
        format = FORMATS[params.format]
        if format.channels == "r" or format.floats:
            return "data"
    return kind


def _container(params: Compress, format: BlockFormat) -> Literal["dds", "ktx2"]:
    if params.container != "auto":
        return params.container
    return "dds" if format.family == "bc" and not params.zstd else "ktx2"


def _given(subject: Subject, params: Compress) -> _Chosen:
    format = FORMATS[params.format]
    subject.check(format)
    encode = encoder(format, params.quality, subject.texels(format).srgb)
    data = _encoded(encode, [levels[0] for levels in subject.levels(format)])
    return _Chosen(format, data, measured(subject, format, data) if params.measure else None)


def _by_target(subject: Subject, params: Compress) -> _Chosen:
    target = TARGET_DB if params.target_db is None else params.target_db
    trials = tried(subject, candidates(subject, params.candidates), params.quality, target)
    best = chosen(trials, target)
    attempts = tuple(
        Attempt(each.format.name, each.format.bits_per_pixel, each.size, each.psnr) for each in trials
    )
    return _Chosen(best.format, best.data, best.psnr, best.psnr >= target, attempts)
