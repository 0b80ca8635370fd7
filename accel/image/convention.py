"""Where the green of a normal map points, with the evidence in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from accel.image.curl import LEAST, Curl
from accel.image.first import first_of
from accel.image.inspection import Normals
from accel.image.normal_convention import NormalConvention
from accel.image.normals import NORMAL_SHARE, examined
from accel.image.raster import Raster
from accel.image.sampling import sample
from accel.image.tangent import check_normals, is_signed

FLAT = 0.98
"""Share of undisturbed texels from which a surface is called flat."""

_NAMES = {"opengl": "OpenGL (green up)", "directx": "DirectX (green down)"}


def judged(image: Raster, signed: Literal["auto", "no", "yes"] = "auto") -> NormalConvention:
    """The convention of a normal map. Raises WorkloadError `unsupported` for what has no three colours."""
    check_normals(image)
    pixels = image.pixels[..., :3]
    if is_signed(image, signed):
        pixels = pixels / 2 + 0.5
    found, said = examined(pixels, sample(pixels), [])
    evidence = list(sentences(found, said))
    return NormalConvention(
        found.convention, found.convention_confidence, found.unit_length, found.flat, evidence,
        first_of=first_of(image),
    )  # fmt: skip


def sentences(found: Normals, said: Curl) -> Iterator[str]:
    """The evidence for people; `said` is what `curl` says."""
    share = f"{found.unit_length:.0%} of the texels looked at are unit vectors"
    if found.unit_length < NORMAL_SHARE:
        yield f"{share}: this is no normal map, so that there is no convention to tell."
        return
    yield f"{share}, as in a normal map."
    if found.flat >= FLAT:
        yield f"{found.flat:.0%} are the undisturbed surface: it is flat."
    sign = said.sign
    if sign == 0:
        yield "Its slopes fit together in both conventions: it is flat, or slopes in one direction alone."
        return
    # The squared residuals of either reading over those of both: (1 -+ sign) / 2.
    # Rounding may take the sign a little beyond 1, and no share below 0.
    up, down = max(0.0, (1 - sign) / 2), max(0.0, (1 + sign) / 2)
    yield (
        f"Of what doesn't fit together in its slopes, {up:.0%} remain if read as {_NAMES['opengl']} and "
        f"{down:.0%} if read as {_NAMES['directx']}; the right reading leaves less."
    )
    if found.convention:
        yield f"Parts of the image agree: it is {_NAMES[found.convention]}."
    elif abs(sign) < LEAST:
        yield "The two are too close to tell: noise, or a surface that looks the same in both."
    elif said.turned:
        yield (
            "But no surface has such slopes: as where a picture is turned by 90 degrees, and its vectors "
            "aren't. Neither is named."
        )
    else:
        yield "Parts of the image disagree, or its grain and its waves, so that neither is named."
