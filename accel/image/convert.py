"""`image.convert`: the same picture in another file format or depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Convert(Writing, frozen=True):
    """To what."""


@operation("image.convert", version=9, params=Convert, levels=True, layers=True)
def convert(images: Sequence[Raster], params: Convert, limits: Limits) -> Operated:
    """Writes an image in another format or depth.

    EXIF's orientation is applied and an embedded colour profile converted to sRGB, as files for engines carry
    neither; metadata is left out. Where the format holds no transparency, the image is put on white. Floats
    become sRGB where there are three colours and the format holds integers alone, and what is brighter than 1
    or below 0 is cut off; so is what is below 0 in HDR, and told. Of a normal map they stay vectors, of which
    those of -1 to 1 become 0 to full scale. EXR and PSD keep no colours where nothing is to be seen, unless
    `transfer` is `linear`. Floats keep their 16 or 32 bits in EXR; of what came as integers EXR holds half
    floats, or single ones where half would lose data: grey, and what is read as `linear`, that it doesn't
    hold exactly. DDS and KTX2 say of no normal map that it is sRGB, and keep the mip levels, cube's faces and
    array's layers that the other, or the same, holds (an array of one layer is a plain texture in DDS);
    all other formats hold the first image alone, and of a volume the first slice alone is read. A normal map
    is told by its texels, as by `image.resize`, unless `transfer` is `srgb`.
    Output file: `converted`. Value: a `Written`.
    """
    import msgspec

    from accel.image.cut import cut_off, integers
    from accel.image.light import DEPTHS, at_depth
    from accel.image.meaning import kind_of, taken
    from accel.image.save import WRITERS, chosen, wanted

    (image,) = images
    whole = wanted(image, params) != "float32"
    # What GPUs read says whether they are to decode sRGB, and vectors of floats get no curve on the way.
    matters = WRITERS[chosen(image, params.format)].mips or (whole and image.pixels.dtype.kind == "f")
    if matters and kind_of(image) == "normal":
        image = taken(image, "normal")
    # Whoever asks for 16 bits and EXR means half floats, which are no integers on the way.
    if params.bits == "32" or (params.bits != "same" and whole):
        cut = cut_off(image, integers(image)) if whole else {}
        image = msgspec.structs.replace(at_depth(image, DEPTHS[params.bits]), **cut)
    return Operated({"converted": image})
