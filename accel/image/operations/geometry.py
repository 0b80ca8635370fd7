"""Declares resize, thumbnail, convert, premultiply, bleed_alpha, make_tileable and mipmaps."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from accel.image.operation import KINDS, AnyKind, Filtering, FirstLayer, Writing, operation
from accel.image.records import Seams
from accel.text import AnyText, text
from accel.workload import Params, implementation, workload


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
        used = (self.width or self.height, self.longest, self.power_of_two != "no", self.factor)
        if sum(map(bool, used)) == 1:
            return ""
        options = [text("width and height"), "longest", "power_of_two", "factor"]
        names = [option for option, value in zip(options, used, strict=True) if value]
        if not names:
            return text("give one of {options}; got none of them", options=options)
        return text("give one of {options}; got {names}", options=options, names=names)


resize = operation("image.resize", version=9, params=Resize, levels=True, layers=True)(
    implementation(
        "accel.image.resample:resize",
        """Makes an image larger or smaller.

    Colours are averaged as light and in proportion to alpha; 8 bit, 16 bit and floats stay what they are, and
    no channel of floats rings beyond its least and largest value. An image that has the size already is given
    as it is. Of another size it has no mip levels: `image.mipmaps` makes them anew. Of a cube or an array in
    DDS or KTX2 each face and layer is resized, all as what the first is taken for.
    Output file: `resized`. Value: a `Written`.
    """,
    )
)


class Thumbnail(Params, frozen=True):
    """How large, and in which format."""

    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side, pixels.")] = 256
    format: Annotated[
        Literal["png", "jpeg", "webp"], Meta(description="File format; JPEG puts transparency on white.")
    ] = "png"


thumbnail = workload("image.thumbnail", version=8, params=Thumbnail)(
    implementation(
        "accel.image.inspect:thumbnail",
        """Makes a preview that fits into a square.

    The aspect is kept, nothing is enlarged, the EXIF orientation is honoured, colours become 8 bit sRGB; of
    HDR values what is brighter than 1 is white. Integers are averaged by their sRGB codes and not as light,
    which for a preview would take two to three times as long: fine light patterns on dark ground come out
    darker than they look. `image.resize` averages as light. Opaque images are averaged in whole blocks, and
    what is left, less than a half, by Lanczos.
    Output file: `thumbnail`. Value: `{width, height}`, pixels.
    """,
    )
)


class Convert(Writing, frozen=True):
    """To what."""


convert = operation("image.convert", version=9, params=Convert, levels=True, layers=True)(
    implementation(
        "accel.image.encode:convert",
        """Writes an image in another format or depth.

    EXIF's orientation is applied and an embedded colour profile converted to sRGB, as files for engines carry
    neither; metadata is left out. Where the format holds no transparency, the image is put on white. Floats
    become sRGB where there are three colours and the format holds integers alone, and what is brighter than 1
    or below 0 is cut off; so is what is below 0 in HDR, and told. Of a normal map they stay vectors, of which
    those of -1 to 1 become 0 to full scale. EXR and PSD keep no colours where nothing is to be seen, unless
    `transfer` is `linear`. Floats keep their 16 or 32 bits in EXR; of what came as integers EXR holds half
    floats, or single ones where half would lose data: grey, and what is read as `linear`, that it doesn't
    hold exactly. DDS and KTX2 say of no normal map that it is sRGB, and keep the mip levels, cube's faces and
    array's layers that the other, or the same, holds (an array of one layer is a plain texture in DDS);
    all other formats hold the first image alone, and of a volume the first slice alone is read. A normal map
    is told by its texels, as by `image.resize`, unless `transfer` is `srgb`.
    Output file: `converted`. Value: a `Written`.
    """,
    )
)


class Premultiply(Writing, frozen=True):
    """Which way, and of what."""

    inverse: Annotated[
        bool,
        Meta(
            description="Whether to divide colours that are multiplied by their alpha already. Files that "
            "say so (EXR, and DDS, KTX2, AVIF and TIFF with a mark) are opened that way without it."
        ),
    ] = False
    linear_light: Annotated[
        bool,
        Meta(
            description="Whether sRGB colours are multiplied as light, which is right where a GPU decodes a "
            "texture as sRGB before it blends. Off multiplies their codes, as 2D frameworks and file formats "
            "with premultiplied alpha expect it. Data and floats are multiplied as they are either way."
        ),
    ] = True


premultiply = operation("image.premultiply", version=8, params=Premultiply, levels=True, layers=True)(
    implementation(
        "accel.image.alpha:premultiply",
        """Multiplies colours by their alpha, for blending that adds them as they are.

    8 and 16 bit are rounded to the nearest code; mip levels, faces and layers are kept. The inverse gives 0
    where alpha is 0. An image without alpha is given as it is. Let it be the last step but `image.compress`:
    other operations take colours for not multiplied. DDS and KTX2 say that they are, except sRGB codes
    without `linear_light`; EXR holds them once, as light, and is opened as the image that it was.
    Formats without transparency get what is seen on white; others hold the numbers, and nothing says of what
    kind they are.
    Output file: `premultiplied`. Value: a `Written`.
    """,
    )
)


class BleedAlpha(Writing, frozen=True):
    """What is filled."""

    threshold: Annotated[
        float,
        Meta(
            ge=0,
            lt=1,
            description="Alpha up to which a texel's own colour is replaced; 0: only where it is 0.",
        ),
    ] = 0.0
    edge: Annotated[
        Literal["clamp", "wrap"],
        Meta(description="Whether colours also come across the edges, as for textures that tile (`wrap`)."),
    ] = "clamp"


bleed_alpha = operation("image.bleed_alpha", version=6, params=BleedAlpha, levels=True, layers=True)(
    implementation(
        "accel.image.inpaint:bleed_alpha",
        """Spreads the colours of visible texels into transparent ones, so that filters mix in no other.

    Every transparent texel gets a colour: beside visible ones the mean of those (as light, weighed by alpha),
    farther off a smooth mean of what is near. Alpha and all other texels are left as they are; so is an image
    of which nothing, or all, is transparent. Mip levels, faces and layers are filled as well.
    Output file: `bled`. Value: a `Written`.
    """,
    )
)


class MakeTileable(Writing, frozen=True):
    """Which seams, and how they are hidden."""

    kind: Annotated[
        AnyKind,
        Meta(
            description="What the channels are: `color`, weighed by its alpha; `normal`, unit vectors; "
            "`data`, each channel by itself. " + KINDS
        ),
    ] = "auto"
    direction: Annotated[
        Literal["both", "horizontal", "vertical"],
        Meta(
            description="Where copies are to meet: side by side (`horizontal`), one above the other, or both."
        ),
    ] = "both"
    size: Annotated[
        Literal["same", "cropped"],
        Meta(
            description="`same` keeps the size: the old edges meet inside, under a strip from the middle, "
            "which is then seen twice. `cropped` lays opposite edges over each other: nothing is "
            "seen twice, and the overlap is missing from the size."
        ),
    ] = "same"
    overlap: Annotated[
        float,
        Meta(
            ge=0.02,
            le=0.5,
            description="The share of a side within which a seam may run, 512 pixels at the most.",
        ),
    ] = 0.2
    flatten: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much of a photo's uneven light is taken out first: differences in brightness "
            "and colour between quarters of a side. 0 none, 1 all.",
        ),
    ] = 0.0


class Tileable(FirstLayer, frozen=True):
    """How visible the seams were and are."""

    before: Seams
    """Of the image as it came."""
    after: Seams
    """Of the result."""
    width: int
    """Pixels of the result."""
    height: int
    """Pixels of the result."""
    kind: Literal["color", "normal", "data"]
    """What the channels were taken for."""
    below: float | None = None
    """The least colour that the file holds no value for and cuts off, as `Written` has it. Null for none."""
    above: float | None = None
    """The same of the largest."""


make_tileable = operation("image.make_tileable", version=8, params=MakeTileable)(
    implementation(
        "accel.image.tiling:make_tileable",
        """Makes a texture tile: copies of it meet without a visible seam.

    For stochastic textures, such as ground, stone, bark or fabric. Two parts of the image overlap; fine
    detail changes from one to the other along the path on which they differ least (Efros and Freeman 2001),
    coarse brightness and colour over the whole overlap, without loss of contrast (as in Heitz and Neyret
    2018).
    Output file: `tileable`. Value: a `Tileable`.
    """,
    )
)


class Mipmaps(Filtering, frozen=True):
    """How levels are made."""

    filter: Annotated[
        Literal["box", "kaiser", "lanczos"],
        Meta(
            description="`box`: the mean of what a texel covers, also of odd sizes; `kaiser` and `lanczos` "
            "are sharper, with faint halos at hard edges."
        ),
    ] = "box"
    levels: Annotated[
        int,
        Meta(ge=0, le=32, description="Most levels, the largest included; 0 for all, down to 1 x 1."),
    ] = 0
    coverage: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="The alpha from which a cut-out's texels are drawn, for example 0.5: each level's "
            "alpha is scaled so that the same share of it is drawn as of the largest. 0 leaves alpha alone.",
        ),
    ] = 0.0
    roughness: Annotated[
        Literal["all", "r", "g", "b", "a"],
        Meta(description="With a normal map as second input: the channels that hold roughness."),
    ] = "all"
    smoothness: Annotated[
        bool, Meta(description="Whether those channels hold smoothness instead, 1 - roughness.")
    ] = False


mipmaps = operation("image.mipmaps", version=8, params=Mipmaps, inputs=(1, 2), companions=True, layers=True)(
    implementation(
        "accel.image.mip_levels:mipmaps",
        """Makes the mip levels of a texture, each half of the one before.

    Sides are halved and rounded down, to 1 at the least; of odd sides each texel counts as much as any other.
    Each level is averaged from values that weren't rounded in between. Normals that cancel become flat.
    A second input, the normal map of the same surface, raises the roughness in the first one's levels by
    what the averaged normals no longer show (Toksvig); `kind` is then `data`, also by `auto`.
    Each face of a cube and each layer of an array in DDS or KTX2 has its own; of a normal map that has as
    many layers each belongs to one.
    Output file: `mipmaps`; in formats that hold one level `mipmaps.mip0`, `mipmaps.mip1`, … Value: a
    `Written`.
    """,
    )
)
