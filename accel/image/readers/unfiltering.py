"""Rows of PNG that have filters, undone by Rust's `png`, which kornia-rs brings along."""

from __future__ import annotations

from collections.abc import Callable

from accel.image.decoded import Pixels

_Decode = Callable[[bytes, tuple[int, int], str], Pixels]

_decode: _Decode | None
try:
    from kornia_rs.io import decode_image_png_u8
except ImportError:  # a version that calls it otherwise
    _decode = None
else:
    _decode = decode_image_png_u8

_MODES = {1: "mono", 3: "rgb", 4: "rgba"}
"""By the number of channels; it takes no grey with alpha."""


def unfiltered(file: Callable[[], bytes], height: int, width: int, channels: int) -> Pixels | None:
    """The pixels of a PNG of 8 bits, height x width x channels.

    None where they can't be read so, or the file is broken, which is then another's to tell. Raises
    MemoryError.
    """
    if _decode is None or channels not in _MODES:
        return None
    try:
        return _decode(file(), (height, width), _MODES[channels])
    # It raises no class of its own.
    except Exception:
        return None
    except BaseException as error:
        # A panic of Rust's is no Exception; the one there is tells that numpy has no memory for the pixels.
        if type(error).__name__ != "PanicException":
            raise
        raise MemoryError from None
