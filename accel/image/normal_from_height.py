"""`image.normal_from_height`: a tangent-space normal map of a height map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


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


@operation("image.normal_from_height", version=3, params=NormalFromHeight)
def normal_from_height(images: Sequence[Raster], params: NormalFromHeight, limits: Limits) -> Operated:
    """Makes a tangent-space normal map of a height map.

    Each normal is (-dh/dx, -dh/dy, 1) scaled to length 1, x to the right and y up, coded as RGB from 0 for -1
    to full scale for 1, in 8 bit for heights of 8 bit, else in 16. Heights are taken as they are stored,
    without sRGB's curve. The format `same` is PNG for JPEG, WebP, AVIF and HDR, whose losses would bend the
    vectors.
    Output file: `normal`. Value: a `Written`.
    """
    from accel.image.planes import data_format
    from accel.image.relief import Relief, depth, normals

    (image,) = images
    pixels = normals(image, Relief.of(params), depth(image, params.bits))
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": data_format(image, pixels)}
    made = image.with_pixels(pixels, has_alpha=False, **meaning)
    return Operated({"normal": made})
