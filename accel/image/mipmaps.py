"""`image.mipmaps`: all smaller levels of a texture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.filtering import Filtering
from accel.image.operation import Operated, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Mipmaps(Filtering, frozen=True):
    """How levels are made."""

    filter: Annotated[
        Literal["box", "kaiser", "lanczos"],
        Meta(
            description="`box`: the mean of what a texel covers, also of odd sizes; `kaiser` and `lanczos` "
            "are sharper, with faint halos at hard edges."
        ),
    ] = "box"
    levels: Annotated[
        int,
        Meta(ge=0, le=32, description="Most levels, the largest included; 0 for all, down to 1 x 1."),
    ] = 0
    coverage: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The alpha from which a cut-out's texels are drawn, for example 0.5: each level's "
            "alpha is scaled so that the same share of it is drawn as of the largest. 0 leaves alpha alone.",
        ),
    ] = 0.0
    roughness: Annotated[
        Literal["all", "r", "g", "b", "a"],
        Meta(description="With a normal map as second input: the channels that hold roughness."),
    ] = "all"
    smoothness: Annotated[
        bool, Meta(description="Whether those channels hold smoothness instead, 1 - roughness.")
    ] = False


@operation("image.mipmaps", version=8, params=Mipmaps, inputs=(1, 2), companions=True, layers=True)
def mipmaps(images: Sequence[Raster], params: Mipmaps, limits: Limits) -> Operated:
    """Makes the mip levels of a texture, each half of the one before.

    Sides are halved and rounded down, to 1 at the least; of odd sides each texel counts as much as any other.
    Each level is averaged from values that weren't rounded in between. Normals that cancel become flat.
    A second input, the normal map of the same surface, raises the roughness in the first one's levels by
    what the averaged normals no longer show (Toksvig); `kind` is then `data`, also by `auto`.
    Each face of a cube and each layer of an array in DDS or KTX2 has its own; of a normal map that has as
    many layers each belongs to one.
    Output file: `mipmaps`; in formats that hold one level `mipmaps.mip0`, `mipmaps.mip1`, … Value: a
    `Written`.
    """
    from accel.image.mip_chain import with_levels

    return Operated({"mipmaps": with_levels(images[0], images[1] if len(images) > 1 else None, params)})
