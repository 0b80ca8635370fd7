"""Where the green of a normal map points: slopes of a surface have no curl if they are read aright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from accel.image.decoded import Pixels
from accel.image.sampling import Floats, grid, steps
from accel.image.slopes import across, bands, halved, slopes, sums
from accel.image.waves import WAVE, variance, wave_sums, waves

LEAST = 0.15
"""The size of `Curl.sign` from which it counts in full; unrelated slopes of large pictures give less."""

DENIES = 0.5
"""How sure the slopes of one scale must be to silence those of the other."""

ASTRAY = 0.75
"""The size of `Curl.sign` below which twists that outweigh stretches show that a picture was turned: its sign
has the size of stretches over twists. Above, it was edges that were left out."""

HALVED = 10
"""Texels that a band must have a side for means of 2 x 2: fewer leave a handful of values."""

ALONE, OUTWEIGHED = 0.35, 0.25
"""The least error of a part that is the only one, and of one beside which others hold next to nothing; where
n parts hold alike much it is an n-th."""

FEW = dict(zip(range(2, 12), (27, 4.3, 2.5, 2.0, 1.73, 1.59, 1.5, 1.44, 1.39, 1.36), strict=True))
"""By how much the error of so few parts is larger than it looks: Student's t over the normal distribution's,
where 1 in 100 is beyond by chance. Of more parts the picture is so large that `LEAST` keeps out chance."""

TWISTED = 0.95
"""Share of the twists below which stretches lie in what was turned; noise has as much of both."""

WAVE_SIGN, WAVE_SURE = 0.25, 0.8
"""How plain waves must be to silence the grain on them: islands of an atlas make waves where they meet."""
WAVE_SHARE = 0.25
"""Share of the slopes' variance that waves must hold for it: what is left of grain holds up to 0.2."""


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
    if fine[:, 2].sum() < TWISTED * fine[:, 1].sum() and abs(found.sign) < ASTRAY:
        return Curl(found.sign, 0.0, turned=True)
    if other.sure > found.sure:
        found, other = other, found
    denied = other.sign * found.sign < 0 and other.sure >= DENIES
    if denied or (found.sure and _contradicts(found.sign, planes, pixels)):
        return Curl(found.sign, 0.0)
    return found


def judged(measured: Floats) -> Curl:
    """Of what `sums` gives of each part."""
    energy = float(measured[:, 1].sum())
    sign = 2 * float(measured[:, 0].sum()) / energy if energy > 0 else 0.0
    if sign == 0:
        return Curl(0.0, 0.0)
    return Curl(sign, abs(sign) / (abs(sign) + _error(measured, sign, energy)) * min(1.0, abs(sign) / LEAST))


def _error(measured: Floats, sign: float, energy: float) -> float:
    """How far `sign` may be off: the standard error of a ratio, or what parts that outweigh others leave."""
    count = len(measured)
    if count == 1:
        return ALONE
    strays = 2 * measured[:, 0] - sign * measured[:, 1]
    error = float(np.sqrt((strays**2).sum() * count / (count - 1))) / energy * FEW.get(count, 1.0)
    # Strays cancel, so that a part that holds nearly all there is can't disagree either.
    return max(error, OUTWEIGHED * float((measured[:, 1] ** 2).sum()) / energy**2)


def _measured(parts: Sequence[Pixels]) -> tuple[Floats, Floats]:
    """What `sums` gives of each part of the bands, and of their means of 2 x 2."""
    fine: list[Floats] = [np.zeros((0, 3))]
    halves: list[Floats] = [np.zeros((0, 3))]
    columns = across(parts)
    for p, q in slopes(parts):
        fine.append(sums(p, q, columns))
        if min(p.shape[1:]) >= HALVED:
            halves.append(sums(halved(p), halved(q), columns))
    return np.concatenate(fine), np.concatenate(halves)


def _contradicts(sign: float, planes: Floats, pixels: Pixels) -> bool:
    """Whether coarse waves plainly say the opposite; `planes` is the sample of `pixels`."""
    picture = np.moveaxis(planes[:3].reshape(3, *grid(pixels)), 0, 2)
    apart = steps(pixels)
    coarse = waves(picture, apart)
    said = judged(wave_sums(coarse, apart))
    plain = said.sign * sign < 0 and abs(said.sign) >= WAVE_SIGN and said.sure >= WAVE_SURE
    # The sample skips texels, so that grain looks like waves of either sign: of such little is left.
    return plain and variance(coarse) >= WAVE_SHARE * variance(picture[::WAVE, ::WAVE])
