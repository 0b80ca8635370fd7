"""`image.atlas`: many sprites on few pages, and data that tells where each lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster

Layout = Literal["hash", "array", "multi", "regions", "lines"]


class AtlasParams(Writing, frozen=True):
    """How sprites are packed and described."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[^/\\:*?\"<>|\x00-\x1f]{1,100}$",
            description="What the files are called: `NAME` is the image, `NAME.data` the data; of several "
            "pages `NAME.0`, `NAME.0.data` and so on. The data refers to the images as `NAME.png`, by their "
            "format.",
        ),
    ] = "atlas"
    layout: Annotated[
        Layout,
        Meta(
            description="How the data is laid out. `hash` and `array`: JSON with `frames` by name or in a "
            "list, one file for each page; what most importers read. `multi`: one JSON for all pages, "
            "`textures` with `frames` each. `regions`: one JSON for all pages, `textures` with `sprites` of "
            "`region` and `margin` (.tpsheet). `lines`: text, a line `name;x;y;w;h;pivot x;pivot y` for each "
            "sprite with y from below, one file for each page (.tpsheet)."
        ),
    ] = "hash"
    max_size: Annotated[int, Meta(ge=16, le=16384, description="Longest side of a page, pixels.")] = 4096
    size: Annotated[
        Literal["any", "multiple_of_4", "power_of_two"],
        Meta(description="What the sides of a page are; block compression needs multiples of 4."),
    ] = "multiple_of_4"
    square: Annotated[bool, Meta(description="Whether pages are as wide as high.")] = False
    padding: Annotated[
        int, Meta(ge=0, le=256, description="Pixels between sprites, and what they are extruded by.")
    ] = 2
    border: Annotated[int, Meta(ge=0, le=256, description="Pixels that stay empty at a page's edges.")] = 0
    extrude: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="Pixels by which a sprite's edges are repeated around it, that filtering doesn't "
            "bleed into them.",
        ),
    ] = 0
    trim: Annotated[
        bool,
        Meta(description="Whether transparent borders are cut off; the data keeps the original size."),
    ] = True
    trim_alpha: Annotated[
        float, Meta(ge=0, lt=1, description="Alpha, 0 to 1, up to which a pixel of a border is transparent.")
    ] = 0.0
    trim_margin: Annotated[
        int, Meta(ge=0, le=64, description="Transparent pixels that are left around what isn't.")
    ] = 0
    rotate: Annotated[
        bool,
        Meta(
            description="Whether sprites may be turned clockwise by 90 degrees, which fills a page a little "
            "better. Not every importer turns them back; `regions` and `lines` can't say it."
        ),
    ] = False
    aliases: Annotated[
        bool, Meta(description="Whether sprites with the same pixels are put on a page only once.")
    ] = True
    folders: Annotated[
        bool,
        Meta(
            description="Whether sprites are called by their path below the folder that all share, and not "
            "by the file's name alone."
        ),
    ] = True
    extension: Annotated[bool, Meta(description="Whether their names keep the file's extension.")] = True
    pivot_x: Annotated[
        float,
        Meta(ge=0, le=1, description="Where each sprite's pivot is: 0 at its left edge, 1 at its right."),
    ] = 0.5
    pivot_y: Annotated[
        float, Meta(ge=0, le=1, description="0 at its upper edge, 1 at its lower; of the untrimmed sprite.")
    ] = 0.5
    effort: Annotated[
        Literal["fast", "normal", "best"],
        Meta(description="How many ways of packing are tried; `best` takes several times as long."),
    ] = "normal"


@operation("image.atlas", version=4, params=AtlasParams, inputs=(1, 4096))
def atlas(images: Sequence[Raster], params: AtlasParams, limits: Limits) -> Operated:
    """Packs sprites into an atlas: one or more pages, and data that tells where each sprite lies.

    MaxRects with several heuristics and orders, the densest result kept; it doesn't depend on the order of
    the inputs. Pages are RGBA, as deep as the deepest input; where `format` is `same`, they are in the format
    of the first sprite by name if that holds transparency at this depth. A sprite that is transparent
    everywhere is trimmed to one pixel. What doesn't fit on one page goes to a further one.
    Output files: `atlas` and `atlas.data` (or the parameter `name`); of several pages `atlas.0` and
    `atlas.0.data`, `atlas.1` and so on, with a single `atlas.data` where the layout holds all pages. Value:
    an `Atlas`.
    """
    from accel.image.packing.compose import compose

    return compose(images, params, limits)
