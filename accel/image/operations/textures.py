"""Declares compress and atlas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from accel.image.operation import KINDS, AnyKind, FirstLayer, Reading, Writing, operation
from accel.text import AnyText, text
from accel.workload import implementation

Format = Literal[
    "auto", "bc1", "bc3", "bc4", "bc5", "bc6h", "bc7", "etc2_rgb", "etc2_rgba", "eac_r11", "eac_rg11",
    "astc_4x4", "astc_5x4", "astc_5x5", "astc_6x5", "astc_6x6", "astc_8x5", "astc_8x6", "astc_8x8",
    "astc_10x5", "astc_10x6", "astc_10x8", "astc_10x10", "astc_12x10", "astc_12x12",
]  # fmt: skip
"""The names in `accel.image.block_encoders.FORMATS`, which can't be imported at start-up."""


class Compress(Reading, frozen=True):
    """Into which format, how thoroughly, and in which container."""

    format: Annotated[
        Format,
        Meta(
            description="The blocks; `auto` is the smallest of `candidates` that reaches `target_db`. `bc4` "
            "and `eac_r11` keep red (or grey), `bc5` and `eac_rg11` red and green, `bc1`, `bc6h` and "
            "`etc2_rgb` all colours, the others transparency too. Light in floats fits `bc6h`; the others "
            "make 8 bits of it, sRGB where there are three colours, and cut off what is beyond 1. None "
            "holds what is below 0, which becomes 0 and is told."
        ),
    ] = "auto"
    target_db: (
        Annotated[
            float,
            Meta(ge=10, le=99, description="Least PSNR, dB, of the largest level, for `auto`; `null` is 40."),
        ]
        | None
    ) = None
    candidates: Annotated[
        tuple[Literal["bc", "etc2", "astc"], ...],
        Meta(
            min_length=1,
            description="What the target reads, for `auto`: `bc` desktops and consoles, `etc2` OpenGL ES 3 "
            "and Vulkan on phones, `astc` phones of the last ten years.",
        ),
    ] = ("bc",)
    quality: Annotated[
        Literal["fast", "normal", "best"],
        Meta(
            description="How long BC6H, BC7 and ASTC search (`best` can take a minute for 4 megapixels); the "
            "other encoders know one effort."
        ),
    ] = "normal"
    alpha: Annotated[
        Literal["keep", "drop"],
        Meta(description="`drop` leaves transparency out; else a format that can't hold it is refused."),
    ] = "keep"
    kind: Annotated[
        AnyKind,
        Meta(
            description="What the channels are: `color`; `normal`, a normal map's vectors, kept as they are "
            "coded, never flagged as sRGB, and measured by the vectors; `data`, kept and never flagged too. "
            + KINDS
        ),
    ] = "auto"
    mipmaps: Annotated[
        bool,
        Meta(
            description="Whether the smaller levels are written that an `image.mipmaps` step before this one "
            "made, or that a DDS or KTX2 holds. None are made here."
        ),
    ] = True
    container: Annotated[
        Literal["auto", "dds", "ktx2"],
        Meta(description="The file; `auto` is DDS for BC without `zstd`, else KTX2. DDS holds BC alone."),
    ] = "auto"
    zstd: Annotated[
        int,
        Meta(ge=0, le=22, description="Level at which KTX2's levels are packed by Zstandard; 0 for not."),
    ] = 0
    measure: Annotated[bool, Meta(description="Whether to tell the PSNR of a format that was given.")] = False

    def contradiction(self) -> AnyText:
        if self.format != "auto" and self.target_db is not None:
            return text(
                "target_db chooses the format, so leave format at auto, or ask for its PSNR by measure"
            )
        if self.container != "dds":
            return ""
        if self.zstd:
            return text("a DDS can't be packed by zstd: leave it out, or choose ktx2")
        if self.format == "auto":
            wrong = set(self.candidates) != {"bc"}
            said = text("a DDS holds BC alone: leave etc2 and astc out of candidates, or choose ktx2")
            return said if wrong else ""
        known = self.format.startswith("bc")
        return "" if known else text("a DDS holds BC alone, not {format}: choose ktx2", format=self.format)


class Attempt(Struct, frozen=True):
    """A format that was tried for a target."""

    format: str
    """Its name."""
    bits_per_pixel: float
    """Of whole blocks."""
    size: int
    """Bytes of all levels, without the container and before Zstandard."""
    psnr: float
    """dB, of the largest level; of several faces or layers that of the worst."""


