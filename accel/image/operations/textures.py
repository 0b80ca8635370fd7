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
    """Format, quality and container."""

    format: Annotated[
        Format,
        Meta(
            description="Block format. `auto`: the smallest of `candidates` that reaches "
            "`target_db`. `bc4` and `eac_r11` keep red (or grey), `bc5` and `eac_rg11` red and "
            "green, `bc1`, `bc6h` and `etc2_rgb` all colours, the others transparency too. Use "
            "`bc6h` for HDR floats; the others convert floats to 8 bits (sRGB for three colours) and "
            "clip values above 1. All formats clip values below 0; the result reports it."
        ),
    ] = "auto"
    target_db: (
        Annotated[
            float,
            Meta(
                ge=10,
                le=99,
                description="Minimum PSNR of the largest level in dB, for `auto`; `null` means 40.",
            ),
        ]
        | None
    ) = None
    candidates: Annotated[
        tuple[Literal["bc", "etc2", "astc"], ...],
        Meta(
            min_length=1,
            description="Formats that the target platform supports, for `auto`. `bc`: desktops and "
            "consoles. `etc2`: OpenGL ES 3 and Vulkan on phones. `astc`: phones of the last ten "
            "years.",
        ),
    ] = ("bc",)
    quality: Annotated[
        Literal["fast", "normal", "best"],
        Meta(
            description="Search effort of BC6H, BC7 and ASTC; `best` can take a minute for 4 "
            "megapixels. Other encoders ignore it."
        ),
    ] = "normal"
    alpha: Annotated[
        Literal["keep", "drop"],
        Meta(description="`drop` removes transparency. `keep` refuses formats that can't store it."),
    ] = "keep"
    kind: Annotated[
        AnyKind,
        Meta(
            description="Content of the channels. `color`: colours. `normal`: vectors, kept as "
            "encoded, never flagged as sRGB; the error is measured on vectors. `data`: also kept and "
            "never flagged. " + KINDS
        ),
    ] = "auto"
    mipmaps: Annotated[
        bool,
        Meta(
            description="Write the mipmaps of an earlier `image.mipmaps` step, or those in the DDS "
            "or KTX2. This step creates none."
        ),
    ] = True
    container: Annotated[
        Literal["auto", "dds", "ktx2"],
        Meta(
            description="File format. `auto`: DDS for BC without `zstd`, otherwise KTX2. DDS "
            "supports only BC."
        ),
    ] = "auto"
    zstd: Annotated[
        int,
        Meta(ge=0, le=22, description="Zstandard compression level of KTX2 levels; 0 for none."),
    ] = 0
    measure: Annotated[bool, Meta(description="Also return the PSNR if `format` isn't `auto`.")] = False

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
            said = text("a DDS can only hold BC: leave etc2 and astc out of candidates, or choose ktx2")
            return said if wrong else ""
        known = self.format.startswith("bc")
        return "" if known else text("a DDS can only hold BC, not {format}: choose ktx2", format=self.format)


class Attempt(Struct, frozen=True):
    """A format tried for a target."""

    format: str
    """Name of the format."""
    bits_per_pixel: float
    """Bits per pixel of whole blocks."""
    size: int
    """Bytes of all levels, without the container and before Zstandard."""
    psnr: float
    """PSNR of the largest level in dB; with several faces or layers, the lowest."""


