"""Declares pack_channels and unpack_channels, and the layouts of packed maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from accel.image.operation import Writing, operation
from accel.workload import implementation

Field = Literal["occlusion", "roughness", "smoothness", "metallic", "height", "detail_mask", "unused"]
"""The map that a channel holds."""

LayoutName = Literal[
    "orm", "arm", "omr", "rma", "rmo", "mra", "mro", "ormh", "mask_map", "metallic_roughness",
    "metallic_smoothness",
]  # fmt: skip

LETTERS = "rgba"

LAYOUTS: Mapping[LayoutName, tuple[Field, ...]] = {
    "orm": ("occlusion", "roughness", "metallic"),
    "arm": ("occlusion", "roughness", "metallic"),
    "omr": ("occlusion", "metallic", "roughness"),
    "rma": ("roughness", "metallic", "occlusion"),
    "rmo": ("roughness", "metallic", "occlusion"),
    "mra": ("metallic", "roughness", "occlusion"),
    "mro": ("metallic", "roughness", "occlusion"),
    "ormh": ("occlusion", "roughness", "metallic", "height"),
    "mask_map": ("metallic", "occlusion", "detail_mask", "smoothness"),
    # glTF 2.0 §3.9.2: green is roughness, blue metalness; red may be occlusion to another texture.
    "metallic_roughness": ("unused", "roughness", "metallic"),
    "metallic_smoothness": ("metallic", "unused", "unused", "smoothness"),
}
"""The maps in red, green, blue and, if used, alpha."""

NEUTRAL: Mapping[str, float] = {
    "occlusion": 1.0, "roughness": 0.5, "smoothness": 0.5, "metallic": 0.0, "height": 0.5, "detail_mask": 1.0,
    "unused": 1.0,
}  # fmt: skip
"""The value of a channel without a map: not occluded, half rough, no metal, medium height, detail
everywhere. An unused channel is full, so that it means no occlusion if it is read as such."""

COMPLEMENTS: Mapping[str, Field] = {"roughness": "smoothness", "smoothness": "roughness"}
"""Maps that are each other's inverse."""


def channels(layout: LayoutName) -> dict[str, Field]:
    """The map of each used channel, by `r`, `g`, `b` and `a`."""
    pairs = zip(LETTERS, LAYOUTS[layout], strict=False)
    return {letter: field for letter, field in pairs if field != "unused"}


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


pack_channels = operation("image.pack_channels", version=4, params=PackChannels, inputs=(1, 16))(
    implementation(
        "accel.image.channel_packing:pack_channels",
        """Packs several maps into the channels of one texture, such as ORM or a mask map.

    Values are taken as they are stored, without sRGB's curve; floats beyond 0 to 1 are cut off and
    told. The result has 8 bit where all inputs that are used have, else 16. A map that is missing is filled
    with what changes nothing: occlusion, detail_mask and what is unused with 1, metallic with 0, roughness,
    smoothness and height with 0.5, and of `rgba` colours with 0. The format `same` is PNG for JPEG, WebP,
    AVIF and HDR, which would mix the channels.
    Output file: `packed`. Value: a `Written`.
    """,
    )
)


class UnpackChannels(Writing, frozen=True):
    """What the channels hold."""

    layout: Annotated[
        LayoutName | Literal["rgba"],
        Meta(
            description="What red, green, blue and alpha hold, as for `image.pack_channels`; `rgba` gives "
            "each channel that there is, by its letter."
        ),
    ] = "rgba"
    as_roughness: Annotated[
        bool, Meta(description="Whether smoothness is given inverted, as `roughness`.")
    ] = False


unpack_channels = operation(
    "image.unpack_channels", version=6, params=UnpackChannels, levels=True, splits=True
)(
    implementation(
        "accel.image.channel_packing:unpack_channels",
        """
    Gives each channel of a packed texture as a grey image of the same depth, by the name of what it holds.

    Values stay exactly as they are stored; the format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR.
    Output files: by the layout, for example `occlusion`, `roughness` and `metallic`; of `rgba` `r`, `g`, `b`
    and `a`. Value: a list of `Written`.
    """,
    )
)
