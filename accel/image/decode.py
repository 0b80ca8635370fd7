"""Decodes image files: identifies the format, checks the limits and reads the pixels.

libvips reads PNG, JPEG, WebP, TIFF, GIF and AVIF; `accel.image.codecs` reads the other formats.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from msgspec import Struct

from accel.atomic_file import HELD
from accel.image.codecs import bmp, dds, exr, hdr, ktx2, png, psd, tga, vips_repairs
from accel.image.codecs.stream import Picture, Stream, check_dimensions
from accel.image.pixel_data import MAX_VALUE, DecodedImage, Pixels, vips_image
from accel.memory import claim
from accel.text import AnyText, text
from accel.workload import Input, Limits, WorkloadError, file_error_code

LOADERS = ("Png", "Jpeg", "Webp", "Tiff", "Nsgif", "Heif")
"""The permitted loaders, by the names of libvips' classes."""

LOAD_OPTIONS = {"access": "sequential", "fail_on": "error"}


def _restrict() -> None:
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in LOADERS:
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.concurrency_set(1)
    # The cache would return stale pixels for a file that has changed.
    pyvips.cache_set_max(0)


_restrict()


def open_lazily(path: str, loader: str, **options: Any) -> pyvips.Image:
    """Opens an image with a libvips loader, reading only its header. Raises pyvips.Error and OSError."""
    options |= LOAD_OPTIONS
    try:
        return getattr(pyvips.Image, loader)(path, **options)
    except UnicodeEncodeError:
        return getattr(pyvips.Image, f"{loader}_source")(stream_of(path), **options)


def stream_of(path: str) -> pyvips.Source:
    """Returns a libvips source for a file of any name. Raises pyvips.Error and OSError."""
    try:
        return pyvips.Source.new_from_file(path)
    except UnicodeEncodeError:
        # libvips accepts only UTF-8 names. It duplicates the descriptor.
        with open(path, "rb") as file:
            return pyvips.Source.new_from_descriptor(file.fileno())


def from_memory(contents: bytes, loader: str) -> pyvips.Image:
    """Opens an image from the bytes of a file, which must outlive it. Raises pyvips.Error."""
    # pyvips would copy a buffer; it neither copies nor retains the memory of a source.
    return getattr(pyvips.Image, f"{loader}_source")(pyvips.Source.new_from_memory(contents), **LOAD_OPTIONS)


class Format(Struct, frozen=True):
    """A file format. `loader` is libvips' operation, or None if libvips doesn't open the format."""

    name: str
    loader: str | None = None


HEAD_SIZE = 1024
"""Number of leading bytes that identify a format."""

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
    # Targa has no signature; match an 18-byte header with a plausible image type and depth.
    (rb".[\x00\x01][\x01-\x03\x09-\x0b].{13}[\x08\x0f\x10\x18\x20][\x00-\x3f]", Format("tga")),
)

LFS_POINTER = text("is a Git LFS pointer, not the image itself; run `git lfs pull`")
"""The reason for which a pointer in the place of an image can't be read."""

_COMPILED = tuple((re.compile(pattern, re.DOTALL), kind) for pattern, kind in _SIGNATURES)


def sniff(head: bytes) -> Format | None:
    """Returns the format of a file that begins with `head`, or None."""
    return next((kind for pattern, kind in _COMPILED if pattern.match(head)), None)


READERS: dict[str, Callable[[Stream], Picture]] = {
    "bmp": bmp.read, "tga": tga.read, "psd": psd.read, "exr": exr.read, "hdr": hdr.read, "dds": dds.read,
    "ktx2": ktx2.read,
}  # fmt: skip
"""Readers for the formats that libvips doesn't open."""

READABLE_FORMATS = text("PNG, JPEG, WebP, TIFF, GIF, AVIF, BMP, TGA, PSD, EXR, HDR, DDS or KTX2")

_UNDECODABLE = re.compile(
    # The last line covers a missing decoder, and TIFFs with doubles or 12 bits.
    r"unsupported|unimplemented|not supported|no decoder|built without|been built in|not configured|"
    r"samples out of range|not a whole number of bytes",
    re.IGNORECASE,
)

_MODELS = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb": "rgb", "rgb16": "rgb", "scrgb": "rgb"}
DEVICELESS = ("lab", "labs", "labq", "lch", "xyz", "yxy")
"""libvips' names of the colour spaces that need no profile."""
VIPS_TYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
MAX_BUFFERED = 1 << 25
"""Size in bytes of the largest file that is read into memory whole."""
_LARGEST_HALF = 65504.0
"""The largest half float. Infinities are replaced by at least this value."""


