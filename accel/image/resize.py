"""`image.resize`: the same picture with more or fewer pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.filtering import Filtering
from accel.image.operation import Operated, check_size, operation
from accel.text import AnyText, text
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Resize(Filtering, frozen=True):
    """To what size: one of `width` and `height`, `longest`, `power_of_two` or `factor`."""

    width: Annotated[
        int, Meta(ge=0, le=65535, description="Pixels; 0 keeps the aspect with a given `height`.")
    ] = 0
    height: Annotated[
        int, Meta(ge=0, le=65535, description="Pixels; 0 keeps the aspect with a given `width`.")
    ] = 0
    longest: Annotated[
        int, Meta(ge=0, le=65535, description="Most pixels of the longer side, aspect kept; 0 for no bound.")
    ] = 0
    power_of_two: Annotated[
        Literal["no", "nearest", "up", "down"],
        Meta(
            description="Makes each side a power of two: the nearest by ratio, the next larger or the next "
            "smaller. `nearest` and `up` may enlarge."
        ),
    ] = "no"
    factor: Annotated[
        float, Meta(ge=0, le=64, description="Of both sides; 0.5 halves them, 2 enlarges. 0 for none.")
    ] = 0.0
    enlarge: Annotated[
        bool,
        Meta(description="Whether `width`, `height` and `longest` may make a side longer than it is."),
    ] = False
    kernel: Annotated[
        Literal["lanczos", "area", "cubic", "linear", "nearest"],
        Meta(
            description="The filter, widened where it makes fewer pixels: `lanczos` (of 3 lobes) is the "
            "sharpest, `area` the mean of what a pixel covers, `cubic` Catmull-Rom, `linear` a tent; "
            "`nearest` takes pixels as they are."
        ),
    ] = "lanczos"

    def contradiction(self) -> AnyText:
        ways = {
            "width and height": bool(self.width or self.height),
            "longest": bool(self.longest),
            "power_of_two": self.power_of_two != "no",
            "factor": bool(self.factor),
        }
        given = [name for name, used in ways.items() if used]
        if len(given) == 1:
            return ""
        return text(
            "give one of {ways}; got {given}", ways=[*ways], given=" and ".join(given) or "none of them"
        )


@operation("image.resize", version=9, params=Resize, levels=True, layers=True)
def resize(images: Sequence[Raster], params: Resize, limits: Limits) -> Operated:
    """Makes an image larger or smaller.

    Colours are averaged as light and in proportion to alpha; 8 bit, 16 bit and floats stay what they are, and
    no channel of floats rings beyond its least and largest value. An image that has the size already is given
    as it is. Of another size it has no mip levels: `image.mipmaps` makes them anew. Of a cube or an array in
    DDS or KTX2 each face and layer is resized, all as what the first is taken for.
    Output file: `resized`. Value: a `Written`.
    """
    from accel.image.resizing import resized
    from accel.image.target import target

    (image,) = images
    width, height = target(image, params)
    check_size(image.name, width, height, limits)
    return Operated({"resized": resized(image, width, height, params)})
