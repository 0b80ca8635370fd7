"""Declares pack_channels and unpack_channels, and the layouts of packed maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from accel.image.operation import Writing, operation
from accel.workload import implementation

Field = Literal["occlusion", "roughness", "smoothness", "metallic", "height", "detail_mask", "unused"]
"""The map in a channel."""

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
    # glTF 2.0 §3.9.2: green is roughness, blue metalness; the occlusion texture may use red.
    "metallic_roughness": ("unused", "roughness", "metallic"),
    "metallic_smoothness": ("metallic", "unused", "unused", "smoothness"),
}
"""Maps in red, green, blue and, if used, alpha."""

NEUTRAL: Mapping[str, float] = {
    "occlusion": 1.0, "roughness": 0.5, "smoothness": 0.5, "metallic": 0.0, "height": 0.5, "detail_mask": 1.0,
    "unused": 1.0,
}  # fmt: skip
"""Value of a channel without a map: not occluded, half rough, not metallic, medium height, detail everywhere.
Unused channels are full, so that they mean no occlusion if read as such."""

COMPLEMENTS: Mapping[str, Field] = {"roughness": "smoothness", "smoothness": "roughness"}
"""Maps that are inverses of each other."""


def channels(layout: LayoutName) -> dict[str, Field]:
    """Returns the map of each used channel, by `r`, `g`, `b` and `a`."""
    pairs = zip(LETTERS, LAYOUTS[layout], strict=False)
    return {letter: field for letter, field in pairs if field != "unused"}


class ChannelSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Source of one channel: an input, or one value for all texels."""

    input: Annotated[int, Meta(ge=0, le=15)] | None = None
    """Index of the input, from 0."""
    channel: Literal["r", "g", "b", "a", "luminance"] = "r"
    """Channel of the input. For grey inputs, all but `a` are the same."""
    value: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Constant value instead of an input, 0 to 1."""
    invert: bool = False
    """Whether to store full scale minus the value, for example to turn roughness into smoothness."""


class PackChannels(Writing, frozen=True):
    """Layout of the result and source of each channel."""

    layout: Annotated[
        LayoutName | Literal["rgba"],
        Meta(
            description="Content of red, green, blue and alpha. `orm`: occlusion, roughness, "
            "metallic; the other names are initials, too (`arm` equals `orm`; h is height). "
            "`mask_map`: metallic, occlusion, detail_mask, smoothness. `metallic_roughness` leaves "
            "red unused, `metallic_smoothness` green and blue. `rgba`: any content; the maps are "
            "called `r`, `g`, `b` and `a`."
        ),
    ] = "orm"
    holds: Annotated[
        list[str],
        Meta(
            max_length=16,
            description="Content of each input in order, by its name in the layout. `roughness` is "
            "inverted if the layout has smoothness, and vice versa. `-`: used by `channels` only. "
            "Empty: all maps of the layout in order.",
        ),
    ] = field(default_factory=list)
    channels: Annotated[
        dict[str, ChannelSource],
        Meta(
            description="Sources by channel (`r`, `g`, `b`, `a`) or map name: `{input, channel, "
            "invert}` or `{value}`. `input` counts from 0, `channel` defaults to `r` (or grey), "
            "`value` is 0 to 1."
        ),
    ] = field(default_factory=dict)
    size: Annotated[
        Literal["largest", "refuse"],
        Meta(
            description="Handling of inputs of different sizes. `largest` enlarges the smaller "
            "ones to the largest width and height (linear filter); `refuse` fails."
        ),
    ] = "largest"


pack_channels = operation("image.pack_channels", version=4, params=PackChannels, inputs=(1, 16))(
    implementation(
        "accel.image.channel_packing:pack_channels",
        """Packs several maps into the channels of one texture, such as ORM or a mask map.

    Values are used as stored, without sRGB conversion. Floats are clipped to 0 to 1, and the result reports
    it. The result has 8 bits if all used inputs have, otherwise 16. Missing maps get a neutral value: 1 for
    occlusion, detail_mask and unused channels, 0 for metallic, 0.5 for roughness, smoothness and height, and
    0 for colours of `rgba`. The format `same` is PNG for JPEG, WebP, AVIF and HDR, which would mix the
    channels.
    Output file: `packed`. Value: a `Written`.
    """,
    )
)


class UnpackChannels(Writing, frozen=True):
    """Content of the channels."""

    layout: Annotated[
        LayoutName | Literal["rgba"],
        Meta(
            description="Content of red, green, blue and alpha, as for `image.pack_channels`. "
            "`rgba` returns each existing channel by its letter."
        ),
    ] = "rgba"
    as_roughness: Annotated[bool, Meta(description="Invert smoothness and return it as `roughness`.")] = False


unpack_channels = operation(
    "image.unpack_channels", version=6, params=UnpackChannels, levels=True, splits=True
)(
    implementation(
        "accel.image.channel_packing:unpack_channels",
        """Splits a packed map into one grey image per channel, named by content.

    Values and bit depth don't change. The format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR.
    Output files: by layout, for example `occlusion`, `roughness` and `metallic`; for `rgba` `r`, `g`, `b` and
    `a`. Value: a list of `Written`.
    """,
    )
)
