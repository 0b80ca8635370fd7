"""`image.remove_background`: what stands before the background stays, the rest becomes transparent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Writing, Written, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster

__all__ = ["RemoveBackground", "Written", "remove_background"]


class RemoveBackground(Writing, frozen=True):
    """How."""

    edges: Annotated[
        Literal["refined", "soft"],
        Meta(
            description="`refined` lets the mask follow the edges of the image at full size; `soft` only "
            "enlarges what the network saw at 320 x 320 pixels."
        ),
    ] = "refined"
    result: Annotated[
        Literal["cutout", "mask"],
        Meta(description="The image with transparency, or its mask alone: grey, white is what stays."),
    ] = "cutout"


@operation("image.remove_background", version=5, params=RemoveBackground)
def remove_background(images: Sequence[Raster], params: RemoveBackground, limits: Limits) -> Operated:
    """Makes everything transparent but what a picture shows: a person, an object, an animal.

    Needs the model `u2netp` (`popbridge models pull u2netp`). Transparency that the image has already stays;
    it counts as white, or as black where all that is visible is light. Where its format holds none, such as
    JPEG, the result is a PNG unless another is asked for.
    Output file: `cutout` or `mask`. Value: a `Written`.
    """
    from accel.ai.background import cut_out, mask_of

    (image,) = images
    mask = mask_of(image, limits, refine=params.edges == "refined")
    return Operated({params.result: cut_out(image, mask, alone=params.result == "mask")})
