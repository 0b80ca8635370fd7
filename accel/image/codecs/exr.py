"""Reads and writes OpenEXR with OpenImageIO."""

from __future__ import annotations

import shutil
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from accel.image.alpha import mix_with_white
from accel.image.codecs.stream import Picture, Stream
from accel.image.operation import Writing
from accel.image.pixel_data import AlphaMixing, Pixels
from accel.image.raster import Raster
from accel.text import text
from accel.workload import WorkloadError

_HEADER = 1 << 20
"""Maximum number of header bytes to read for the attributes used here."""

_MAX_CHANNELS = 1024
"""Maximum number of channels in a file; renderers write dozens."""

_DEEP = 0x800


class _Header(Struct, frozen=True):
    """The header fields that are checked before OpenImageIO opens the file."""

    width: int
    height: int
    channels: int


def read(stream: Stream) -> Picture:
    """Raises WorkloadError."""
    header = _header(stream, stream.rest(_HEADER))
    stream.check_size(header.width, header.height)
    if not 1 <= header.channels <= _MAX_CHANNELS:
        raise stream.broken(text("{n} channels", n=header.channels))
    return _read_picture(stream, header)


def _header(stream: Stream, head: bytes) -> _Header:
    """Parses magic number, version and attributes: name, type, size, value ("OpenEXR File Layout")."""
    if len(head) < 8:
        raise stream.truncated(text("its header has no end"))
    if struct.unpack_from("<I", head, 4)[0] & _DEEP:
        raise stream.unsupported(text("it is deep data; flatten it"))
    found, at = {}, 8
    while head[at : at + 1] not in (b"\0", b""):
        name, _, behind = head[at : at + 512].partition(b"\0")
        kind, _, _ = behind.partition(b"\0")
        begin = at + len(name) + len(kind) + 6
        size = int.from_bytes(head[begin - 4 : begin], "little")
        found[name] = head[begin : begin + size]
        if begin + size > len(head):
            raise stream.truncated(text("its header has no end"))
        at = begin + size
    window, channels = found.get(b"dataWindow", b""), found.get(b"channels", b"")
    if len(window) != 16 or not channels:
        raise stream.broken(text("its header lacks a data window or channels"))
    left, top, right, bottom = struct.unpack("<4i", window)
    return _Header(right - left + 1, bottom - top + 1, _count(channels))


def _count(channels: bytes) -> int:
    """Returns the length of a channel list, whose entries are a name and 16 bytes each."""
    at = count = 0
    while channels[at : at + 1] not in (b"\0", b""):
        end = channels.find(b"\0", at)
        at, count = (end if end >= 0 else len(channels)) + 17, count + 1
    return count


def _read_picture(stream: Stream, header: _Header) -> Picture:
    path = stream.source.path
    # OpenImageIO picks the reader by extension, and parses options after a question mark.
    if path.lower().endswith(".exr") and "?" not in path and _is_unicode(path):
        return _open(stream, header, path)
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        plain = str(Path(folder) / "picture.exr")
        shutil.copyfile(path, plain)
        return _open(stream, header, plain)


def _is_unicode(path: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in path)


def _open(stream: Stream, header: _Header, path: str) -> Picture:
    try:
        return _read_with_library(stream, header, path)
    # Raised for channel names, and for library errors that quote the file.
    except UnicodeDecodeError:
        raise stream.broken(text("a text in it isn't UTF-8")) from None


def _read_with_library(stream: Stream, header: _Header, path: str) -> Picture:
    oiio = library()
    config = oiio.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)
    file = oiio.ImageInput.open(path, config)
    if file is None:
        raise _read_error(stream, path, oiio.geterror())
    try:
        spec = file.spec()
        if (spec.width, spec.height) != (header.width, header.height):
            raise stream.broken(text("its header contradicts itself"))
        chosen = _choose_channels(spec.channelnames)
        used = [index for index in chosen.places if index is not None]
        begin, end = min(used), max(used) + 1
        pixels = file.read_image(0, 0, begin, end, "float")
        # 32-bit integers lose the least as 32-bit floats.
        halves = all(str(spec.channelformat(index)) == "half" for index in used)
        # For a truncated file, the library may return both pixels and an error.
        detail = file.geterror()
    finally:
        file.close()
    if detail or pixels is None:
        raise _read_error(stream, path, detail)
    # Colours are premultiplied (OpenEXR, "Technical Introduction"), but data with other names aren't.
    alpha: AlphaMixing = "straight" if chosen.data else "multiplied"
    places = [None if index is None else index - begin for index in chosen.places]
    return Picture(
        _select_channels(pixels, header, places), chosen.model, chosen.alpha, alpha=alpha,
        float_bits=16 if halves else 32, data=chosen.data,
    )  # fmt: skip


def _select_channels(pixels: Any, header: _Header, places: Sequence[int | None]) -> Pixels:
    """Reorders channels; None stands for zeros."""
    read = np.ascontiguousarray(pixels).reshape(header.height, header.width, -1)
    if list(places) == list(range(read.shape[2])):
        return read
    result = np.zeros((header.height, header.width, len(places)), read.dtype)
    for index, place in enumerate(places):
        if place is not None:
            result[..., index] = read[..., place]
    return result