class Compressed(Struct, frozen=True):
    """A compressed texture."""

    format: str
    """The blocks', for example `bc7`."""
    reached: bool | None
    """Whether the target was; false tells that no candidate reaches it and this is the best of them. Null
    without a target."""
    container: Literal["dds", "ktx2"]
    """The file's format."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    levels: int
    """Mip levels, the largest included."""
    srgb: bool
    """Whether the file tells GPUs to decode sRGB; BC4, BC5, BC6H and EAC can't be."""
    bits_per_pixel: float
    """Of whole blocks, before Zstandard."""
    size: int
    """Bytes of the file."""
    ratio: float
    """How many times smaller the file is than the same levels with the channels and depth that came in."""
    psnr: float | None
    """dB, of the largest level, where it was measured or there was a target; 100 for no difference; of
    several faces or layers that of the worst. Of
    colours weighted by alpha (unless they are data), and alpha; of the vectors of a normal map; of light
    (BC6H) over exposures from -10 to 10 stops (mPSNR)."""
    tried: Sequence[Attempt]
    """What was tried for the target, in this order."""
    kind: Literal["color", "normal", "data"]
    """What the channels were taken for."""
    first_of: int | None = None
    """How many faces, layers or slices the DDS or KTX2 held that it comes from: it is made of the first
    alone. Null where that held one, or where all are in the file."""
    images: int = 1
    """Faces and layers in the file."""
    below: float | None = None
    """The least value of the largest level's colours, floats that were to be written, where the blocks hold
    none so low (none that are written here holds any below 0, but vectors down to -1 are coded) and have
    their own least instead. Null where nothing was cut off, or what nobody sees."""
    above: float | None = None
    """The same of the largest: BC6H holds up to 65504, the others up to 1."""


compress = operation("image.compress", version=9, params=Compress, levels=True, layers=True)(
    implementation(
        "accel.image.block_selection:compress",
        """Packs an image into blocks that GPUs read directly: BC, ETC2, EAC or ASTC, as DDS or KTX2.

    It gives a file and no image, so that it is a pipeline's last step. Colours that are sRGB are flagged so
    where the format can be. An image that isn't of whole blocks is filled up by its last row and column;
    Direct3D wants BC of multiples of 4, so resize it before. Blocks without transparency decode to full
    alpha.

    With `auto`, the smallest format that reaches the target is taken (of equal ones BC, then ETC2, then
    ASTC): of one channel or all for grey, of two and more for normal maps, of three and more for colours,
    with alpha where something is transparent. BC3 is left out, as BC7 is as small and better; floats have
    BC6H alone. BC and ETC2 are tried by size. Of ASTC's block sizes that would be smaller the one of most
    bits comes first, which tells whether the target can be reached; then the sizes between are bisected.
    Where several faces or layers are compressed, which DDS and KTX2 hold, all reach it.
    Where none reaches the target, the best that was tried is taken and `reached` is false.
    Output file: `compressed`. Value: a `Compressed`.
    """,
    )
)


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


atlas = operation("image.atlas", version=4, params=AtlasParams, inputs=(1, 4096))(
    implementation(
        "accel.image.atlas:atlas",
        """Packs sprites into an atlas: one or more pages, and data that tells where each sprite lies.

    MaxRects with several heuristics and orders, the densest result kept; it doesn't depend on the order of
    the inputs. Pages are RGBA, as deep as the deepest input; where `format` is `same`, they are in the format
    of the first sprite by name if that holds transparency at this depth. A sprite that is transparent
    everywhere is trimmed to one pixel. What doesn't fit on one page goes to a further one.
    Output files: `atlas` and `atlas.data` (or the parameter `name`); of several pages `atlas.0` and
    `atlas.0.data`, `atlas.1` and so on, with a single `atlas.data` where the layout holds all pages. Value:
    an `Atlas`.
    """,
    )
)


class AtlasPage(Struct, frozen=True):
    """One image of an atlas."""

    name: str
    """The output file's."""
    image: str
    """What the data calls the image: the output file's name with the suffix of its format."""
    data: str
    """The output file's with its sprites; of several pages it may be the same."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fill: Annotated[float, Meta(ge=0, le=1)]
    """Share of the page that sprites cover, with what they are extruded by."""
    below: float | None = None
    """The least colour that the image holds no value for and cuts off, as `Written` has it. Null for none."""
    above: float | None = None
    """The same of the largest."""


class Sprite(Struct, frozen=True):
    """Where one sprite lies."""

    name: str
    """As the data calls it."""
    page: int
    """The number of the page, from 0."""
    x: int
    """Left edge on the page, pixels, without what is extruded."""
    y: int
    """Upper edge on the page, pixels."""
    width: int
    """Pixels, trimmed and upright: on the page a rotated sprite is this high."""
    height: int
    """Pixels, trimmed and upright: on the page a rotated sprite is this wide."""
    rotated: bool
    """Whether it is turned clockwise by 90 degrees on the page."""
    offset_x: int
    """Columns that were trimmed on the left."""
    offset_y: int
    """Rows that were trimmed above."""
    source_width: int
    """Pixels, before it was trimmed."""
    source_height: int
    """Pixels, before it was trimmed."""
    alias: str
    """The first sprite with the same pixels, which lies in the same place; empty for one of its own."""

    @property
    def trimmed(self) -> bool:
        """Whether anything was cut off."""
        return (self.width, self.height) != (self.source_width, self.source_height)


class Atlas(FirstLayer, frozen=True):
    """Sprites on pages."""

    pages: list[AtlasPage]
    """One for each image."""
    sprites: list[Sprite]
    """All of them, by name."""
