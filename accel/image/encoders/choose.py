"""Which format is the smallest that is good enough: every candidate in the order of size, until one is."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from accel.image.encoders import psnr
from accel.image.encoders.bc import Effort
from accel.image.encoders.encode import encoder
from accel.image.encoders.formats import FORMATS, BlockFormat, Family
from accel.image.encoders.subject import Subject
from accel.image.readers import blocks
from accel.workload import WorkloadError

_FAMILIES: tuple[Family, ...] = ("bc", "etc2", "astc")
_UNTRIED = {True: ("bc3",), False: ("bc3", "etc2_rgba")}
"""With and without transparency: BC3 is as large as BC7 and hardly ever better; the alpha of ETC2 doubles the
size."""


class Trial(Struct, frozen=True):
    """A format, its largest level, and how near it is to the pixels."""

    format: BlockFormat
    data: bytes
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
        reason = "has floats, for which there is bc6h alone: "
        reason += "that has no transparency; choose alpha: drop, or" if found else "add bc to candidates, or"
        raise WorkloadError(
            "unsupported", reason + " make it 8 bit first (image.convert, bits: 8)", subject.image.name
        )
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
    """Bytes of all levels."""
    block = format.block
    return sum(
        -(-level.shape[0] // block.height) * -(-level.shape[1] // block.width) * block.size
        for level in (subject.image.pixels, *subject.image.mips)
    )


def tried(subject: Subject, formats: Sequence[BlockFormat], effort: Effort, target_db: float) -> list[Trial]:
    """A trial of each format until one reaches the target; only the best of them keeps its data."""
    trials: list[Trial] = []
    for format in formats:
        level = subject.levels(format)[0]
        data = encoder(format, effort, subject.texels(format).srgb)(level)
        trials.append(Trial(format, data, size(subject, format), measured(subject, format, data)))
        if trials[-1].psnr >= target_db:
            break
        best = chosen(trials)
        trials = [each if each is best else msgspec.structs.replace(each, data=b"") for each in trials]
    return trials


def chosen(trials: Sequence[Trial]) -> Trial:
    """The best; of equal ones the smallest."""
    return max(trials, key=lambda each: each.psnr)


def measured(subject: Subject, format: BlockFormat, data: bytes) -> float:
    """The PSNR of a largest level: of colours, of a normal map's vectors, or of light."""
    before = subject.levels(format)[0]
    height, width = before.shape[:2]
    if format.floats:
        return psnr.light(before, blocks.light(format.codec, data, width, height))
    after = blocks.plain(format.codec, data, width, height)
    if subject.normal_map:
        return psnr.vectors(before, after if format.channels != "rg" else after[..., :2])
    return psnr.colors(before, after, subject.alpha, subject.image.data)