class OpenImage(Struct, frozen=True):
    """An image whose header passed the checks; libvips decodes the pixels when they are read."""

    image: pyvips.Image
    format: Format
    size: int
    """File size in bytes."""
    inflated: bool = False
    """Whether most pixels are already in memory; such an image has no profile or orientation."""
    buffer: object = None
    """Memory that backs the image and must outlive it."""
    repaired_jpeg: bytes = b""
    """A truncated JPEG with an end marker appended; empty for other files."""
    differs: bool = False
    """Whether its pixels differ from what libvips reads from the file."""

    def reopen(self, path: str, **options: Any) -> pyvips.Image:
        """Opens the image again with other loader options. Raises pyvips.Error and OSError."""
        if self.repaired_jpeg:
            return _open_repaired(self.repaired_jpeg, **options)
        return open_lazily(path, str(self.format.loader), **options)


def decode_image(
    source: Input,
    limits: Limits,
    *,
    mips: bool = False,
    layers: bool = False,
    identified: tuple[Format, int] | None = None,
) -> DecodedImage:
    """Decodes the first frame of an image, with `mips` its mip levels, with `layers` its faces and layers.

    The dimensions in the header are checked against `limits` before anything is decoded. `identified` is the
    result of `identify`, if it is known. Raises WorkloadError
    `not_found`, `bad_input`, `unsupported` or `too_large`.
    """
    kind, size = identified or identify(source)
    if kind.loader is not None:
        return _decode_in_memory(source, kind, size, limits) or _decode_with_vips(
            open_image(source, kind, size, limits), source
        )
    try:
        with Path(source.path).open("rb") as file:
            stream = Stream(file, source, kind.name, size, limits, mips=mips, layers=layers)
            picture = READERS[kind.name](stream)
    except OSError as error:
        reason = text("can't be read ({strerror})", strerror=error.strerror or error)
        raise WorkloadError(file_error_code(error, "bad_input"), reason, source.name) from None
    return _from_picture(picture, kind, size)


_WHOLE = frozenset({"webp", "gif", "avif", "heif"})
"""Formats of which libvips decodes the whole image, whatever it is asked for; to 4 bytes per pixel."""


def claim_header(source: Input, kind: Format, image: pyvips.Image) -> None:
    """Claims memory for an image that libvips has to hold as a whole. Raises WorkloadError `too_large`."""
    interlaced = image.get_typeof("interlaced") and image.get("interlaced")
    if kind.name in _WHOLE or interlaced:
        claim(source.name, image.width, image.height, max(4, pixel_bytes(image)))


def claim_pixels(source: Input, image: pyvips.Image) -> None:
    """Claims memory for all pixels of an image. Raises WorkloadError `too_large`."""
    claim(source.name, image.width, image.height, pixel_bytes(image))


def pixel_bytes(image: pyvips.Image) -> int:
    """Returns the bytes of a decoded pixel."""
    return int(image.bands) * np.dtype(VIPS_TYPES.get(image.format, np.float32)).itemsize


def _decode_in_memory(source: Input, kind: Format, size: int, limits: Limits) -> DecodedImage | None:
    """Decodes an image with libvips from memory, which is faster than from a file.

    Returns None for a large file, and on an error: libvips reports it better when it reads the file itself.
    """
    if size > MAX_BUFFERED:
        return None
    with contextlib.suppress(OSError, pyvips.Error):
        contents = Path(source.path).read_bytes()
        if kind.name == "png" and (found := png.inflate(contents, limits.max_pixels)):
            return _decode_png(found, kind, contents)
        image = from_memory(contents, str(kind.loader))
        check_dimensions(source, kind.name.upper(), image.width, image.height, limits)
        _check_planes(source, kind, image)
        claim_pixels(source, image)
        if kind.name == "jpeg" and (mended := vips_repairs.repair_jpeg(contents)):
            image = _open_repaired(mended)
        if kind.loader == vips_repairs.LOADER:
            image = vips_repairs.repair_heif(image, io.BytesIO(contents))
        return _decode_opened(OpenImage(image, kind, len(contents)), contents)
    return None


def _decode_png(inflated: png.InflatedPng, kind: Format, contents: bytes) -> DecodedImage:
    """Decodes an inflated PNG. Raises pyvips.Error for a row with an unknown filter."""
    if picture := inflated.picture():
        return _from_picture(picture, kind, len(contents), contents)
    return _decode_opened(_open_stored(inflated, kind, len(contents)), contents)


