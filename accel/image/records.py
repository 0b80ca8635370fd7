"""Records of an image's facts, and tables of file types; both without an image library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Compression = Literal["", "bc1", "bc2", "bc3", "bc4", "bc5", "bc6h", "bc7", "etc2", "astc"]
"""Empty for none."""


Share = Annotated[float, Meta(ge=0, le=1)]
"""A part of a whole: 0 none of it, 1 all of it."""

TOLERANCE = 0.05
"""How far a vector's length may be from 1 to count as a unit vector: 8 bit rounding takes up to 0.007,
block or JPEG compression a few hundredths."""


class Channel(Struct, frozen=True):
    """One channel over all pixels, exact.

    Values of 8 and 16 bit are scaled to 0..1 (0 to 255, and 0 to 65535); those of 32 bit are as stored.
    """

    name: str
    """`r`, `g`, `b`, `a`; `l` for grey; `c`, `m`, `y`, `k`; a number for anything else."""
    min: float
    """The smallest value."""
    max: float
    """The largest value."""
    mean: float
    """The arithmetic mean."""
    std: float
    """The standard deviation over all pixels, on the same scale."""


class Alpha(Struct, frozen=True):
    """The alpha channel over all pixels, exact; 0..1."""

    used: bool
    """Whether it differs from pixel to pixel."""
    constant: int | None
    """Its value where it is the same everywhere, in steps of 1/255; None where it isn't."""
    min: float
    """The smallest value, 0..1."""
    max: float
    """The largest value, 0..1."""
    share_opaque: Share
    """Share of pixels whose alpha is full."""
    share_transparent: Share
    """Share of pixels whose alpha is 0."""


class Normals(Struct, frozen=True):
    """What speaks for and against a tangent-space normal map; from a regular sample of the texels."""

    unit_length: Share
    """Share of texels whose vector 2 * rgb - 1 has a length of 1 +- `tolerance`."""
    tolerance: float
    """How far a length may be from 1, for `unit_length`."""
    mean: Sequence[float]
    """The mean colour, three times 0..1; exact."""
    flat: Share
    """Share of texels within 4/255 of (0.5, 0.5, 1), the undisturbed surface."""
    convention: Literal["opengl", "directx"] | None
    """Where green points: up (OpenGL) or down (DirectX); None where the texels don't tell."""
    convention_confidence: Share
    """How sure that is: 0.7 and more names a convention; 0 is no evidence, as for straight ridges,
    or evidence that contradicts itself.

    A surface's slopes p, q have no curl: dp/dy = dq/dx. Compared are the squared residuals of that equation
    under the two conventions, and how well separate parts of the image, its grain and its waves agree.
    """


class Seams(Struct, frozen=True):
    """How visible a seam is where copies of the image meet: 0 none (tileable), 1 obvious."""

    horizontal: Share
    """Left edge against right edge: 0 is seamless, 1 an obvious seam."""
    vertical: Share
    """Top edge against bottom edge: 0 is seamless, 1 an obvious seam."""


class Inspection(Struct, frozen=True):
    """An image's facts."""

    format: str
    """`png`, `jpeg`, `webp`, `tiff`, `gif`, `avif`, `heif`, `bmp`, `tga`, `psd`, `exr`, `hdr`, `dds` or
    `ktx2`, by the file's content."""
    size: int
    """The file's bytes."""
    compression: Compression
    """`bc1` to `bc7`, `etc2` or `astc`, what GPUs read directly; empty for anything else."""
    width: int
    """Pixels, as stored: an EXIF orientation isn't applied, as engines don't."""
    height: int
    """Pixels, as stored."""
    power_of_two: bool
    """Whether both sides are powers of two."""
    channels: int
    """Their number, alpha included."""
    bit_depth: Literal[8, 16, 32]
    """Of a decoded channel; fewer bits are decoded to 8."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether there is an alpha channel."""
    alpha: Alpha | None
    """What is in it; None without one."""
    grey: bool
    """R = G = B in every pixel, also where it is stored as RGB."""
    statistics: Sequence[Channel]
    """One for each channel, in the order in which they are stored."""
    entropy: Annotated[float, Meta(ge=0, le=8)]
    """Of the luminance, bits per pixel; from the sample."""
    normals: Normals | None
    """What speaks for a normal map; None where there are no three colour channels of 8 or 16 bit."""
    seams: Seams
    """How visible the edges are where copies meet."""
    palette: bool = False
    """Whether the file holds numbers of colours in a palette, one for each pixel."""
    multiplied: bool = False
    """Whether colours are stored multiplied by alpha, as the file says or its format (EXR) has it;
    `statistics` are of what is stored. Operations open them straight. Of AVIF it is undone already."""
    levels: int = 1
    """Mip levels of a DDS or KTX2, as its header says, the largest included; else 1."""
    images: int = 1
    """Faces of cubes, layers of arrays and slices of volumes that a DDS or KTX2 holds, of which the first is
    looked at; else 1."""

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height, pixels as stored."""
        return self.width, self.height


VERSION = 4
"""The version of decoding, which invalidates cached results. Raise it when `decode_image` or `open_raster`
returns other pixels for some file, or opens files that it refused before."""


SUFFIXES = {
    "application/json": ".json",
    "application/octet-stream": ".bin",
    "application/x-tpsheet": ".tpsheet",
    "application/xml": ".xml",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/ktx2": ".ktx2",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "image/vnd-ms.dds": ".dds",
    "image/vnd.adobe.photoshop": ".psd",
    "image/vnd.radiance": ".hdr",
    "image/webp": ".webp",
    "image/x-exr": ".exr",
    "image/x-tga": ".tga",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/x-tpsheet": ".tpsheet",
    "text/xml": ".xml",
}
"""The file extension by media type, in lower case."""

ALIASES = {".jpeg": ".jpg", ".tiff": ".tif"}
"""Other extensions of the same formats."""
IMAGES = frozenset(suffix for media_type, suffix in SUFFIXES.items() if media_type.startswith("image/"))
"""The extensions of images."""


def suffix_of(media_type: str) -> str:
    """The file extension with its dot; empty for an unknown media type.

    Parameters (`; charset=...`, RFC 2045 section 5.1) are ignored.
    """
    return SUFFIXES.get(media_type.partition(";")[0].strip().lower(), "")
