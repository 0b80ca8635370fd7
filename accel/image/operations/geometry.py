"""Declares resize, thumbnail, convert, premultiply, bleed_alpha, make_tileable and mipmaps."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from accel.image.operation import KINDS, AnyKind, Filtering, FirstLayer, Writing, operation
from accel.image.records import Seams
from accel.text import AnyText, text
from accel.workload import Params, implementation, workload


class Resize(Filtering, frozen=True):
    """Target size: one of `width` and `height`, `longest`, `power_of_two` or `factor`."""

    width: Annotated[
        int,
        Meta(ge=0, le=65535, description="Width in pixels; 0 derives it from `height` and the aspect ratio."),
    ] = 0
    height: Annotated[
        int,
        Meta(ge=0, le=65535, description="Height in pixels; 0 derives it from `width` and the aspect ratio."),
    ] = 0
    longest: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="Maximum length of the longer side in pixels, at the same aspect ratio; 0 "
            "for no limit.",
        ),
    ] = 0
    power_of_two: Annotated[
        Literal["no", "nearest", "up", "down"],
        Meta(
            description="Make each side a power of two: the nearest by ratio, the next larger "
            "(`up`) or the next smaller (`down`). `nearest` and `up` may enlarge."
        ),
    ] = "no"
    factor: Annotated[
        float,
        Meta(
            ge=0, le=64, description="Scale of both sides: 0.5 halves them, 2 doubles them, 0 turns this off."
        ),
    ] = 0.0
    enlarge: Annotated[
        bool,
        Meta(description="Allow `width`, `height` and `longest` to make a side longer."),
    ] = False
    kernel: Annotated[
        Literal["lanczos", "area", "cubic", "linear", "nearest"],
        Meta(
            description="Filter; it widens when the image shrinks. `lanczos` (3 lobes): the "
            "sharpest. `area`: mean of the covered area. `cubic`: Catmull-Rom. `linear`: triangle. "
            "`nearest`: copies pixels unchanged."
        ),
    ] = "lanczos"

    def contradiction(self) -> AnyText:
        used = (self.width or self.height, self.longest, self.power_of_two != "no", self.factor)
        if sum(map(bool, used)) == 1:
            return ""
        options = [text("width or height"), "longest", "power_of_two", "factor"]
        names = [option for option, value in zip(options, used, strict=True) if value]
        if not names:
            return text("give one of {options}; got none of them", options=options)
        return text("give one of {options}; got {names}", options=options, names=names)


resize = operation("image.resize", version=9, params=Resize, levels=True, layers=True, memory=3.5)(
    implementation(
        "accel.image.resample:resize",
        """Resizes an image.

    Colours are averaged in linear light and weighted by alpha. The bit depth doesn't change, and filter
    ringing never exceeds the original range of a float channel. An image that already has the requested size
    is returned unchanged. A resized image has no mipmaps; create them with `image.mipmaps`. Each face and
    layer of a DDS or KTX2 is resized, using the kind detected in the first.
    Output file: `resized`. Value: a `Written`.
    """,
    )
)


class Thumbnail(Params, frozen=True):
    """Size and format of the preview."""

    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side in pixels.")] = 256
    format: Annotated[
        Literal["png", "jpeg", "webp"],
        Meta(description="File format. JPEG shows transparent areas on white."),
    ] = "png"


thumbnail = workload("image.thumbnail", version=8, params=Thumbnail, makes_files=True)(
    implementation(
        "accel.image.inspect:thumbnail",
        """Creates a preview that fits into a square.

    The aspect ratio is kept, nothing is enlarged, and the EXIF orientation is applied. Colours become 8-bit
    sRGB; HDR values above 1 become white. Integers are averaged by their sRGB values, two to three times
    faster than in linear light; fine bright patterns on a dark background come out darker. `image.resize`
    averages in linear light. Opaque images are shrunk by whole blocks of pixels, and the rest, less than a
    factor of two, with Lanczos.
    Output file: `thumbnail`. Value: `{width, height}` in pixels.
    """,
    )
)


class Convert(Writing, frozen=True):
    """Format and depth of the output."""


convert = operation("image.convert", version=9, params=Convert, levels=True, layers=True)(
    implementation(
        "accel.image.encode:convert",
        """Writes an image in another format or bit depth.

    The EXIF orientation is applied and an embedded colour profile is converted to sRGB, because files for
    engines carry neither. Metadata is dropped. Formats without transparency show the image on white. Normal
    maps are detected from their texels, as in `image.resize`, unless `transfer` is `srgb`.

    Three-channel floats become sRGB in formats that only hold integers; values below 0 or above 1 are
    clipped. HDR clips values below 0. The result reports clipped values. Normal vectors aren't converted to
    sRGB: -1 to 1 becomes 0 to full scale. EXR and PSD drop colours of fully transparent texels unless
    `transfer` is `linear`. EXR keeps 16- or 32-bit floats. It stores integers as half floats, or as single
    floats if they are grey or read as `linear` and half floats would lose data.

    DDS and KTX2 never flag normal maps as sRGB. They keep mipmaps, cube faces and array layers of a DDS or
    KTX2 source; an array with one layer becomes a plain texture in DDS. All other formats keep only the first
    image. Only the first slice of a volume is read.
    Output file: `converted`. Value: a `Written`.
    """,
    )
)


class Premultiply(Writing, frozen=True):
    """Direction and colour space of the multiplication."""

    inverse: Annotated[
        bool,
        Meta(
            description="Divide premultiplied colours by alpha instead. Not needed for files that "
            "declare premultiplied alpha (EXR; DDS, KTX2, AVIF and TIFF with a flag): opening them "
            "does it."
        ),
    ] = False
    linear_light: Annotated[
        bool,
        Meta(
            description="Multiply sRGB colours in linear light, which is correct if the GPU "
            "decodes sRGB before blending. Off: multiply the sRGB values, as 2D frameworks and file "
            "formats with premultiplied alpha expect. Data and floats are always multiplied as "
            "stored."
        ),
    ] = True


premultiply = operation("image.premultiply", version=8, params=Premultiply, levels=True, layers=True)(
    implementation(
        "accel.image.alpha:premultiply",
        """Multiplies colours by alpha, for blending with premultiplied alpha.

    8- and 16-bit values are rounded to the nearest. Mipmaps, faces and layers are kept. `inverse` returns 0
    where alpha is 0. An image without alpha is returned unchanged. Make it the last step, or the last before
    `image.compress`: other operations expect colours that aren't premultiplied. DDS and KTX2 are flagged as
    premultiplied, except for sRGB values without `linear_light`. EXR always stores premultiplied linear
    light: colours are multiplied only once, and the file opens as the original image. Formats without
    transparency show the image on white. Other formats store the values without a flag.
    Output file: `premultiplied`. Value: a `Written`.
    """,
    )
)


class BleedAlpha(Writing, frozen=True):
    """Which texels to fill."""

    threshold: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Highest alpha whose texels get a new colour. 0: only fully transparent texels.",
        ),
    ] = 0.0
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(description="`wrap` also spreads colours across the edges, for tiling textures."),
    ] = "clamp"


bleed_alpha = operation(
    "image.bleed_alpha", version=6, params=BleedAlpha, levels=True, layers=True, memory=6.0
)(
    implementation(
        "accel.image.inpaint:bleed_alpha",
        """Spreads the colours of visible texels into transparent ones, which prevents fringes when filtering.

    Every transparent texel gets a colour: next to visible texels their mean (in linear light, weighted by
    alpha), farther away a smooth mean of nearby colours. Alpha and all other texels don't change, nor do
    images that are entirely transparent or entirely opaque. Mipmaps, faces and layers are filled too.
    Output file: `bled`. Value: a `Written`.
    """,
    )
)


class MakeTileable(Writing, frozen=True):
    """Which seams to remove, and how."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="Content of the channels. `color`: colours, weighted by alpha. `normal`: "
            "unit vectors. `data`: independent channels. " + KINDS
        ),
    ] = "auto"
    direction: Annotated[
        Literal["both", "horizontal", "vertical"],
        Meta(
            description="Direction in which copies meet: side by side (`horizontal`), one above "
            "the other (`vertical`), or both."
        ),
    ] = "both"
    size: Annotated[
        Literal["same", "cropped"],
        Meta(
            description="`same` keeps the size: the old edges meet inside the image, covered by a "
            "strip from the middle, which then appears twice. `cropped` overlaps opposite edges: "
            "nothing appears twice, but the image loses the width of the overlap."
        ),
    ] = "same"
    overlap: Annotated[
        float,
        Meta(
            ge=0.02,
            le=0.5,
            description="Share of a side within which the seam may run; at most 512 pixels.",
        ),
    ] = 0.2
    flatten: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of a photo's uneven lighting to remove first: differences in "
            "brightness and colour between quarters of a side. 0 removes nothing, 1 everything.",
        ),
    ] = 0.0


