"""`image.make_tileable`: a texture whose copies meet without a seam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.filtering import KINDS, AnyKind
from accel.image.first import OfFirst, first_of
from accel.image.inspection import Seams
from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class MakeTileable(Writing, frozen=True):
    """Which seams, and how they are hidden."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="What the channels are: `color`, weighed by its alpha; `normal`, unit vectors; "
            "`data`, each channel by itself. " + KINDS
        ),
    ] = "auto"
    direction: Annotated[
        Literal["both", "horizontal", "vertical"],
        Meta(
            description="Where copies are to meet: side by side (`horizontal`), one above the other, or both."
        ),
    ] = "both"
    size: Annotated[
        Literal["same", "cropped"],
        Meta(
            description="`same` keeps the size: the old edges meet inside, under a strip from the middle, "
            "which is then seen twice. `cropped` lays opposite edges over each other: nothing is "
            "seen twice, and the overlap is missing from the size."
        ),
    ] = "same"
    overlap: Annotated[
        float,
        Meta(
            ge=0.02,
            le=0.5,
            description="The share of a side within which a seam may run, 512 pixels at the most.",
        ),
    ] = 0.2
    flatten: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much of a photo's uneven light is taken out first: differences in brightness "
            "and colour between quarters of a side. 0 none, 1 all.",
        ),
    ] = 0.0


class Tileable(OfFirst, frozen=True):
    """How visible the seams were and are."""

    before: Seams
    """Of the image as it came."""
    after: Seams
    """Of the result."""
    width: int
    """Pixels of the result."""
    height: int
    """Pixels of the result."""
    kind: Literal["color", "normal", "data"]
    """What the channels were taken for."""
    below: float | None = None
    """The least colour that the file holds no value for and cuts off, as `Written` has it. Null for none."""
    above: float | None = None
    """The same of the largest."""


@operation("image.make_tileable", version=8, params=MakeTileable)
def make_tileable(images: Sequence[Raster], params: MakeTileable, limits: Limits) -> Operated:
    """Makes a texture tile: copies of it meet without a visible seam.

    For stochastic textures, such as ground, stone, bark or fabric. Two parts of the image overlap; fine
    detail changes from one to the other along the path on which they differ least (Efros and Freeman 2001),
    coarse brightness and colour over the whole overlap, without loss of contrast (as in Heitz and Neyret
    2018).
    Output file: `tileable`. Value: a `Tileable`.
    """
    from accel.image.evidence import seams
    from accel.image.meaning import kind_of
    from accel.image.save import lost
    from accel.image.tiling import tileable

    (image,) = images
    kind = kind_of(image, params.kind)
    made = tileable(image, kind, params)
    before, after = seams(image.pixels), seams(made.pixels)
    facts = Tileable(
        before, after, made.width, made.height, kind, first_of=first_of(image), **lost(made, params)
    )
    return Operated({"tileable": made}, facts)
