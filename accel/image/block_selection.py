"""Smallest format that is good enough (PSNR); compressed texture in its container."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.block_encoders import FORMATS, LARGEST, BlockFormat, Effort, Encoder, Family, encoder, opaque
from accel.image.codecs import block_decoders, dds, ktx2
from accel.image.codecs.gpu_formats import TexelFormat, Texture, reorder_channels
from accel.image.color import to_linear
from accel.image.encode import WRITERS, Range, clip_to_integers, clipping_of, left_out_levels
from accel.image.normal_maps import is_signed, unsigned
from accel.image.operation import Operated
from accel.image.operations.textures import Attempt, Compress, Compressed
from accel.image.pixel_coding import at_depth, channel_kind, resolve_semantics
from accel.image.pixel_data import Pixels
from accel.image.raster import PixelKind, Raster, Transfer
from accel.progress import part
from accel.text import text
from accel.workload import Limits, OutputFile, WorkloadError

BEST = 100.0
"""What no difference at all counts as; no image has a larger finite one that matters."""

_ROWS = 64
_STOPS = range(-10, 11)
_GAMMA = 1 / 2.2

Floats = NDArray[np.float32]


def color_error(before: Pixels, after: Pixels, alpha: bool, data: bool = False) -> float:
    """Of 8 bit pixels, height x width x channels; `alpha` tells whether the last of `before` is one.

    Colours weigh as much as they are opaque, so that none counts where alpha is 0, unless they are data;
    alpha itself is one channel more. 10 log10(255^2 / mean squared error). Only what both have is compared:
    grey with each colour that was made of it, the first channels where `after` has no more.
    """
    count = min(after.shape[2], 3)
    squares = weights = 0.0
    for old, new in _strips(before, after):
        kept = old[..., :1] if old.shape[2] < 3 else old[..., :count]
        error = np.square(new[..., :count] - kept).sum(-1)
        if alpha:
            weight = np.ones_like(error) if data else old[..., -1] / 255
            squares += float((error * weight).sum() + np.square(new[..., 3] - old[..., -1]).sum())
            weights += float(weight.sum()) * count + weight.size
        else:
            squares += float(error.sum())
            weights += error.size * count
    return decibels(squares / weights / 255**2)


def vector_error(before: Pixels, after: Pixels) -> float:
    """Of normal maps, 8 bits a channel: of unit vectors, whose components are -1 to 1, a peak of 2.

    10 log10(4 / mean squared error of x, y and z). Of two channels in `after` z is rebuilt; both sides are
    normalized, as shaders do it.
    """
    squares = count = 0.0
    for old, new in _strips(before, after):
        squares += float(np.square(_unit(new[..., :3]) - _unit(old[..., :3])).sum())
        count += old[..., :3].size
    return decibels(squares / count / 4)


def light_error(before: Pixels, after: Pixels) -> float:
    """Of light in floats: mPSNR (Munkberg et al., "High Dynamic Range Texture Compression for Graphics
    Hardware", 2006), the PSNR over 8 bit pictures of gamma 2.2 at exposures of -10 to 10 stops."""
    squares = 0.0
    for old, new in _strips(before, after):
        old, new = (np.power(np.maximum(each, 0), _GAMMA) * 255 for each in (old, new))
        for stop in _STOPS:
            gain = np.float32(2 ** (stop * _GAMMA))
            one, other = (np.minimum(np.rint(each * gain), 255) for each in (old, new))
            squares += float(np.square(other - one).sum())
    colors = max(before.shape[2], after.shape[2])
    return decibels(squares / (before.shape[0] * before.shape[1] * colors * len(_STOPS)) / 255**2)


def decibels(error: float) -> float:
    """Of a mean squared error by a peak of 1; at most `BEST`."""
    return BEST if error <= 0 else min(BEST, -10 * math.log10(error))


def _strips(before: Pixels, after: Pixels) -> Iterator[tuple[Floats, Floats]]:
    for top in range(0, len(before), _ROWS):
        yield before[top : top + _ROWS].astype(np.float32), after[top : top + _ROWS].astype(np.float32)


def _unit(texels: Floats) -> Floats:
    vectors = texels / np.float32(127.5) - 1
    if vectors.shape[2] == 2:
        z = np.sqrt(np.maximum(1 - np.square(vectors).sum(-1, keepdims=True), 0))
        vectors = np.concatenate([vectors, z], -1)
    length = np.sqrt(np.square(vectors).sum(-1, keepdims=True))
    unit: Floats = vectors / np.maximum(length, np.float32(1e-6))
    return unit


_TRANSPARENT = "bc3, bc7, etc2_rgba or an astc"


class CompressionInput:
    """A raster with its levels and layers, as 8 bits and as light, each made when it is asked for."""

    def __init__(self, image: Raster, *, kind: PixelKind, drop_alpha: bool) -> None:
        images = (image, *image.layers)
        self.alpha = image.has_alpha and not all(
            opaque(level) for each in images for level in (each.pixels, *each.mips)
        )
        """Whether anything of it is transparent."""
        if drop_alpha and self.alpha:
            images = tuple(map(_without_alpha, images))
            self.alpha = False
        normal_map = kind == "normal"
        if normal_map and image.colors != 3:
            raise WorkloadError("unsupported", text("is grey, which no normal map is"), image.name)
        self.images = [resolve_semantics(each, kind) for each in images]
        """The first, then its layers."""
        self.image = self.images[0]
        self.normal_map = normal_map

    @property
    def transfer(self) -> Transfer:
        """Of the 8 bit levels."""
        return "linear" if self.normal_map else self._eight[0].transfer

    def texels(self, format: BlockFormat) -> TexelFormat:
        """The format's variant for what `levels` gives."""
        if format.srgb is None or self.transfer == "linear":
            return format.linear
        return format.srgb

    @cached_property
    def _eight(self) -> list[Raster]:
        return [at_depth(image, np.uint8) for image in self.images]

    @cached_property
    def eight(self) -> list[list[Pixels]]:
        """Of each image all levels as 8 bits, largest first."""
        return [[image.pixels, *image.mips] for image in self._eight]

    @cached_property
    def light(self) -> list[list[Pixels]]:
        """Of each image all levels as light, floats of one or three channels."""
        return [[_light(level, image) for level in (image.pixels, *image.mips)] for image in self.images]

    def levels(self, format: BlockFormat) -> list[list[Pixels]]:
        """What the format's encoder takes: of each image the levels, largest first."""
        return self.light if format.floats else self.eight

    def check(self, format: BlockFormat) -> None:
        """Raises WorkloadError `unsupported` for a format that would lose what the image is about."""
        name = self.image.name
        if self.alpha and format.channels != "rgba":
            reason = text(
                "has transparency, which {format} can't hold: choose {transparent}, or alpha: drop",
                format=format.name,
                transparent=_TRANSPARENT,
            )
            raise WorkloadError("unsupported", reason, name)
        if format.channels == "rg" and self.image.colors == 1:
            single = "bc4" if format.family == "bc" else "eac_r11"
            raise WorkloadError(
                "unsupported",
                text("has one channel, {format} two: choose {single}", format=format.name, single=single),
                name,
            )
        if self.normal_map and (format.channels == "r" or format.floats):
            raise WorkloadError(
                "unsupported", text("is a normal map, which {format} can't hold", format=format.name), name
            )


def _without_alpha(image: Raster) -> Raster:
    levels = [reorder_channels(level, range(image.colors)) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), has_alpha=False)


