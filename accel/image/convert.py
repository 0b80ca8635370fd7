"""`image.convert`: the same picture in another file format or depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Convert(Writing, frozen=True):
    """To what."""

    bits: Annotated[
        Literal["same", "8", "16", "32"],
        Meta(
            description="Of a channel: 8 or 16 bit integers, 32 bit floats. A format that can't hold them "
            "takes the nearest."
        ),
    ] = "same"


@operation("image.convert", version=1, params=Convert)
def convert(images: Sequence[Raster], params: Convert, limits: Limits) -> Operated:
    """Writes an image in another format or depth.

    EXIF's orientation is applied and an embedded colour profile converted to sRGB, as files for engines carry
    neither; metadata is left out. Where the format holds no transparency, the image is put on white; floats
    become sRGB where there are three colours and the format holds integers alone, and what is brighter than
    1 is cut off.
    Output file: `converted`. Value: a `Written`.
    """
    from accel.image.light import at_depth

    (image,) = images
    if params.bits != "same":
        image = at_depth(image, {"8": "uint8", "16": "uint16", "32": "float32"}[params.bits])
    return Operated({"converted": image})
