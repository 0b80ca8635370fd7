"""Records of image facts, and tables of file types. Needs no image library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Compression = Literal["", "bc1", "bc2", "bc3", "bc4", "bc5", "bc6h", "bc7", "etc2", "astc"]
"""Block compression; empty for none."""


Share = Annotated[float, Meta(ge=0, le=1)]
"""A fraction, 0 to 1."""

TOLERANCE = 0.05
"""Maximum deviation of a unit vector's length from 1: 8-bit rounding causes up to 0.007, block or JPEG
compression a few hundredths."""


class Channel(Struct, frozen=True):
    """Statistics of one channel, exact over all pixels.

    8- and 16-bit values are scaled to 0..1; 32-bit values are as stored.
    """

    name: str
    """`r`, `g`, `b` or `a`; `l` for grey; `c`, `m`, `y` or `k`; a number for anything else."""
    min: float
    """The smallest value."""
    max: float
    """The largest value."""
    mean: float
    """The arithmetic mean."""
    std: float
    """The standard deviation over all pixels, on the same scale."""


class Alpha(Struct, frozen=True):
    """Statistics of the alpha channel, exact over all pixels; 0..1."""

    used: bool
    """Whether it varies between pixels."""
    constant: int | None
    """The value in steps of 1/255 if all pixels have the same, otherwise None."""
    min: float
    """The smallest value, 0..1."""
    max: float
    """The largest value, 0..1."""
    share_opaque: Share
    """Share of pixels with full alpha."""
    share_transparent: Share
    """Share of pixels with alpha 0."""


class Normals(Struct, frozen=True):
    """Evidence for and against a tangent-space normal map, from a regular sample of the texels."""

    unit_length: Share
    """Share of texels whose vector 2 * rgb - 1 has length 1 ± `tolerance`."""
    tolerance: float
    """Maximum deviation from length 1, for `unit_length`."""
    mean: Sequence[float]
    """Mean red, green and blue over all texels, 0..1."""
    flat: Share
    """Share of texels within 4/255 of (0.5, 0.5, 1), the flat normal."""
    convention: Literal["opengl", "directx"] | None
    """Green up (OpenGL) or down (DirectX); None if the texels don't show it."""
    convention_confidence: Share
    """Confidence in the convention, which is only named from 0.7 up. 0 means no evidence (as for straight
    ridges) or contradictory evidence.

    The slopes p, q of a surface have no curl: dp/dy = dq/dx. Confidence depends on the squared residuals of
    this equation under both conventions, and on whether separate parts of the image, its grain and its waves
    agree.
    """


class Seams(Struct, frozen=True):
    """Visibility of the seam where copies of the image meet: 0 none (tileable), 1 obvious."""

    horizontal: Share
    """Left edge against right edge: 0 is seamless, 1 an obvious seam."""
    vertical: Share
    """Top edge against bottom edge: 0 is seamless, 1 an obvious seam."""


class Inspection(Struct, frozen=True):
    """Facts about an image."""

    format: str
    """File format by content: `png`, `jpeg`, `webp`, `tiff`, `gif`, `avif`, `heif`, `bmp`, `tga`, `psd`,
    `exr`, `hdr`, `dds` or `ktx2`."""
    size: int
    """File size in bytes."""
    compression: Compression
    """GPU block compression: `bc1` to `bc7`, `etc2` or `astc`; empty for none."""
    width: int
    """Width in pixels as stored: like engines, it ignores the EXIF orientation."""
    height: int
    """Height in pixels as stored."""
    power_of_two: bool
    """Whether both sides are powers of two."""
    channels: int
    """Number of channels, including alpha."""
    bit_depth: Literal[8, 16, 32]
    """Bits per decoded channel; lower depths are decoded to 8."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether there is an alpha channel."""
    alpha: Alpha | None
    """Statistics of the alpha channel, if there is one."""
    grey: bool
    """Whether R = G = B in every pixel, even if stored as RGB."""
    statistics: Sequence[Channel]
    """One entry per channel, in stored order."""
    entropy: Annotated[float, Meta(ge=0, le=8)]
    """Entropy of luminance in bits per pixel, from a sample."""
    normals: Normals | None
    """Evidence for a normal map; None without three colour channels of 8 or 16 bits."""
    seams: Seams
    """Visibility of seams where copies meet."""
    palette: bool = False
    """Whether the file stores palette indices instead of colours."""
    multiplied: bool = False
    """Whether colours are stored premultiplied by alpha, according to the file or its format (EXR).
    `statistics` describe the stored values; operations undo it when they open the file, and AVIF is decoded
    without it."""
    levels: int = 1
    """Number of mip levels in the header of a DDS or KTX2, including the largest; otherwise 1."""
    images: int = 1
    """Number of cube faces, array layers and volume slices in a DDS or KTX2; only the first is inspected.
    Otherwise 1."""
    hard_edges: Share = 0.0
    """Share of the changes in luminance between neighbouring pixels that are steps of at least 0.15, by size:
    near 1 for pixel art, 0 for glows and gradients; from a sample."""

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height in pixels, as stored."""
        return self.width, self.height


VERSION = 4
"""Version of the decoders, part of cache keys. Raise it whenever `decode_image` or `open_raster` returns
different pixels for some file, or opens files it used to refuse."""


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
"""File extension in lower case, by media type."""

ALIASES = {".jpeg": ".jpg", ".tiff": ".tif"}
"""Alternative extensions of the same formats."""
IMAGES = frozenset(suffix for media_type, suffix in SUFFIXES.items() if media_type.startswith("image/"))
"""Extensions of image files."""


def suffix_of(media_type: str) -> str:
    """Returns the file extension with its dot, or an empty string for an unknown media type.

    Parameters (`; charset=...`, RFC 2045 section 5.1) are ignored.
    """
    return SUFFIXES.get(media_type.partition(";")[0].strip().lower(), "")
