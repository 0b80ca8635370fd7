"""`image.unpack_channels`: the maps in the channels of one texture, as a file each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.channel_layouts import COMPLEMENTS, LETTERS, LayoutName, channels
from accel.image.operation import Operated, Writing, operation
from accel.text import text
from accel.workload import Limits, WorkloadError

if TYPE_CHECKING:
    from accel.image.raster import Raster


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


@operation("image.unpack_channels", version=6, params=UnpackChannels, levels=True, splits=True)
def unpack_channels(images: Sequence[Raster], params: UnpackChannels, limits: Limits) -> Operated:
    """Gives each channel of a packed texture as a grey image of the same depth, by the name of what it holds.

    Values stay exactly as they are stored; the format `same` is PNG for JPEG, WebP and AVIF, and EXR for HDR.
    Output files: by the layout, for example `occlusion`, `roughness` and `metallic`; of `rgba` `r`, `g`, `b`
    and `a`. Value: a list of `Written`.
    """
    from accel.image.channel_packing import single

    (image,) = images
    if params.layout == "rgba":
        letters = LETTERS[: image.colors] + "a" * image.has_alpha
        return Operated({letter: single(image, letter) for letter in letters})
    _check(image, params.layout)
    made: dict[str, Raster] = {}
    for letter, field in channels(params.layout).items():
        turned = params.as_roughness and field == "smoothness"
        made[COMPLEMENTS[field] if turned else field] = single(image, letter, turned)
    return Operated(made)


def _check(image: Raster, layout: LayoutName) -> None:
    if image.colors != 3:
        raise WorkloadError(
            "bad_input", text("is grey, so that it isn't packed as {layout}", layout=layout), image.name
        )
    fields = channels(layout)
    if "a" in fields and not image.has_alpha:
        reason = text("has no alpha, in which {layout} keeps {fields}", layout=layout, fields=fields["a"])
        raise WorkloadError("bad_input", reason, image.name)