class Compressed(Struct, frozen=True):
    """A compressed texture."""

    format: str
    """Block format, for example `bc7`."""
    reached: bool | None
    """Whether the target was reached. If false, no candidate reaches it and this one came closest. Null
    without a target."""
    container: Literal["dds", "ktx2"]
    """File format."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    levels: int
    """Number of mip levels, including the largest."""
    srgb: bool
    """Whether the file is flagged as sRGB; BC4, BC5, BC6H and EAC can't be."""
    bits_per_pixel: float
    """Bits per pixel of whole blocks, before Zstandard."""
    size: int
    """File size in bytes."""
    ratio: float
    """Size of the uncompressed levels, with the input's channels and depth, divided by the file size."""
    psnr: float | None
    """PSNR of the largest level in dB; with several faces or layers, the lowest. 100 means no difference.
    Computed from alpha and alpha-weighted colours (unweighted for data), from the vectors of normal maps, or
    for BC6H from light at exposures of -10 to 10 stops (mPSNR). Null without target or `measure`."""
    tried: Sequence[Attempt]
    """Formats tried, in order."""
    kind: Literal["color", "normal", "data"]
    """The content type used for the channels."""
    first_of: int | None = None
    """Number of faces, layers or slices in the source DDS or KTX2, if only the first was used. Null if there
    is only one or all were written."""
    images: int = 1
    """Number of faces and layers in the file."""
    below: float | None = None
    """Lowest float colour of the largest level before clipping to the format's range, which starts at 0 (-1
    for vectors). Null if nothing visible was clipped."""
    above: float | None = None
    """Highest float colour before clipping, likewise. The limit is 65504 for BC6H and 1 for the others."""


compress = operation(
    "image.compress", version=9, params=Compress, levels=True, layers=True, makes_files=True, memory=2.5
)(
    implementation(
        "accel.image.block_selection:compress",
        """Compresses an image for the GPU, into BC, ETC2, EAC or ASTC blocks in a DDS or KTX2 file.

    The result is a file, not an image, so this must be the last step of a pipeline. sRGB colours are flagged
    as sRGB if the format supports it. Sizes that aren't whole blocks are padded with the last row and column;
    Direct3D needs multiples of 4 for BC, so resize first. Formats without transparency decode as opaque.

    `auto` chooses the smallest format that reaches the target; at equal size it prefers BC to ETC2 to ASTC.
    Grey images use formats with one or four channels, normal maps two or more, colour images three or more;
    transparent images need alpha. Floats use only BC6H. BC3 is never tried, because BC7 has the same size and
    better quality. BC and ETC2 are tried from small to large. ASTC has many block sizes, so a binary search
    finds the smallest that reaches the target. If an image has several faces or layers, all must reach it. If
    no format does, the one with the highest PSNR is used and `reached` is false.
    Output file: `compressed`. Value: a `Compressed`.
    """,
    )
)


Layout = Literal["hash", "array", "multi", "regions", "lines"]