def _light(pixels: Pixels, image: Raster) -> Pixels:
    return np.ascontiguousarray(to_linear(pixels[..., : image.colors], image.colors, image.transfer))


_FAMILIES: tuple[Family, ...] = ("bc", "etc2", "astc")
_UNTRIED = {True: ("bc3",), False: ("bc3", "etc2_rgba")}
"""With and without transparency: BC3 is as large as BC7 and hardly ever better; the alpha of ETC2 doubles the
size."""


class Trial(Struct, frozen=True):
    """A format, the largest level of each image in it, and how near they are to the pixels."""

    format: BlockFormat
    data: Sequence[bytes]
    """Of each image."""
    size: int
    """Bytes of all levels."""
    psnr: float
    """dB, of the largest level."""


def candidates(subject: CompressionInput, families: Sequence[Family]) -> list[BlockFormat]:
    """The formats to try, in this order: by the bytes of all levels, then BC before ETC2 before ASTC.

    Floats fit BC6H alone. Of the others, those of one channel serve grey, those of two normal maps, those of
    three what has no transparency, those of four anything. Raises WorkloadError `unsupported` where none is
    left.
    """
    floats = subject.image.pixels.dtype.kind == "f" and not subject.normal_map
    kinds = _kinds(subject)
    found = [
        each
        for each in FORMATS.values()
        if each.family in families
        and each.floats == floats
        and (floats or each.channels in kinds)
        and each.name not in _UNTRIED[subject.alpha]
    ]
    if floats and (subject.alpha or not found):
        reason = (
            text(
                "has floats, for which there is bc6h alone: that has no transparency; choose alpha: drop, or "
                "make it 8 bit first (image.convert, bits: 8)"
            )
            if found
            else text(
                "has floats, for which there is bc6h alone: add bc to candidates, or make it 8 bit first "
                "(image.convert, bits: 8)"
            )
        )
        raise WorkloadError("unsupported", reason, subject.image.name)
    return sorted(found, key=lambda each: (encoded_size(subject, each), _FAMILIES.index(each.family)))


