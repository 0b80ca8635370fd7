"""`image.premultiply`: colours multiplied by their alpha, or divided by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Premultiply(Writing, frozen=True):
    """Which way, and of what."""

    inverse: Annotated[
        bool,
        Meta(
            description="Whether to divide colours that are multiplied by their alpha already. Files that "
            "say so (EXR, and DDS, KTX2, AVIF and TIFF with a mark) are opened that way without it."
        ),
    ] = False
    linear_light: Annotated[
        bool,
        Meta(
            description="Whether sRGB colours are multiplied as light, which is right where a GPU decodes a "
            "texture as sRGB before it blends. Off multiplies their codes, as 2D frameworks and file formats "
            "with premultiplied alpha expect it. Data and floats are multiplied as they are either way."
        ),
    ] = True


@operation("image.premultiply", version=8, params=Premultiply, levels=True, layers=True)
def premultiply(images: Sequence[Raster], params: Premultiply, limits: Limits) -> Operated:
    """Multiplies colours by their alpha, for blending that adds them as they are.

    8 and 16 bit are rounded to the nearest code; mip levels, faces and layers are kept. The inverse gives 0
    where alpha is 0. An image without alpha is given as it is. Let it be the last step but `image.compress`:
    other operations take colours for not multiplied. DDS and KTX2 say that they are, except sRGB codes
    without `linear_light`; EXR holds them once, as light, and is opened as the image that it was.
    Formats without transparency get what is seen on white; others hold the numbers, and nothing says of what
    kind they are.
    Output file: `premultiplied`. Value: a `Written`.
    """
    from accel.image.multiplied import multiplied

    return Operated({"premultiplied": multiplied(images[0], params.inverse, params.linear_light)})