class AtlasParams(Writing, frozen=True):
    """Options for packing and describing sprites."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[^/\\:*?\"<>|\x00-\x1f]{1,100}$",
            description="Base name of the files: `NAME` is the image, `NAME.data` the data; with "
            "several pages `NAME.0`, `NAME.0.data` and so on. The data refers to images by their "
            "extension, for example `NAME.png`.",
        ),
    ] = "atlas"
    layout: Annotated[
        Layout,
        Meta(
            description="Data format. `hash` and `array`: JSON with `frames` by name or as a list, "
            "one file per page; most importers read it. `multi`: one JSON for all pages, `textures` "
            "with `frames`. `regions`: one JSON for all pages, `textures` with `sprites`, each with "
            "`region` and `margin` (.tpsheet). `lines`: text with one line `name;x;y;w;h;pivot "
            "x;pivot y` per sprite, y from the bottom, one file per page (.tpsheet)."
        ),
    ] = "hash"
    max_size: Annotated[int, Meta(ge=16, le=16384, description="Longest side of a page in pixels.")] = 4096
    size: Annotated[
        Literal["any", "multiple_of_4", "power_of_two"],
        Meta(description="Constraint on the sides of a page; block compression needs multiples of 4."),
    ] = "multiple_of_4"
    square: Annotated[bool, Meta(description="Make pages square.")] = False
    padding: Annotated[
        int, Meta(ge=0, le=256, description="Pixels between sprites, in addition to `extrude`.")
    ] = 2
    border: Annotated[int, Meta(ge=0, le=256, description="Empty pixels at the edges of a page.")] = 0
    extrude: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="Pixels by which the edges of each sprite are repeated outwards, which "
            "prevents bleeding when filtering.",
        ),
    ] = 0
    trim: Annotated[
        bool,
        Meta(description="Trim transparent borders; the data records the original size."),
    ] = True
    trim_alpha: Annotated[
        float,
        Meta(ge=0, lt=1, description="Highest alpha, 0 to 1, at which border pixels count as transparent."),
    ] = 0.0
    trim_margin: Annotated[
        int, Meta(ge=0, le=64, description="Transparent pixels to keep around the visible part.")
    ] = 0
    rotate: Annotated[
        bool,
        Meta(
            description="Allow rotating sprites clockwise by 90 degrees, which packs slightly "
            "denser. Not every importer supports it; `regions` and `lines` can't express it."
        ),
    ] = False
    aliases: Annotated[bool, Meta(description="Store sprites with the same pixels only once.")] = True
    folders: Annotated[
        bool,
        Meta(
            description="Name sprites by their path below the common folder instead of the file name alone."
        ),
    ] = True
    extension: Annotated[bool, Meta(description="Keep the file extension in sprite names.")] = True
    pivot_x: Annotated[
        float,
        Meta(ge=0, le=1, description="Horizontal pivot of each sprite: 0 is the left edge, 1 the right."),
    ] = 0.5
    pivot_y: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Vertical pivot: 0 is the top edge, 1 the bottom, of the untrimmed sprite.",
        ),
    ] = 0.5
    effort: Annotated[
        Literal["fast", "normal", "best"],
        Meta(description="Number of packings to try; `best` takes several times as long."),
    ] = "normal"


atlas = operation("image.atlas", version=4, params=AtlasParams, inputs=(1, 4096), memory=3.0)(
    implementation(
        "accel.image.atlas:atlas",
        """Packs sprites into an atlas: one or more pages, with data on each sprite's position.

    Uses MaxRects with several heuristics and orders, and keeps the densest result; the order of the inputs
    doesn't matter. Pages are RGBA with the bit depth of the deepest input. `same` is the format of the first
    sprite by name, if it supports transparency at this depth. Fully transparent sprites are trimmed to one
    pixel. Sprites that don't fit go on another page.
    Output files: `atlas` and `atlas.data` (or the parameter `name`); with several pages `atlas.0` and
    `atlas.0.data`, `atlas.1` and so on, or a single `atlas.data` if the layout holds all pages. Value: an
    `Atlas`.
    """,
    )
)


class AtlasPage(Struct, frozen=True):
    """One image of an atlas."""

    name: str
    """Name of the output file."""
    image: str
    """File name of the image in the data, with its extension."""
    data: str
    """Name of the output file that describes its sprites; pages may share one."""
    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    fill: Annotated[float, Meta(ge=0, le=1)]
    """Share of the page covered by sprites, including `extrude`."""
    below: float | None = None
    """The lowest colour before clipping, as in `Written`. Null if nothing was clipped."""
    above: float | None = None
    """The highest colour before clipping, likewise."""


class Sprite(Struct, frozen=True):
    """Position of a sprite."""

    name: str
    """The sprite's name in the data."""
    page: int
    """Index of the page, from 0."""
    x: int
    """Left edge on the page in pixels, without `extrude`."""
    y: int
    """Top edge on the page in pixels, without `extrude`."""
    width: int
    """Trimmed width in pixels, before rotation: the height on the page if rotated."""
    height: int
    """Trimmed height in pixels, before rotation: the width on the page if rotated."""
    rotated: bool
    """Whether it is rotated clockwise by 90 degrees on the page."""
    offset_x: int
    """Columns trimmed on the left."""
    offset_y: int
    """Rows trimmed at the top."""
    source_width: int
    """Width in pixels before trimming."""
    source_height: int
    """Height in pixels before trimming."""
    alias: str
    """Name of the identical sprite whose position it shares; empty if it has its own."""

    @property
    def trimmed(self) -> bool:
        """Whether anything was cut off."""
        return (self.width, self.height) != (self.source_width, self.source_height)


class Atlas(FirstLayer, frozen=True):
    """Sprites on pages."""

    pages: list[AtlasPage]
    """One entry per image."""
    sprites: list[Sprite]
    """All sprites, sorted by name."""