def _kinds(subject: CompressionInput) -> tuple[str, ...]:
    if subject.alpha:
        return ("rgba",)
    if subject.normal_map:
        return ("rg", "rgb", "rgba")
    # Of one channel there is no sRGB.
    grey = subject.image.colors == 1 and subject.transfer == "linear"
    return ("r", "rgba") if grey else ("rgb", "rgba")


def encoded_size(subject: CompressionInput, format: BlockFormat) -> int:
    """Bytes of all levels and layers."""
    block = format.block
    each: int = sum(
        -(-level.shape[0] // block.height) * -(-level.shape[1] // block.width) * block.size
        for level in (subject.image.pixels, *subject.image.mips)
    )
    return each * len(subject.images)


def try_format(
    subject: CompressionInput, formats: Sequence[BlockFormat], effort: Effort, target_db: float
) -> list[Trial]:
    """Trials in the order in which they were made; only that of the format to take keeps its data.

    BC and ETC2, of which there are few, are tried by size until one reaches the target. Of ASTC's many block
    sizes those that would be smaller are left: the largest of them tells whether the target can be reached,
    and bisection finds where, as PSNR rises with the bits for a texel. (Neighbours, of which one has a few
    per cent more, may differ from that by some tenths of a dB.)
    """
    trials = _Trials(subject, effort, target_db, len(formats))
    for format in formats:
        if format.family != "astc" and trials.reaches(format):
            break
    most = min((each.size for each in trials.made if each.psnr >= target_db), default=None)
    steps = _steps(subject, [each for each in formats if each.family == "astc"], most)
    low, high = 0, len(steps) - 1
    if steps and trials.reaches(steps[-1]):
        while low < high:
            middle = (low + high) // 2
            if trials.reaches(steps[middle]):
                high = middle
            else:
                low = middle + 1
    return trials.made


def _steps(subject: CompressionInput, formats: Sequence[BlockFormat], below: int | None) -> list[BlockFormat]:
    """By size, smaller than `below`; of equal ones, as small images have, that with most bits for a texel."""
    found: dict[int, BlockFormat] = {}
    for format in sorted(formats, key=lambda each: each.bits_per_pixel):
        found[encoded_size(subject, format)] = format
    return [format for bytes_, format in sorted(found.items()) if below is None or bytes_ < below]


class _Trials:
    """Formats that are tried one after the other."""

    def __init__(self, subject: CompressionInput, effort: Effort, target_db: float, most: int) -> None:
        """`most`: as many are tried at most."""
        self._subject, self._effort, self._target = subject, effort, target_db
        self._most = most
        self.made: list[Trial] = []

    def reaches(self, format: BlockFormat) -> bool:
        """Tries a format; tells whether it reaches the target."""
        subject = self._subject
        encode = encoder(format, self._effort, subject.texels(format).srgb)
        with part(len(self.made), self._most, format.name):
            data = [encode(levels[0]) for levels in subject.levels(format)]
        made = Trial(format, data, encoded_size(subject, format), measure_format(subject, format, data))
        self.made.append(made)
        best = choose_format(self.made, self._target)
        self.made = [
            each if each is best or not each.data else msgspec.structs.replace(each, data=())
            for each in self.made
        ]
        return made.psnr >= self._target


def choose_format(trials: Sequence[Trial], target_db: float) -> Trial:
    """The smallest that reaches the target, or the best where none does; of equal ones the first."""
    enough = [each for each in trials if each.psnr >= target_db]
    if enough:
        return min(enough, key=lambda each: each.size)
    return max(trials, key=lambda each: each.psnr)


def measure_format(subject: CompressionInput, format: BlockFormat, data: Sequence[bytes]) -> float:
    """The PSNR of the largest level, that of the worst image: of colours, of a normal map's vectors, or of
    light."""
    return min(
        _measured(subject, format, levels[0], each)
        for levels, each in zip(subject.levels(format), data, strict=True)
    )


def _measured(subject: CompressionInput, format: BlockFormat, before: Pixels, data: bytes) -> float:
    height, width = before.shape[:2]
    if format.floats:
        return light_error(before, block_decoders.decode_hdr(format.codec, data, width, height))
    after = block_decoders.decode_plain(format.codec, data, width, height)
    if subject.normal_map:
        return vector_error(before, after if format.channels != "rg" else after[..., :2])
    return color_error(before, after, subject.alpha, subject.image.data)


TARGET_DB = 40.0
"""What `auto` aims at where nothing is said: differences that are hard to see."""


class _Chosen(Struct, frozen=True):
    """A format with the largest level of each image."""

    format: BlockFormat
    data: Sequence[bytes]
    psnr: float | None = None
    reached: bool | None = None
    tried: tuple[Attempt, ...] = ()


def compress(images: Sequence[Raster], params: Compress, limits: Limits) -> Operated:
    (image,) = images
    value, file = compress_texture(image if params.mipmaps else image.without_levels(), params)
    return Operated(value=value, files=[file])


def compress_texture(image: Raster, params: Compress) -> tuple[Compressed, OutputFile]:
    """The file and its facts. Raises WorkloadError `unsupported`."""
    kind = _kind(image, params)
    if kind == "data" and params.kind == "auto" and channel_kind(image) == "normal" and is_signed(image):
        # Of one channel, or of floats, which hold nothing below 0 either.
        image = msgspec.structs.replace(_unsigned(image), layers=tuple(map(_unsigned, image.layers)))
    subject = CompressionInput(image, kind=kind, drop_alpha=params.alpha == "drop")
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
    data = (
        dds.write_compressed(texture) if container == "dds" else ktx2.write_compressed(texture, params.zstd)
    )
    came = sum(level.nbytes for level in (image.pixels, *image.mips)) * (1 + len(layers))
    value = Compressed(
        format.name, found.reached, container, image.width, image.height, len(levels), texels.srgb,
        format.bits_per_pixel, len(data), came / len(data), found.psnr, found.tried, kind,
        left_out_levels(image), 1 + len(layers),
        **clipping_of(image, _holds(image, kind, format), hidden=params.alpha == "drop"),
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
    return (0, LARGEST) if format.floats else clip_to_integers(image, kind)


def _unsigned(image: Raster) -> Raster:
    pixels, *smaller = map(unsigned, (image.pixels, *image.mips))
    return image.with_pixels(pixels, mips=tuple(smaller), signed=False)


def _kind(image: Raster, params: Compress) -> PixelKind:
    """What the channels are: a normal map only where the format that is asked for holds one, unless said."""
    kind = channel_kind(image, params.kind)
    if kind == "normal" and params.kind == "auto" and params.format != "auto":
        format = FORMATS[params.format]
        if format.channels == "r" or format.floats:
            return "data"
    return kind


def _container(params: Compress, format: BlockFormat) -> Literal["dds", "ktx2"]:
    if params.container != "auto":
        return params.container
    return "dds" if format.family == "bc" and not params.zstd else "ktx2"


def _given(subject: CompressionInput, params: Compress) -> _Chosen:
    format = FORMATS[params.format]
    subject.check(format)
    encode = encoder(format, params.quality, subject.texels(format).srgb)
    data = _encoded(encode, [levels[0] for levels in subject.levels(format)])
    return _Chosen(format, data, measure_format(subject, format, data) if params.measure else None)


def _by_target(subject: CompressionInput, params: Compress) -> _Chosen:
    target = TARGET_DB if params.target_db is None else params.target_db
    trials = try_format(subject, candidates(subject, params.candidates), params.quality, target)
    best = choose_format(trials, target)
    attempts = tuple(
        Attempt(each.format.name, each.format.bits_per_pixel, each.size, each.psnr) for each in trials
    )
    return _Chosen(best.format, best.data, best.psnr, best.psnr >= target, attempts)
