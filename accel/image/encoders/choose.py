"""Which format is the smallest that is good enough, found with few trials."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from accel.image.decoded import Pixels
from accel.image.encoders import psnr
from accel.image.encoders.bc import Effort
from accel.image.encoders.encode import encoder
from accel.image.encoders.formats import FORMATS, BlockFormat, Family
from accel.image.encoders.subject import Subject
from accel.image.readers import blocks
from accel.progress import part
from accel.text import text
from accel.workload import WorkloadError

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


def candidates(subject: Subject, families: Sequence[Family]) -> list[BlockFormat]:
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
    return sorted(found, key=lambda each: (size(subject, each), _FAMILIES.index(each.family)))


def _kinds(subject: Subject) -> tuple[str, ...]:
    if subject.alpha:
        return ("rgba",)
    if subject.normal_map:
        return ("rg", "rgb", "rgba")
    # Of one channel there is no sRGB.
    grey = subject.image.colors == 1 and subject.transfer == "linear"
    return ("r", "rgba") if grey else ("rgb", "rgba")


def size(subject: Subject, format: BlockFormat) -> int:
    """Bytes of all levels and layers."""
    block = format.block
    each: int = sum(
        -(-level.shape[0] // block.height) * -(-level.shape[1] // block.width) * block.size
        for level in (subject.image.pixels, *subject.image.mips)
    )
    return each * len(subject.images)


def tried(subject: Subject, formats: Sequence[BlockFormat], effort: Effort, target_db: float) -> list[Trial]:
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


def _steps(subject: Subject, formats: Sequence[BlockFormat], below: int | None) -> list[BlockFormat]:
    """By size, smaller than `below`; of equal ones, as small images have, that with most bits for a texel."""
    found: dict[int, BlockFormat] = {}
    for format in sorted(formats, key=lambda each: each.bits_per_pixel):
        found[size(subject, format)] = format
    return [format for bytes_, format in sorted(found.items()) if below is None or bytes_ < below]


class _Trials:
    """Formats that are tried one after the other."""

    def __init__(self, subject: Subject, effort: Effort, target_db: float, most: int) -> None:
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
        made = Trial(format, data, size(subject, format), measured(subject, format, data))
        self.made.append(made)
        best = chosen(self.made, self._target)
        self.made = [
            each if each is best or not each.data else msgspec.structs.replace(each, data=())
            for each in self.made
        ]
        return made.psnr >= self._target


def chosen(trials: Sequence[Trial], target_db: float) -> Trial:
    """The smallest that reaches the target, or the best where none does; of equal ones the first."""
    enough = [each for each in trials if each.psnr >= target_db]
    if enough:
        return min(enough, key=lambda each: each.size)
    return max(trials, key=lambda each: each.psnr)


def measured(subject: Subject, format: BlockFormat, data: Sequence[bytes]) -> float:
    """The PSNR of the largest level, that of the worst image: of colours, of a normal map's vectors, or of
    light."""
    return min(
        _measured(subject, format, levels[0], each)
        for levels, each in zip(subject.levels(format), data, strict=True)
    )


def _measured(subject: Subject, format: BlockFormat, before: Pixels, data: bytes) -> float:
    height, width = before.shape[:2]
    if format.floats:
        return psnr.light(before, blocks.light(format.codec, data, width, height))
    after = blocks.plain(format.codec, data, width, height)
    if subject.normal_map:
        return psnr.vectors(before, after if format.channels != "rg" else after[..., :2])
    return psnr.colors(before, after, subject.alpha, subject.image.data)
