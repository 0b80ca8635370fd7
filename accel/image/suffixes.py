"""How files of each media type end: of every format that is written here, and of what goes with images."""

from __future__ import annotations

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
"""By media type, in lower case. Light to import, as the shell names files without an image library."""

ALIASES = {".jpeg": ".jpg", ".tiff": ".tif"}
"""How else files are called, by the suffix that they get here."""
IMAGES = frozenset(suffix for media_type, suffix in SUFFIXES.items() if media_type.startswith("image/"))
"""Suffixes of images alone."""


def suffix_of(media_type: str) -> str:
    """The suffix with its dot; empty for a media type that isn't known.

    Parameters (`; charset=...`, RFC 2045 section 5.1) count for nothing.
    """
    return SUFFIXES.get(media_type.partition(";")[0].strip().lower(), "")