def _open_stored(found: png.InflatedPng, kind: Format, size: int) -> OpenImage:
    stored = found.stored()
    return OpenImage(from_memory(stored, str(kind.loader)), kind, size, inflated=True, buffer=stored)


def _from_picture(picture: Picture, kind: Format, size: int, contents: bytes = b"") -> DecodedImage:
    return DecodedImage(
        check_finite(picture.pixels),
        picture.color_model,
        picture.has_alpha,
        kind.name,
        size,
        picture.compression,
        picture.palette,
        picture.alpha,
        picture.profile,
        picture.float_bits,
        picture.data,
        contents,
        tuple(map(check_finite, picture.mips)),
        picture.levels,
        picture.images,
        tuple(tuple(map(check_finite, levels)) for levels in picture.others),
        picture.cube,
        picture.array,
    )


def _open_repaired(contents: bytes, **options: Any) -> pyvips.Image:
    # libvips copies a buffer, but not the memory of a source.
    return pyvips.Image.jpegload_buffer(contents, **options, **LOAD_OPTIONS)


def _decode_with_vips(opened: OpenImage, source: Input) -> DecodedImage:
    try:
        claim_pixels(source, opened.image)
        return _decode_opened(opened)
    except pyvips.Error as error:
        raise decode_error(source, opened.format, error) from None


def _decode_opened(opened: OpenImage, contents: bytes = b"") -> DecodedImage:
    image = opened.image
    if image.format not in VIPS_TYPES:
        image = image.cast("float")
    data = image.write_to_memory()
    pixels = np.frombuffer(data, VIPS_TYPES[image.format]).reshape(image.height, image.width, image.bands)
    model = _MODELS.get(image.interpretation, image.interpretation)
    palette = opened.image.get_typeof("palette") != 0
    return DecodedImage(
        check_finite(pixels), model, bool(image.hasalpha()), opened.format.name, opened.size, palette=palette,
        float_bits=32 if pixels.dtype.kind == "f" else 0, contents=contents,
    )  # fmt: skip


def without_pixels(opened: OpenImage) -> DecodedImage:
    """Returns the description of an image of integers, with no rows of pixels."""
    image = opened.image
    return DecodedImage(
        np.empty((0, image.width, image.bands), VIPS_TYPES[image.format]),
        _MODELS.get(image.interpretation, image.interpretation),
        bool(image.hasalpha()),
        opened.format.name,
        opened.size,
        palette=image.get_typeof("palette") != 0,
    )


def check_finite(pixels: Pixels) -> Pixels:
    """Replaces NaN by 0, infinities by the largest finite magnitude or 65504 if that is larger, and clips to
    +-1e12. Integers are returned unchanged."""
    if pixels.dtype.kind != "f" or np.abs(pixels).max() <= MAX_VALUE:
        return pixels
    largest = np.abs(pixels, where=np.isfinite(pixels), out=np.zeros_like(pixels)).max()
    top = min(max(float(largest), _LARGEST_HALF), MAX_VALUE)
    return np.nan_to_num(pixels, posinf=top, neginf=-top).clip(-MAX_VALUE, MAX_VALUE)


def open_image(source: Input, kind: Format, size: int, limits: Limits) -> OpenImage:
    """Opens the first frame of an image with libvips. Its pixels can be read once, from top to bottom.

    Raises WorkloadError like `decode_image`.
    """
    if kind.name == "png" and (opened := _open_inflated(source, kind, size, limits)):
        return opened
    try:
        image = open_lazily(source.path, str(kind.loader))
        check_dimensions(source, kind.name.upper(), image.width, image.height, limits)
        _check_planes(source, kind, image)
        claim_header(source, kind, image)
        if kind.name == "jpeg" and (mended := vips_repairs.repaired_jpeg(Path(source.path))):
            return OpenImage(_open_repaired(mended), kind, size, repaired_jpeg=mended)
        if kind.loader == vips_repairs.LOADER:
            with open(source.path, "rb") as file:
                result = vips_repairs.repair_heif(image, file)
            return OpenImage(result, kind, size, differs=result is not image)
    except OSError as error:
        reason = text("can't be read ({strerror})", strerror=error.strerror or error)
        raise WorkloadError(file_error_code(error, "bad_input"), reason, source.name) from None
    except pyvips.Error as error:
        raise decode_error(source, kind, error) from None
    return OpenImage(image, kind, size)


