"""`image.bleed_alpha`: colours under full transparency that go on from what is seen beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class BleedAlpha(Writing, frozen=True):
    """What is filled."""

    threshold: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Alpha up to which a texel's own colour is replaced; 0: only where it is 0.",
        ),
    ] = 0.0
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(description="Whether colours also come across the edges, as for textures that tile (`wrap`)."),
    ] = "clamp"


@operation("image.bleed_alpha", version=6, params=BleedAlpha, levels=True, layers=True)
def bleed_alpha(images: Sequence[Raster], params: BleedAlpha, limits: Limits) -> Operated:
    """Spreads the colours of visible texels into transparent ones, so that filters mix in no other.

    Every transparent texel gets a colour: beside visible ones the mean of those (as light, weighed by alpha),
    farther off a smooth mean of what is near. Alpha and all other texels are left as they are; so is an image
    of which nothing, or all, is transparent. Mip levels, faces and layers are filled as well.
    Output file: `bled`. Value: a `Written`.
    """
    from accel.image.bleeding import bled

    return Operated({"bled": bled(images[0], params.threshold, params.edge)})
