"""`image.normal_flip`: a normal map in the other convention, and its vectors made whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Reading, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster

Signed = Annotated[
    Literal["auto", "no", "yes"],
    Meta(
        description="Of 32 bit floats: whether they are the vectors themselves, -1 to 1, and not coded as "
        "0 to 1; `auto` says so where there are values below 0, or unit vectors only if so read."
    ),
]


class NormalReading(Reading, frozen=True):
    """How a normal map is read."""

    signed: Signed = "auto"


class NormalFlip(Writing, frozen=True):
    """What is turned, and whether lengths are mended."""

    y: Annotated[bool, Meta(description="Whether green is turned: OpenGL to DirectX, or back.")] = True
    x: Annotated[bool, Meta(description="Whether red is turned.")] = False
    normalize: Annotated[
        Literal["keep", "length", "z"],
        Meta(
            description="`keep` leaves lengths as they are; `length` scales each vector to length 1; `z` "
            "makes blue anew from red and green, as for maps of two channels."
        ),
    ] = "keep"
    signed: Signed = "auto"


@operation("image.normal_flip", version=8, params=NormalFlip, levels=True, layers=True)
def normal_flip(images: Sequence[Raster], params: NormalFlip, limits: Limits) -> Operated:
    """Turns a normal map's green channel, from OpenGL's convention to DirectX's or back, exactly.

    Each value of 8 or 16 bit becomes full scale less itself, so that twice is as before. Where lengths are
    mended, a vector without length becomes (0, 0, 1). Alpha stays; mip levels, faces and layers are
    turned as well. The format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR, which aren't exact.
    Output file: `normal`. Value: a `Written`.
    """
    from accel.image.planes import data_format
    from accel.image.tangent import check_normals, flipped, is_signed, normalized

    (image,) = images
    check_normals(image)
    signed = is_signed(image, params.signed)
    levels = []
    for level in (image.pixels, *image.mips):
        made = flipped(level, params.x, params.y, signed)
        levels.append(
            normalized(made, params.normalize == "z", signed) if params.normalize != "keep" else made
        )
    format = data_format(image, levels[0])
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": format}
    return Operated({"normal": image.with_pixels(levels[0], mips=tuple(levels[1:]), **meaning)})
