"""Where the green of a normal map points: slopes of a surface have no curl if they are read aright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from accel.image.decoded import Pixels
from accel.image.sampling import Floats, grid
from accel.image.slopes import bands, halved, slopes, sums

LEAST = 0.15
"""The size of `Curl.sign` from which it counts in full; unrelated slopes give less than 0.05."""

DENIES = 0.5
"""How sure the slopes of one scale must be to silence those of the other."""

ASTRAY = 0.75
"""The size of `Curl.sign` below which twists that outweigh stretches show that a picture was turned: its sign
has the size of stretches over twists. Above, it was edges that were left out."""

WAVE = 4
"""Texels of the sample, a side, that are averaged for coarse waves: grain and noise are gone then."""
WAVE_SIGN, WAVE_SURE = 0.25, 0.8
"""How plain waves must be to silence the grain on them: islands of an atlas make waves where they meet."""


class Curl(NamedTuple):
    """What slopes say of the convention."""

    sign: float
    """-1 (green down) to 1 (green up): how much less one reading leaves than the other, of what both do."""
    sure: float
    """How sure that is, 0..1; 0 where scales contradict each other, or `turned`."""
    turned: bool = False
    """Whether no surface has such slopes: those of a picture that was turned without its vectors."""


def curl(pixels: Pixels, planes: Floats) -> Curl:
    """What the texels say of the convention; `planes` is the sample of `pixels`.

    The slopes of a surface, p = dh/dx = -nx/nz and q = dh/dy = +-ny/nz (y runs down in an image, so + is
    for green up), have no curl: dp/dy = dq/dx. With a = dp/dy and b = d(ny/nz)/dx the squared residuals
    are (a - b)^2 for green up and (a + b)^2 for green down; their difference over their sum is
    2 ab / (a^2 + b^2), summed over the texels. Rounding and noise draw it to 0 without changing its sign,
    so certainty comes from how well separate parts of the image agree, and from a least size.

    Slopes are looked at from texel to texel and as means of 2 x 2, of which JPEG and blocks leave more; the
    surer ones count. Coarse waves only silence what contradicts them.
    """
    fine, halves = _measured(list(bands(pixels)))
    found, other = judged(fine), judged(halves)
    # The mean of (dp/dx) (dq/dy) of a surface is that of (dp/dy)^2: twists never outweigh stretches.
    if fine[:, 2].sum() < fine[:, 1].sum() and abs(found.sign) < ASTRAY:
        return Curl(found.sign, 0.0, turned=True)
    if other.sure > found.sure:
        found, other = other, found
    denied = other.sign * found.sign < 0 and other.sure >= DENIES
    if denied or (found.sure and _contradicts(found.sign, planes, grid(pixels))):
        return Curl(found.sign, 0.0)
    return found


def judged(measured: Floats) -> Curl:
    """Of what `sums` gives of each band."""
    energy = float(measured[:, 1].sum())
    sign = 2 * float(measured[:, 0].sum()) / energy if energy > 0 else 0.0
    if sign == 0:
        return Curl(0.0, 0.0)
    strays = 2 * measured[:, 0] - sign * measured[:, 1]
    # The standard error of a ratio; a single band can't disagree with itself.
    count = len(measured)
    error = float(np.sqrt((strays**2).sum() * count / (count - 1)) / energy) if count > 1 else 0.25
    return Curl(sign, abs(sign) / (abs(sign) + error) * min(1.0, abs(sign) / LEAST))


def _measured(parts: Sequence[Pixels]) -> tuple[Floats, Floats]:
    """What `sums` gives of each band, and of its means of 2 x 2."""
    fine: list[Floats] = [np.zeros((0, 3))]
    halves: list[Floats] = [np.zeros((0, 3))]
    for p, q in slopes(parts):
        fine.append(sums(p, q))
        halves.append(sums(halved(p), halved(q)))
    return np.concatenate(fine), np.concatenate(halves)


def _contradicts(sign: float, planes: Floats, size: tuple[int, int]) -> bool:
    """Whether coarse waves plainly say the opposite; `planes` is a sample of `size`."""
    parts = list(bands(_waves(planes, size)))
    waves = judged(np.concatenate([np.zeros((0, 3)), *(sums(p, q) for p, q in slopes(parts))]))
    return waves.sign * sign < 0 and abs(waves.sign) >= WAVE_SIGN and waves.sure >= WAVE_SURE


def _waves(planes: Floats, size: tuple[int, int]) -> Floats:
    """The sample as a picture, averaged over squares: at most 64 x 64 texels."""
    rows, columns = (side // WAVE * WAVE for side in size)
    texels = planes[:3].reshape(3, *size)[:, :rows, :columns]
    squares = _quarter(_quarter(texels.swapaxes(1, 2)).swapaxes(1, 2))
    return np.moveaxis(squares, 0, 2)


def _quarter(values: Floats) -> Floats:
    """Means of WAVE values along the last axis: slice by slice, as numpy is slow at sums of so few."""
    made: Floats = values[..., ::WAVE] + values[..., 1::WAVE]
    for start in range(2, WAVE):
        made += values[..., start::WAVE]
    made *= np.float32(1 / WAVE)
    return made
