"""Parameters that all operations share which average pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from accel.image.operation import Writing

AnyKind = Literal["auto", "color", "normal", "data"]
"""What the channels are; `auto` looks at them."""

KINDS = (
    "`auto` takes colours for a `normal` map where nine of ten texels are unit vectors that point out of the "
    "surface on the whole (where all are the same, straight out), unless `transfer` is `srgb`; of the rest "
    "sRGB, floats of three colours and what has transparency for `color`, and grey and what is read as "
    "`linear` for `data`. The result says which."
)
"""Of `auto`, for descriptions."""


class Filtering(Writing, frozen=True):
    """How pixels are averaged."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="What the channels are: `color`; `normal`, unit vectors, which are averaged as such "
            "and brought back to length 1; `data`, each channel by itself as it is stored. " + KINDS
        ),
    ] = "auto"
    linear_light: Annotated[
        bool,
        Meta(description="Whether sRGB colours are averaged as light, as eyes do it, not by their codes."),
    ] = True
    alpha_weighted: Annotated[
        bool,
        Meta(
            description="Whether colours count in proportion to their alpha, so that those of transparent "
            "texels give no fringe. Off where the last channel is no transparency."
        ),
    ] = True
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(
            description="What a filter sees beyond the edges: the last texel again, or, for textures that "
            "tile, the opposite edge."
        ),
    ] = "clamp"
