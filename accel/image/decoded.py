"""A decoded image, as every workload gets it, whichever library read the file."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""Height x width x channels, in one piece; uint8, uint16 or float32."""


class Decoded(Struct, frozen=True):
    """The first frame of an image: all its pixels, as stored (no EXIF orientation, no colour management)."""

    pixels: Pixels
    """Height x width x channels. Integers are 0 to full scale; float32 is as stored, scene-linear."""
    color_model: str
    """`grey`, `rgb`, `cmyk`, or libvips' name of another interpretation."""
    has_alpha: bool
    """Whether the last channel is alpha."""
    format: str
    """The file's format by its content, for example `png` or `dds`."""
    size: int
    """The file's bytes."""
    compression: Literal["", "bc1", "bc2", "bc3", "bc4", "bc5", "bc6h", "bc7", "etc2", "astc"] = ""
    """The GPU block compression that the pixels came from; empty for none."""
