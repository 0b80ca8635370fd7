"""What a file is, by its first bytes: suffixes lie, and only some formats are meant to be opened."""

from __future__ import annotations

import re

from msgspec import Struct


class Format(Struct, frozen=True):
    """A file format; `loader` is libvips' operation for it, None where libvips doesn't open it."""

    name: str
    loader: str | None = None


HEAD = 1024
"""Bytes that are enough to tell."""

_SIGNATURES = (
    (rb"\x89PNG\r\n\x1a\n", Format("png", "pngload")),
    (rb"\xff\xd8\xff", Format("jpeg", "jpegload")),
    (rb"RIFF.{4}WEBP", Format("webp", "webpload")),
    (rb"II[*+]\0|MM\0[*+]", Format("tiff", "tiffload")),
    (rb"GIF8[79]a", Format("gif", "gifload")),
    (rb".{4}ftypavi[fs]", Format("avif", "heifload")),
    (rb".{4}ftyp(?:mif1|msf1|hei[cmsx]|hev[cmsx])", Format("heif", "heifload")),
    (rb"8BPS", Format("psd")),
    (rb"DDS ", Format("dds")),
    (rb"\xabKTX 11\xbb", Format("KTX")),
    (rb"\xabKTX 20\xbb", Format("ktx2")),
    (rb"\x76\x2f\x31\x01", Format("exr")),
    (rb"#\?(?:RADIANCE|RGBE)", Format("hdr")),
    (rb"BM.{12}[\x0c\x28-\x80]\0\0\0", Format("bmp")),
    (rb"\0\0[\x01\x02]\0[^\0]\0", Format("Windows icon")),
    (rb"%PDF-", Format("PDF")),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", Format("JPEG XL")),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", Format("JPEG 2000")),
    (rb"qoif", Format("QOI")),
    (rb"P[1-7][\s]", Format("Netpbm")),
    (rb"\x13\xab\xa1\x5c", Format("ASTC")),
    (rb"PVR\x03", Format("PVR")),
    (rb"icns", Format("Apple icon")),
    (rb"gimp xcf", Format("GIMP")),
    (rb"BLENDER", Format("Blender")),
    (rb"PK\x03\x04", Format("ZIP archive")),
    (rb"MATLAB 5\.0", Format("MATLAB")),
    (rb"version https://git-lfs\.", Format("Git LFS pointer")),
    (rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.*|<!--.*|<!DOCTYPE\s+)?<?svg[\s>]", Format("SVG")),
    # Targa has no signature: a header of 18 bytes whose image type and depth are plausible.
    (rb".[\x00\x01][\x01-\x03\x09-\x0b].{13}[\x08\x0f\x10\x18\x20][\x00-\x3f]", Format("tga")),
)

_COMPILED = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _SIGNATURES)


def sniff(head: bytes) -> Format | None:
    """The format of a file that begins with `head`, or None if it is none of those known."""
    return next((kind for pattern, kind in _COMPILED if pattern.match(head)), None)
