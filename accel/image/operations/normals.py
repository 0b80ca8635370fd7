"""Declares normal_flip, normal_from_height and normal_convention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from accel.image.operation import FirstLayer, Reading, Writing, operation
from accel.image.records import Share
from accel.workload import implementation

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


normal_flip = operation("image.normal_flip", version=8, params=NormalFlip, levels=True, layers=True)(
    implementation(
        "accel.image.normal_maps:normal_flip",
        """Turns a normal map's green channel, from OpenGL's convention to DirectX's or back, exactly.

    Each value of 8 or 16 bit becomes full scale less itself, so that twice is as before. Where lengths are
    mended, a vector without length becomes (0, 0, 1). Alpha stays; mip levels, faces and layers are
    turned as well. The format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR, which aren't exact.
    Output file: `normal`. Value: a `Written`.
    """,
    )
)


class NormalFromHeight(Writing, frozen=True):
    """How heights become slopes, and how those are stored."""

    strength: Annotated[
        float,
        Meta(
            gt=0,
            le=65536,
            description="How many texels the highest point (full scale; 1 in floats) is above the lowest "
            "(0): 8 says that black to white rises as far as 8 texels are wide.",
        ),
    ] = 8.0
    kernel: Annotated[
        Literal["sobel", "scharr", "central"],
        Meta(
            description="How slopes are measured: `sobel` (1 2 1) and `scharr` (3 10 3) average three rows "
            "or columns, the second more evenly in all directions; `central` takes two texels and keeps the "
            "finest detail."
        ),
    ] = "sobel"
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="What lies beyond the edges: the edge itself again, so that slopes across it are "
            "halved, or, for what tiles, the opposite edge."
        ),
    ] = "clamp"
    convention: Annotated[
        Literal["opengl", "directx"], Meta(description="Where green points: up (OpenGL) or down (DirectX).")
    ] = "opengl"
    channel: Annotated[
        Literal["luminance", "r", "g", "b", "a"],
        Meta(description="Which channel holds the heights; of grey, all but `a` are the same."),
    ] = "luminance"
    invert: Annotated[bool, Meta(description="Whether dark is high.")] = False


normal_from_height = operation("image.normal_from_height", version=3, params=NormalFromHeight)(
    implementation(
        "accel.image.height_map:normal_from_height",
        """Makes a tangent-space normal map of a height map.

    Each normal is (-dh/dx, -dh/dy, 1) scaled to length 1, x to the right and y up, coded as RGB from 0 for -1
    to full scale for 1, in 8 bit for heights of 8 bit, else in 16. Heights are taken as they are stored,
    without sRGB's curve. The format `same` is PNG for JPEG, WebP, AVIF and HDR, whose losses would bend the
    vectors.
    Output file: `normal`. Value: a `Written`.
    """,
    )
)


class NormalConvention(FirstLayer, frozen=True):
    """Where green points, and the evidence."""

    convention: Literal["opengl", "directx"] | None
    """Green up (OpenGL) or down (DirectX); None where the texels don't tell."""
    confidence: Share
    """How sure that is: 0.7 and more names a convention; 0 is no evidence, as for a flat surface, or
    evidence that contradicts itself."""
    unit_length: Share
    """Share of texels whose vector has a length of 1 +- 0.05; below 0.5 it is no normal map."""
    flat: Share
    """Share of texels within 4/255 of (0.5, 0.5, 1), the undisturbed surface."""
    evidence: Sequence[str]
    """The same in sentences, for people."""


normal_convention = operation("image.normal_convention", version=7, params=NormalReading)(
    implementation(
        "accel.image.normal_maps:normal_convention",
        """Tells whether a normal map is OpenGL's or DirectX's, with the evidence; never where nothing speaks.

    The slopes of a surface have no curl: read in the right convention they fit together from texel to texel,
    in the other they don't. Looked at are neighbours in bands from all over the image, and coarse waves:
    where these plainly contradict them, neither is named. What is flat, or slopes in one direction alone,
    fits in both. What was turned by 90 degrees without its vectors is named neither.
    Value: a `NormalConvention`.
    """,
    )
)
