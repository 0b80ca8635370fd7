"""`image.pack_channels`: several maps as the channels of one texture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct, field

from accel.image.channel_layouts import LayoutName
from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class ChannelSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the values of one channel come from: an input, or one value for all texels."""

    input: Annotated[int, Meta(ge=0, le=15)] | None = None
    """The input, counted from 0."""
    channel: Literal["r", "g", "b", "a", "luminance"] = "r"
    """Which channel of it; of grey, all but `a` are the same."""
    value: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Instead of an input: 0 to 1."""
    invert: bool = False
    """Whether full scale less the value is stored, as for a roughness that is to be smoothness."""


class PackChannels(Writing, frozen=True):
    """What goes where."""

    layout: Annotated[
        LayoutName | Literal["rgba"],
        Meta(
            description="What red, green, blue and alpha hold: `orm` is occlusion, roughness, metallic, and "
            "so on by first letters (`arm` is the same as `orm`, h is height); `mask_map` is metallic, "
            "occlusion, detail_mask, smoothness; `metallic_roughness` leaves red free, `metallic_smoothness` "
            "green and blue; `rgba` is any, with `r`, `g`, `b` and `a` as its maps."
        ),
    ] = "orm"
    holds: Annotated[
        list[str],
        Meta(
            max_length=16,
            description="What each input holds, in their order, as the layout calls it: `roughness` is "
            "inverted where the layout has smoothness, and the other way round; `-` for what only `channels` "
            "uses. Empty: the layout's maps in their order, all of them.",
        ),
    ] = field(default_factory=list)
    channels: Annotated[
        dict[str, ChannelSource],
        Meta(
            description="By `r`, `g`, `b`, `a` or the map's name: `{input, channel, invert}` or `{value}`; "
            "`input` counts from 0, `channel` is `r` (or grey) unless said, `value` is 0 to 1."
        ),
    ] = field(default_factory=dict)
    size: Annotated[
        Literal["largest", "refuse"],
        Meta(
            description="Where inputs differ in size: `largest` enlarges the smaller ones to the greatest "
            "width and height (linear), `refuse` makes it an error."
        ),
    ] = "largest"


@operation("image.pack_channels", version=4, params=PackChannels, inputs=(1, 16))
def pack_channels(images: Sequence[Raster], params: PackChannels, limits: Limits) -> Operated:
    """Packs several maps into the channels of one texture, such as ORM or a mask map.

    Values are taken as they are stored, without sRGB's curve; floats beyond 0 to 1 are cut off and
    told. The result has 8 bit where all inputs that are used have, else 16. A map that is missing is filled
    with what changes nothing: occlusion, detail_mask and what is unused with 1, metallic with 0, roughness,
    smoothness and height with 0.5, and of `rgba` colours with 0. The format `same` is PNG for JPEG, WebP,
    AVIF and HDR, which would mix the channels.
    Output file: `packed`. Value: a `Written`.
    """
    from accel.image.channel_packing import packed
    from accel.image.channel_plan import planned

    return Operated({"packed": packed(images, planned(params, [one.name for one in images]), params, limits)})
