"""A Photoshop document's layers, which tell whether the merged picture is on white."""

from __future__ import annotations

from accel.image.readers.stream import Stream

_TRANSPARENT = (b"Mtrn", b"Mt16", b"Mt32")
"""Blocks that say: the merged picture is transparent."""

_LAYERS = (b"Layr", b"Lr16", b"Lr32")
"""Blocks that hold the layers of documents deeper than 8 bits."""

_LONG = (*_TRANSPARENT, *_LAYERS, b"LMsk", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD")
"""Blocks whose size takes 8 bytes in large documents."""


def read(stream: Stream, version: int) -> bool:
    """Goes on behind the section "Layer and mask information". Raises WorkloadError.

    Whether the first channel beyond the colours is the merged picture's transparency: Photoshop has blended
    the colours with white by it. Else it is a channel that an artist stored.
    """
    wide = 4 * version
    layout = ">I" if version == 1 else ">Q"
    size = stream.number(layout, "its layers' size")
    end = stream.left - size
    if size < 0 or end < 0:
        stream.skip(size, "its layers")
    found = False
    if size >= wide + 2:
        layers = stream.number(layout, "its layers' size")
        found = _negative(stream) if 2 <= layers <= stream.left - end else _in_blocks(stream, end, version)
    stream.skip(stream.left - end, "its layers")
    return found


def _negative(stream: Stream) -> bool:
    """A number of layers that is negative says so."""
    return stream.number(">h", "its layers") < 0


def _in_blocks(stream: Stream, end: int, version: int) -> bool:
    """The same for what stands behind an empty list of layers; whatever looks odd ends the search."""
    if stream.left - end < 4 or not _skipped(stream, end, stream.number(">I", "its mask")):
        return False
    while stream.left - end >= (12 if version == 1 else 16):
        mark, key = stream.unpack(">4s4s", "its layers")
        if mark not in (b"8BIM", b"8B64"):
            return False
        layout = ">Q" if version == 2 and key in _LONG else ">I"
        size = stream.number(layout, "its layers")
        if key in _TRANSPARENT:
            return True
        if key in _LAYERS and size >= 2 and stream.left - end >= 2:
            return _negative(stream)
        if not _skipped(stream, end, (size + 3) // 4 * 4):
            return False
    return False


def _skipped(stream: Stream, end: int, size: int) -> bool:
    fits = size <= stream.left - end
    if fits:
        stream.skip(size, "its layers")
    return fits