def _check_planes(source: Input, kind: Format, image: pyvips.Image) -> None:
    """Raises WorkloadError for a TIFF that libvips would scramble. Raises OSError."""
    if kind.name != "tiff" or image.bands == 1:
        return
    bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 0
    half = image.format == "float" and bits == 16
    with open(source.path, "rb") as file:
        if vips_repairs.has_mixed_layout(file, half):
            reason = text(
                "is a TIFF of a kind that isn't opened here: its channels are stored as separate planes; "
                "save it with interleaved channels"
            )
            raise WorkloadError("unsupported", reason, source.name)


def _open_inflated(source: Input, kind: Format, size: int, limits: Limits) -> OpenImage | None:
    """Opens a PNG that has no profile or orientation. Returns None for others, and on an error."""
    if size > MAX_BUFFERED:
        return None
    with contextlib.suppress(OSError, pyvips.Error):
        contents = Path(source.path).read_bytes()
        if found := png.inflate(contents, limits.max_pixels, as_shown=True):
            if picture := found.picture():
                image = vips_image(picture.pixels, "srgb" if picture.color_model == "rgb" else "b-w")
                return OpenImage(image, kind, size, inflated=True)
            return _open_stored(found, kind, size)
    return None


def identify(source: Input) -> tuple[Format, int]:
    """Returns the file's format and size in bytes. Raises WorkloadError if it can't be opened or read."""
    head, size = _read_head(source)
    if size == 0:
        raise WorkloadError("bad_input", text("is empty (0 bytes)"), source.name)
    kind = sniff(head)
    if kind is None:
        raise WorkloadError("bad_input", text("isn't an image of a format known here"), source.name)
    if kind.name == "Git LFS pointer":
        raise WorkloadError("bad_input", LFS_POINTER, source.name)
    if kind.loader is None and kind.name not in READERS:
        raise WorkloadError(
            "unsupported",
            text("is a {kind} file; give {offered}", kind=kind.name, offered=READABLE_FORMATS),
            source.name,
        )
    return kind, size


def _read_head(source: Input) -> tuple[bytes, int]:
    path = Path(source.path)
    try:
        with path.open("rb") as file:
            return file.read(HEAD_SIZE), path.stat().st_size
    except FileNotFoundError:
        raise WorkloadError("not_found", text("isn't there"), source.name) from None
    except (OSError, ValueError) as error:
        code = file_error_code(error, "bad_input")
        raise WorkloadError(code, _read_failure(path, error), source.name) from None


def _read_failure(path: Path, error: OSError | ValueError) -> AnyText:
    """Returns why a file can't be read. On Windows, "permission denied" can mean a folder or a locked
    file."""
    if path.is_dir():
        return text("is a folder")
    locked = sys.platform == "win32" and isinstance(error, PermissionError)
    strerror = HELD if locked else getattr(error, "strerror", None) or error
    return text("can't be read ({strerror})", strerror=strerror)


def decode_error(source: Input, kind: Format, error: pyvips.Error) -> WorkloadError:
    """Converts a libvips error to a WorkloadError that names the file as the caller does. Raises MemoryError
    if memory or threads ran out."""
    detail = _detail(source, error)
    if "out of memory" in detail or "creating thread" in detail:
        raise MemoryError(detail)
    if "labq" in detail:
        # libvips confuses 8-bit CIELAB with its own LabQ, which has another size.
        reason = text(
            "is a TIFF of 8 bit CIELAB colours, which aren't opened here; save it as RGB, or with 16 bits"
        )
        return WorkloadError("unsupported", reason, source.name)
    if _UNDECODABLE.search(detail):
        reason = text(
            "is a {upper} of a kind that isn't opened here; save it as PNG ({detail})",
            upper=kind.name.upper(),
            detail=detail,
        )
        return WorkloadError("unsupported", reason, source.name)
    return WorkloadError(
        "bad_input",
        text("is a truncated or corrupt {upper} ({detail})", upper=kind.name.upper(), detail=detail),
        source.name,
    )


def _detail(source: Input, error: pyvips.Error) -> str:
    # libvips lists every message since the last success, the cause first. But for some intact HEIF files it
    # reports failed seeks before it says that it can't decode them.
    text = str(error.detail or error.message).replace(source.path, "file")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no details"]
    return next((line for line in lines if "bad seek" not in line), lines[0])[:200]
