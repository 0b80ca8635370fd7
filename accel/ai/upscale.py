"""`image.upscale`: a picture twice or four times as large, by networks that know what pictures look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from accel.image.operation import Operated, Writing, Written, check_size, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster

__all__ = ["Upscale", "Written", "upscale"]


class Upscale(Writing, frozen=True):
    """How much, and how."""

    factor: Annotated[Literal[2, 4], Meta(description="How many times as wide and as high.")] = 2
    style: Annotated[
        Literal["faithful", "sharp"],
        Meta(
            description="`faithful` (waifu2x) keeps to what is there; `sharp` (Real-ESRGAN) draws clean "
            "edges and smooths fine texture away, as suits drawings and interfaces."
        ),
    ] = "faithful"
    wrap: Annotated[
        bool, Meta(description="Whether the edges continue at the opposite ones, as those of a tile do.")
    ] = False
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Whether colours of wholly transparent texels count for nothing, so that they give "
            "no fringe; others take their place. Turn it off where the last channel is no transparency, as "
            "of packed maps: what their other channels hold where it is 0 would be lost."
        ),
    ] = True
    normals: Annotated[
        bool | None,
        Meta(
            description="Whether it is a normal map: its vectors are made unit vectors again. `null` tells "
            "that of integers by the texels, as `kind` of image.resize does."
        ),
    ] = None


@operation("image.upscale", version=7, params=Upscale)
def upscale(images: Sequence[Raster], params: Upscale, limits: Limits) -> Operated:
    """Enlarges an image with a network instead of a filter.

    Needs a model: `waifu2x-upconv7-2x` for the style `faithful`, `realesr-animevideo-4x` for `sharp`
    (`popbridge models pull NAME`). It is done in tiles that overlap by as much as the network sees, so that
    there are no seams and memory stays bounded. On one core a megapixel takes about 12 s (`faithful`, 2),
    60 s (`faithful`, 4) or 22 s (`sharp`): raise the deadline for large images. Transparency is enlarged by
    the same network; colours spread into what is wholly transparent first and replace what was there, unless
    `normals` or not `alpha_weighted`, or what is read as data by `transfer`. Floats have to be of 0 to 1.
    Output file: `upscaled`. Value: a `Written`.
    """
    from accel.ai.enlarge import enlarged

    (image,) = images
    params = msgspec.structs.replace(params, normals=_are_normals(image, params))
    check_size(image.name, image.width * params.factor, image.height * params.factor, limits)
    return Operated({"upscaled": enlarged(image, params, limits)})


def _are_normals(image: Raster, params: Upscale) -> bool:
    from accel.image.meaning import kind_of

    if params.normals is not None:
        return params.normals
    # Floats may be vectors of -1 to 1, which the networks don't know.
    return image.pixels.dtype.kind == "u" and kind_of(image) == "normal"
