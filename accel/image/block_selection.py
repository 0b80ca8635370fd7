"""Texture compression: finds the smallest format that reaches a target PSNR and writes the container."""

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

from accel.image.block_encoders import (
    FORMATS,
    LARGEST,
    BlockFormat,
    Effort,
    Encoder,
    Family,
    encoder,
    is_opaque,
)
from accel.image.codecs import block_decoders, dds, ktx2
from accel.image.codecs.gpu_formats import TexelFormat, Texture, reorder_channels
from accel.image.color import to_linear
from accel.image.encode import WRITERS, Range, clipped_extremes, dropped_images, integer_range
from accel.image.normal_maps import is_signed, to_unsigned
from accel.image.operation import Operated
from accel.image.operations.textures import Attempt, Compress, Compressed
from accel.image.pixel_coding import at_depth, channel_kind, resolve_semantics
from accel.image.pixel_data import Pixels
from accel.image.raster import PixelKind, Raster, Transfer
from accel.progress import part
from accel.text import text
from accel.workload import Limits, OutputFile, WorkloadError

BEST = 100.0
"""PSNR in dB reported for identical images, and the upper bound for all others."""

_ROWS = 64
_STOPS = range(-10, 11)
_GAMMA = 1 / 2.2

Floats = NDArray[np.float32]


def color_error(before: Pixels, after: Pixels, alpha: bool, data: bool = False) -> float:
    """Returns the PSNR of 8-bit pixels (height x width x channels): 10 log10(255^2 / mean squared error).

    If `alpha`, the last channel of `before` is alpha: it counts as one more channel and weights the colours,
    unless they are `data`. Grey is compared with each colour; otherwise only common channels count.
    """
    count = min(after.shape[2], 3)
    squares = weights = 0.0
    for old, new in _strips(before, after):
        reference = old[..., :1] if old.shape[2] < 3 else old[..., :count]
        error = np.square(new[..., :count] - reference).sum(-1)
        if alpha:
            weight = np.ones_like(error) if data else old[..., -1] / 255
            squares += float((error * weight).sum() + np.square(new[..., 3] - old[..., -1]).sum())
            weights += float(weight.sum()) * count + weight.size
        else:
            squares += float(error.sum())
            weights += error.size * count
    return decibels(squares / weights / 255**2)


def vector_error(before: Pixels, after: Pixels) -> float:
    """Returns the PSNR of 8-bit normal maps: 10 log10(4 / mean squared error of x, y and z).

    Both are normalised as in shaders; if `after` has two channels, z is reconstructed. The peak is 2, as
    components range from -1 to 1.
    """
    squares = count = 0.0
    for old, new in _strips(before, after):
        squares += float(np.square(_unit(new[..., :3]) - _unit(old[..., :3])).sum())
        count += old[..., :3].size
    return decibels(squares / count / 4)


def light_error(before: Pixels, after: Pixels) -> float:
    """Returns the mPSNR of linear floats: the PSNR over 8-bit images with gamma 2.2 at exposures from -10 to
    10 stops (Munkberg et al. 2006, "High Dynamic Range Texture Compression for Graphics Hardware").
    """
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
    """Returns the PSNR of a mean squared error with peak 1, capped at `BEST`."""
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


_TRANSPARENT = text("bc3, bc7, etc2_rgba or an astc")


class CompressionInput:
    """A raster with its mip levels and layers, converted on demand to 8 bits or linear floats."""

    def __init__(self, image: Raster, *, kind: PixelKind, drop_alpha: bool) -> None:
        images = (image, *image.layers)
        self.alpha = image.has_alpha and not all(
            is_opaque(level) for each in images for level in (each.pixels, *each.mips)
        )
        """Whether any texel is transparent."""
        if drop_alpha and self.alpha:
            images = tuple(map(_without_alpha, images))
            self.alpha = False
        normal_map = kind == "normal"
        if normal_map and image.colors != 3:
            raise WorkloadError("unsupported", text("is grey, so it can't be a normal map"), image.name)
        self.images = [resolve_semantics(each, kind) for each in images]
        """The image and its layers."""
        self.image = self.images[0]
        self.normal_map = normal_map

    @property
    def transfer(self) -> Transfer:
        """Transfer function of the 8-bit levels."""
        return "linear" if self.normal_map else self._eight[0].transfer

    def texels(self, format: BlockFormat) -> TexelFormat:
        """Returns the format's linear or sRGB variant, to match `levels`."""
        if format.srgb is None or self.transfer == "linear":
            return format.linear
        return format.srgb

    @cached_property
    def _eight(self) -> list[Raster]:
        return [at_depth(image, np.uint8) for image in self.images]

    @cached_property
    def eight(self) -> list[list[Pixels]]:
        """The 8-bit levels of each image, largest first."""
        return [[image.pixels, *image.mips] for image in self._eight]

    @cached_property
    def light(self) -> list[list[Pixels]]:
        """The linear float levels of each image, with one or three channels."""
        return [[_light(level, image) for level in (image.pixels, *image.mips)] for image in self.images]

    def levels(self, format: BlockFormat) -> list[list[Pixels]]:
        """Returns the levels of each image as input for the format's encoder, largest first."""
        return self.light if format.floats else self.eight

    def check(self, format: BlockFormat) -> None:
        """Raises WorkloadError `unsupported` if the format would lose channels that matter."""
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
_SKIPPED = {True: ("bc3",), False: ("bc3", "etc2_rgba")}
"""Formats not worth trying, with and without transparency: BC3 is as large as BC7 and hardly ever better, and
ETC2's alpha doubles the size."""


