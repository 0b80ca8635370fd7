"""One channel of an image by its name, and the format in which data stays as it is."""

from __future__ import annotations

import numpy as np

from accel.image.decoded import Pixels
from accel.image.raster import Raster
from accel.image.sampling import luminance
from accel.text import text
from accel.workload import WorkloadError

_LOSSY = frozenset({"jpeg", "webp", "avif", "hdr"})


def plane(image: Raster, channel: str, top: int = 0, bottom: int | None = None) -> Pixels:
    """Rows `top` to `bottom` of `r`, `g`, `b`, `a` or `luminance`: height x width, of the image's type.

    Values are those stored, without sRGB's curve. Grey is its own red, green, blue and luminance; that of
    colours is ITU-R BT.709's sum, rounded. Raises WorkloadError `bad_params` where there is no alpha.
    """
    rows = image.pixels[top:bottom]
    if channel == "luminance" and image.colors == 3:
        return _luminance(rows)
    strip: Pixels = rows[..., index(image, channel)]
    return strip


def index(image: Raster, channel: str) -> int:
    """Where `r`, `g`, `b` or `a` is. Raises WorkloadError `bad_params`."""
    if channel == "a":
        if not image.has_alpha:
            raise WorkloadError("bad_params", text("has no alpha channel to take"), image.name)
        return image.channels - 1
    return "rgb".find(channel) if image.colors == 3 else 0


def _luminance(rows: Pixels) -> Pixels:
    grey = luminance(np.moveaxis(rows, 2, 0)[:3])
    return (grey if rows.dtype.kind == "f" else grey + np.float32(0.5)).astype(rows.dtype)


def data_format(image: Raster, made: Pixels) -> str:
    """The image's own format or, where that would lose some of what must stay exact in what was made of it,
    PNG; EXR for floats, of which PNG would cut what is beyond 1."""
    if image.format not in _LOSSY:
        return image.format
    return "exr" if made.dtype.kind == "f" else "png"