class _Selection(Struct, frozen=True):
    """The channels to read from a file."""

    places: Sequence[int | None]
    """Each channel's index in the file, or None for a missing colour."""
    model: str
    alpha: bool
    data: bool = False


def _choose_channels(names: Sequence[str]) -> _Selection:
    """Selects the channels without a layer name, or else those of the first layer with colours or grey.

    Two of red, green and blue, or two channels with other names (such as motion U and V), become RGB with the
    third missing. Of three or more other channels, the first three are read, for example positions X, Y, Z.
    """
    layers: dict[str, dict[str, int]] = {}
    for index, name in enumerate(names):
        layer, _, part = name.rpartition(".")
        layers.setdefault(layer, {}).setdefault(part.lower(), index)
    order = sorted(layers, key=lambda one: (one != "", min(layers[one].values())))
    for layer in order:
        parts = layers[layer]
        alpha = [parts["a"]] if "a" in parts else []
        colors = [parts.get(name) for name in "rgb"]
        found = [place for place in colors if place is not None]
        if len(found) > 1:
            return _Selection([*colors, *alpha], "rgb", bool(alpha), data=len(found) == 2)
        grey = found or ([parts["y"]] if "y" in parts and "x" not in parts else [])
        if grey:
            return _Selection([*grey, *alpha], "grey", bool(alpha))
    return _choose_unnamed(layers[order[0]])


def _choose_unnamed(parts: dict[str, int]) -> _Selection:
    """Selects channels with other names: one becomes grey, two or three become RGB."""
    alpha = [parts["a"]] if "a" in parts and len(parts) > 1 else []
    found = [place for part, place in parts.items() if not alpha or part != "a"][:3]
    if len(found) == 1:
        return _Selection([*found, *alpha], "grey", bool(alpha))
    return _Selection([*found, *[None] * (3 - len(found)), *alpha], "rgb", bool(alpha), data=True)


def _read_error(stream: Stream, path: str, detail: str) -> Exception:
    lines = [line.strip() for line in detail.replace(path, "file").splitlines() if line.strip()]
    shown = (
        "".join(letter if letter.isprintable() else "?" for letter in lines[-1][:200])
        if lines
        else "no details"
    )
    return stream.broken(text("or truncated: {reason}", reason=shown))


def library() -> Any:
    """Returns OpenImageIO, configured for one thread and for only the reader of the file's extension."""
    # Imported late: importing takes as long as decoding a small image.
    import OpenImageIO

    OpenImageIO.attribute("threads", 1)
    OpenImageIO.attribute("exr_threads", -1)
    OpenImageIO.attribute("try_all_readers", 0)
    return OpenImageIO


_NAMES = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}
LARGEST = 65504.0
"""The largest half float."""

_STRIP = 1 << 16
"""Values compared at a time."""


def write_exr(image: Raster, params: Writing) -> bytes:
    """Writes scanlines with ZIP compression. Straight colours are premultiplied, data aren't.

    Raises WorkloadError `unsupported`.
    """
    straight = image.has_alpha and not (image.data or image.multiplied)
    pixels = mix_with_white(image.pixels, "multiplied") if straight else image.pixels
    oiio = library()
    kind = "float"
    if exr_bits(image, params) == 16:
        # Larger values would become infinite.
        kind, pixels = "half", pixels.clip(-LARGEST, LARGEST)
    spec = oiio.ImageSpec(image.width, image.height, image.channels, kind)
    spec.channelnames = _NAMES[image.channels]
    spec.attribute("compression", "zip")
    # By default the library adds the time, so that equal images would produce different files.
    spec.attribute("DateTime", "")
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = Path(folder) / "picture.exr"
        file = oiio.ImageOutput.create(str(path))
        done = file.open(str(path), spec) and file.write_image(pixels)
        # Close first: Windows can't remove a folder with open files.
        if not file.close() or not done:
            detail = file.geterror().replace(str(path), "file").strip()[:200]
            raise WorkloadError(
                "unsupported", text("can't be written as EXR ({detail})", detail=detail), image.name
            )
        return path.read_bytes()


def exr_bits(image: Raster, params: Writing) -> int:
    """Returns the bits per channel to write, 16 or 32: as requested, or as the source's floats were stored.

    From integers, colours get 16 (11 significant bits, more than is visible); grey and data get 32 unless
    half floats represent them exactly. Values beyond 65504 get 32 unless 16 is requested.
    """
    if params.bits in ("8", "16"):
        return 16
    if params.bits == "32" or image.float_bits == 32 or np.abs(image.pixels).max() > LARGEST:
        return 32
    if image.float_bits == 16:
        return 16
    seen = image.colors == 3 and not image.data
    return 16 if seen or _fits_half(image.pixels.reshape(-1)) else 32


def _fits_half(values: np.ndarray) -> bool:
    strips = (values[begin : begin + _STRIP] for begin in range(0, len(values), _STRIP))
    return all((strip.astype(np.float16) == strip).all() for strip in strips)