class Trial(Struct, frozen=True):
    """The result of encoding the largest level of each image in one format."""

    format: BlockFormat
    data: Sequence[bytes]
    """The encoded largest level of each image."""
    size: int
    """Total bytes of all levels."""
    psnr: float
    """PSNR of the largest level in dB."""


def candidate_formats(subject: CompressionInput, families: Sequence[Family]) -> list[BlockFormat]:
    """Returns the formats to try, sorted by total size, then BC, ETC2, ASTC.

    Floats need BC6H. Otherwise one-channel formats suit grey images, two-channel ones normal maps,
    three-channel ones opaque images, and four-channel ones everything. Raises WorkloadError `unsupported` if
    no format is left.
    """
    floats = subject.image.pixels.dtype.kind == "f" and not subject.normal_map
    kinds = _channel_sets(subject)
    found = [
        each
        for each in FORMATS.values()
        if each.family in families
        and each.floats == floats
        and (floats or each.channels in kinds)
        and each.name not in _SKIPPED[subject.alpha]
    ]
    if floats and (subject.alpha or not found):
        reason = (
            text(
                "has float pixels, which only bc6h supports, and bc6h has no transparency; choose alpha: "
                "drop, or convert it to 8 bits first (image.convert, bits: 8)"
            )
            if found
            else text(
                "has float pixels, which only bc6h supports: add bc to candidates, or convert it to 8 bits "
                "first (image.convert, bits: 8)"
            )
        )
        raise WorkloadError("unsupported", reason, subject.image.name)
    return sorted(found, key=lambda each: (encoded_size(subject, each), _FAMILIES.index(each.family)))


def _channel_sets(subject: CompressionInput) -> tuple[str, ...]:
    if subject.alpha:
        return ("rgba",)
    if subject.normal_map:
        return ("rg", "rgb", "rgba")
    # One-channel formats have no sRGB variant.
    grey = subject.image.colors == 1 and subject.transfer == "linear"
    return ("r", "rgba") if grey else ("rgb", "rgba")