class Tileable(FirstLayer, frozen=True):
    """Visibility of the seams before and after."""

    before: Seams
    """Seams of the input."""
    after: Seams
    """Seams of the result."""
    width: int
    """Width of the result in pixels."""
    height: int
    """Height of the result in pixels."""
    kind: Literal["color", "normal", "data"]
    """The content type used for the channels."""
    below: float | None = None
    """The lowest colour before clipping, as in `Written`. Null if nothing was clipped."""
    above: float | None = None
    """The highest colour before clipping, likewise."""


make_tileable = operation("image.make_tileable", version=8, params=MakeTileable, memory=10.0)(
    implementation(
        "accel.image.tiling:make_tileable",
        """Makes a texture tileable, without visible seams between copies.

    Suits stochastic textures such as ground, stone, bark or fabric. Two parts of the image overlap. Fine
    detail changes from one to the other along the path with the smallest difference (Efros and Freeman 2001).
    Large-scale brightness and colour blend over the whole overlap without losing contrast (as in Heitz and
    Neyret 2018).
    Output file: `tileable`. Value: a `Tileable`.
    """,
    )
)


class Mipmaps(Filtering, frozen=True):
    """Options for computing the levels."""

    filter: Annotated[
        Literal["box", "kaiser", "lanczos"],
        Meta(
            description="`box`: mean of the covered area, also for odd sizes. `kaiser` and "
            "`lanczos` are sharper, with faint halos at hard edges."
        ),
    ] = "box"
    levels: Annotated[
        int,
        Meta(
            ge=0,
            le=32,
            description="Maximum number of levels, including the largest; 0 for all, down to 1×1.",
        ),
    ] = 0
    coverage: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Alpha threshold of a cut-out texture, for example 0.5: the alpha of each "
            "level is scaled to draw the same share of texels as in the largest. 0 leaves alpha "
            "unchanged.",
        ),
    ] = 0.0
    roughness: Annotated[
        Literal["all", "r", "g", "b", "a"],
        Meta(description="Channels that hold roughness, if a normal map is the second input."),
    ] = "all"
    smoothness: Annotated[bool, Meta(description="Treat these channels as smoothness, 1 - roughness.")] = (
        False
    )


mipmaps = operation(
    "image.mipmaps", version=8, params=Mipmaps, inputs=(1, 2), companions=True, layers=True, memory=5.0
)(
    implementation(
        "accel.image.mip_levels:mipmaps",
        """Creates the mipmaps of a texture, each level half the size of the previous one.

    Sides are halved and rounded down, to at least 1; with odd sides, all texels have the same weight. Levels
    are averaged from values without intermediate rounding. Normals that cancel out become flat. A second
    input, the normal map of the same surface, raises the roughness in each level to make up for the detail
    that averaged normals lose (Toksvig); `kind` is then `data`, also with `auto`. Each face and layer of a
    DDS or KTX2 gets its own mipmaps; a normal map with the same number of layers is matched layer by layer.
    Output file: `mipmaps`; in formats with a single level `mipmaps.mip0`, `mipmaps.mip1`, … Value: a
    `Written`.
    """,
    )
)
