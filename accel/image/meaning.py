"""What an image's channels are: colours, unit vectors or other data, where nobody says it."""

from __future__ import annotations

import msgspec

from accel.image.filtering import AnyKind
from accel.image.normals import unit_share
from accel.image.raster import PixelKind, Raster
from accel.image.sampling import sample
from accel.image.tangent import is_signed

NORMAL_SHARE = 0.9
"""Share of unit vectors from which colours are taken for a normal map's: more than is enough to look for a
convention, as colours that are taken for vectors by mistake come out wrong."""

TOWARDS = 0.2
"""By how much the mean vector points out of the surface, and more so than sideways. Grey that is light enough
has vectors of length 1 too, but they point sideways as much."""

UNIFORM = 0.03
"""Standard deviation of x, y and z, up to which an image is of one colour: four codes of 8 bit."""

UPRIGHT = 0.1
"""By how much the vectors of one colour may point sideways: many blues are unit vectors, too, but a surface
that is flat is so in tangent space."""


def kind_of(image: Raster, said: AnyKind = "auto") -> PixelKind:
    """What is said of the channels, now or before (`Raster.kind`); else what they look like.

    Unit vectors that point out of a surface on the whole are `normal`; of one colour, if it is that of a flat
    surface. Grey without transparency is `data` unless it is sRGB's, and so is what was read as data; all
    else is `color`. Looks at a sample of at most about 256 x 256 texels.
    """
    if said != "auto":
        return said
    if image.kind:
        return image.kind
    if _is_normal_map(image):
        return "normal"
    colored = image.colors == 3 if image.pixels.dtype.kind == "f" else image.transfer == "srgb"
    return "color" if not image.data and (colored or image.has_alpha) else "data"


def meant(image: Raster, kind: PixelKind) -> dict[str, object]:
    """What is known of the result's channels, as fields of a raster: of data that no curve is put on them."""
    if kind == "color":
        return {"transfer": image.transfer, "kind": kind}
    return {"transfer": "linear", "data": True, "kind": kind}


def taken(image: Raster, kind: PixelKind) -> Raster:
    """The image, its channels taken for that."""
    return msgspec.structs.replace(image, **meant(image, kind))


def _is_normal_map(image: Raster) -> bool:
    if image.colors != 3:
        return False
    planes = sample(image.pixels[..., :3])
    signed = is_signed(image)
    vectors = planes if signed else planes * 2 - 1
    x, y, z = (float(plane.mean()) for plane in vectors)
    sideways = max(abs(x), abs(y))
    # No colours are below 0, as vectors are that are stored as such.
    if not signed and sideways > UPRIGHT and max(float(plane.std()) for plane in vectors) <= UNIFORM:
        return False
    out = z - sideways
    return z > TOWARDS and out > TOWARDS and unit_share(vectors) >= NORMAL_SHARE