def encoded_size(subject: CompressionInput, format: BlockFormat) -> int:
    """Returns the total bytes of all levels and layers."""
    block = format.block
    each: int = sum(
        -(-level.shape[0] // block.height) * -(-level.shape[1] // block.width) * block.size
        for level in (subject.image.pixels, *subject.image.mips)
    )
    return each * len(subject.images)


def try_formats(
    subject: CompressionInput, formats: Sequence[BlockFormat], effort: Effort, target_db: float
) -> list[Trial]:
    """Encodes candidates until the smallest that reaches the target is known. Only the best trial keeps its
    data.

    BC and ETC2 have few formats, which are tried by size until one reaches the target. Of ASTC's many block
    sizes, those smaller than that result are searched by bisection, assuming that PSNR rises with the bits
    per texel. (Block sizes a few per cent apart can break that assumption by tenths of a dB.)
    """
    trials = _Trials(subject, effort, target_db, len(formats))
    for format in formats:
        if format.family != "astc" and trials.reaches(format):
            break
    most = min((each.size for each in trials.trials if each.psnr >= target_db), default=None)
    steps = _steps(subject, [each for each in formats if each.family == "astc"], most)
    low, high = 0, len(steps) - 1
    if steps and trials.reaches(steps[-1]):
        while low < high:
            middle = (low + high) // 2
            if trials.reaches(steps[middle]):
                high = middle
            else:
                low = middle + 1
    return trials.trials


def _steps(subject: CompressionInput, formats: Sequence[BlockFormat], below: int | None) -> list[BlockFormat]:
    """Returns the formats that encode to less than `below` bytes, smallest first.

    Where several give the same size, as for small images, the one with the most bits per texel is kept.
    """
    found: dict[int, BlockFormat] = {}
    for format in sorted(formats, key=lambda each: each.bits_per_pixel):
        found[encoded_size(subject, format)] = format
    return [format for bytes_, format in sorted(found.items()) if below is None or bytes_ < below]


class _Trials:
    """Tries formats one by one."""

    def __init__(self, subject: CompressionInput, effort: Effort, target_db: float, most: int) -> None:
        """`most` is the maximum number of trials, for progress."""
        self._subject, self._effort, self._target = subject, effort, target_db
        self._most = most
        self.trials: list[Trial] = []

    def reaches(self, format: BlockFormat) -> bool:
        """Tries a format and returns whether it reaches the target."""
        subject = self._subject
        encode = encoder(format, self._effort, subject.texels(format).srgb)
        with part(len(self.trials), self._most, format.name):
            data = [encode(levels[0]) for levels in subject.levels(format)]
        result = Trial(format, data, encoded_size(subject, format), measure_format(subject, format, data))
        self.trials.append(result)
        best = choose_trial(self.trials, self._target)
        self.trials = [
            each if each is best or not each.data else msgspec.structs.replace(each, data=())
            for each in self.trials
        ]
        return result.psnr >= self._target


def choose_trial(trials: Sequence[Trial], target_db: float) -> Trial:
    """Returns the smallest trial that reaches the target, or the one with the highest PSNR if none does. The
    first wins ties."""
    enough = [each for each in trials if each.psnr >= target_db]
    if enough:
        return min(enough, key=lambda each: each.size)
    return max(trials, key=lambda each: each.psnr)


def measure_format(subject: CompressionInput, format: BlockFormat, data: Sequence[bytes]) -> float:
    """Returns the lowest PSNR among the images' largest levels, measured on colours, normals or linear
    floats."""
    return min(
        _measure_image(subject, format, levels[0], each)
        for levels, each in zip(subject.levels(format), data, strict=True)
    )


def _measure_image(subject: CompressionInput, format: BlockFormat, before: Pixels, data: bytes) -> float:
    height, width = before.shape[:2]
    if format.floats:
        return light_error(before, block_decoders.decode_hdr(format.codec, data, width, height))
    after = block_decoders.decode_plain(format.codec, data, width, height)
    if subject.normal_map:
        return vector_error(before, after if format.channels != "rg" else after[..., :2])
    return color_error(before, after, subject.alpha, subject.image.data)


TARGET_DB = 40.0
"""The default target of `auto`; differences are hard to see at this PSNR."""


class _Selection(Struct, frozen=True):
    """The chosen format and the encoded largest level of each image."""

    format: BlockFormat
    data: Sequence[bytes]
    psnr: float | None = None
    reached: bool | None = None
    tried: tuple[Attempt, ...] = ()


def compress(images: Sequence[Raster], params: Compress, limits: Limits) -> Operated:
    image = images[0] if params.mipmaps else images[0].without_levels()
    kind = _kind(image, params)
    if kind == "data" and params.kind == "auto" and channel_kind(image) == "normal" and is_signed(image):
        # The format has a single channel or unsigned floats.
        image = msgspec.structs.replace(_to_unsigned(image), layers=tuple(map(_to_unsigned, image.layers)))
    subject = CompressionInput(image, kind=kind, drop_alpha=params.alpha == "drop")
    # The smaller levels together have a third as many pixels as the largest.
    with part(0, 4 / 3 if image.mips else 1):
        found = (
            _smallest_format(subject, params) if params.format == "auto" else _fixed_format(subject, params)
        )
    format, texels = found.format, subject.texels(found.format)
    encode = encoder(format, params.quality, texels.srgb)
    with part(3, 4) if image.mips else contextlib.nullcontext():
        levels, *layers = (
            [data, *(_encode_levels(encode, each[1:]))]
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
    uncompressed = sum(level.nbytes for level in (image.pixels, *image.mips)) * (1 + len(layers))
    value = Compressed(
        format.name, found.reached, container, image.width, image.height, len(levels), texels.srgb,
        format.bits_per_pixel, len(data), uncompressed / len(data), found.psnr, found.tried, kind,
        dropped_images(image), 1 + len(layers),
        **clipped_extremes(image, _block_range(image, kind, format), hidden=params.alpha == "drop"),
    )  # fmt: skip
    return Operated(value=value, files=[OutputFile("compressed", WRITERS[container].media_type, data)])


def _encode_levels(encode: Encoder, levels: Sequence[Pixels]) -> list[bytes]:
    encoded = []
    for index, pixels in enumerate(levels):
        with part(index, len(levels)):
            encoded.append(encode(pixels))
    return encoded


def _block_range(image: Raster, kind: PixelKind, format: BlockFormat) -> Range:
    """Returns the range of floats that the blocks can store; BC6H is written unsigned."""
    return (0, LARGEST) if format.floats else integer_range(image, kind)


def _to_unsigned(image: Raster) -> Raster:
    pixels, *smaller = map(to_unsigned, (image.pixels, *image.mips))
    return image.with_pixels(pixels, mips=tuple(smaller), signed=False)


def _kind(image: Raster, params: Compress) -> PixelKind:
    """Returns the kind of the channels. `auto` yields `normal` only if the requested format can store it."""
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


def _fixed_format(subject: CompressionInput, params: Compress) -> _Selection:
    format = FORMATS[params.format]
    subject.check(format)
    encode = encoder(format, params.quality, subject.texels(format).srgb)
    data = _encode_levels(encode, [levels[0] for levels in subject.levels(format)])
    return _Selection(format, data, measure_format(subject, format, data) if params.measure else None)


def _smallest_format(subject: CompressionInput, params: Compress) -> _Selection:
    target = TARGET_DB if params.target_db is None else params.target_db
    trials = try_formats(subject, candidate_formats(subject, params.candidates), params.quality, target)
    best = choose_trial(trials, target)
    attempts = tuple(
        Attempt(each.format.name, each.format.bits_per_pixel, each.size, each.psnr) for each in trials
    )
    return _Selection(best.format, best.data, best.psnr, best.psnr >= target, attempts)
