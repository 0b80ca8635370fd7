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
        description="For 32-bit floats: values are vectors from -1 to 1 (`yes`) or encoded "
        "from 0 to 1 (`no`). `auto` selects `yes` if some values are below 0, or if only this "
        "reading yields unit vectors."
    ),
]


class NormalReading(Reading, frozen=True):
    """Options for reading a normal map."""

    signed: Signed = "auto"


class NormalFlip(Writing, frozen=True):
    """Channels to flip, and normalisation."""

    y: Annotated[bool, Meta(description="Flip the green channel: OpenGL to DirectX or back.")] = True
    x: Annotated[bool, Meta(description="Flip the red channel.")] = False
    normalize: Annotated[
        Literal["keep", "length", "z"],
        Meta(
            description="`keep` leaves lengths unchanged. `length` scales each vector to length 1. "
            "`z` recomputes blue from red and green, for two-channel maps."
        ),
    ] = "keep"
    signed: Signed = "auto"


normal_flip = operation("image.normal_flip", version=8, params=NormalFlip, levels=True, layers=True)(
    implementation(
        "accel.image.normal_maps:normal_flip",
        """Flips the green channel of a normal map, from OpenGL to DirectX or back, without loss.

    Each 8- or 16-bit value becomes full scale minus the value; flipping twice restores the original. When
    normalising, a vector of length 0 becomes (0, 0, 1). Alpha doesn't change; mipmaps, faces and layers are
    flipped too. The format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR, which aren't exact.
    Output file: `normal`. Value: a `Written`.
    """,
    )
)


class NormalFromHeight(Writing, frozen=True):
    """Options for computing and storing slopes."""

    strength: Annotated[
        float,
        Meta(
            gt=0,
            le=65536,
            description="Height in texels of the highest value (full scale; 1 in floats) above 0. "
            "At 8, black to white rises by 8 texels.",
        ),
    ] = 8.0
    kernel: Annotated[
        Literal["sobel", "scharr", "central"],
        Meta(
            description="Slope filter. `sobel` (1 2 1) and `scharr` (3 10 3) average three rows or "
            "columns, `scharr` more evenly in all directions; `central` uses two texels and keeps "
            "the finest detail."
        ),
    ] = "sobel"
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="Texels beyond the edges. `clamp` repeats the edge, which halves slopes "
            "across it; `wrap` uses the opposite edge, for tiling textures."
        ),
    ] = "clamp"
    convention: Annotated[
        Literal["opengl", "directx"],
        Meta(description="Direction of the green channel: up (OpenGL) or down (DirectX)."),
    ] = "opengl"
    channel: Annotated[
        Literal["luminance", "r", "g", "b", "a"],
        Meta(description="Channel that holds the heights. For grey images, all but `a` are the same."),
    ] = "luminance"
    invert: Annotated[bool, Meta(description="Treat dark as high.")] = False


normal_from_height = operation("image.normal_from_height", version=3, params=NormalFromHeight)(
    implementation(
        "accel.image.height_map:normal_from_height",
        """Creates a tangent-space normal map from a height map.

    Each normal is (-dh/dx, -dh/dy, 1) scaled to length 1, with x to the right and y up, stored as RGB from 0
    for -1 to full scale for 1. 8-bit heights give 8 bits, all others 16. Heights are used as stored, without
    sRGB conversion. The format `same` is PNG for JPEG, WebP, AVIF and HDR, whose losses would distort the
    vectors.
    Output file: `normal`. Value: a `Written`.
    """,
    )
)


class NormalConvention(FirstLayer, frozen=True):
    """Direction of the green channel, with evidence."""

    convention: Literal["opengl", "directx"] | None
    """Green up (OpenGL) or down (DirectX); None if the texels don't show it."""
    confidence: Share
    """Confidence in the convention, which is only named from 0.7 up. 0 means no evidence (as for a flat
    surface) or contradictory evidence."""
    unit_length: Share
    """Share of texels whose vector has length 1 ± 0.05. Below 0.5, the image isn't a normal map."""
    flat: Share
    """Share of texels within 4/255 of (0.5, 0.5, 1), the flat normal."""
    evidence: Sequence[str]
    """The measurements above as sentences for people."""


normal_convention = operation("image.normal_convention", version=8, params=NormalReading)(
    implementation(
        "accel.image.normal_maps:normal_convention",
        """Detects whether a normal map follows OpenGL or DirectX, with evidence.

    The slopes of a surface have no curl: in the right convention, slopes of adjacent texels fit together; in
    the other they don't. The check compares neighbouring texels, in bands across the image, and looks at
    large-scale waves. Without evidence, or if the waves clearly contradict the neighbours, the result is
    neither. Flat areas, and slopes in only one direction, fit both conventions. A map that was rotated by 90
    degrees without rotating its vectors fits neither.
    Value: a `NormalConvention`.
    """,
    )
)
