"""OpenEXR: half floats, or single ones where half would lose data; zip compression, by OpenImageIO."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from accel.image.alpha import mixed
from accel.image.raster import Raster
from accel.image.readers.exr import library
from accel.text import text
from accel.workload import WorkloadError

if TYPE_CHECKING:
    from accel.image.operation import Writing

_NAMES = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}
LARGEST = 65504.0
"""The largest half."""

_STRIP = 1 << 16
"""Values compared in one go."""


def exr(image: Raster, params: Writing) -> bytes:
    """Scanlines in blocks of 16, zipped. Colours are multiplied by alpha, as the format has it, unless they
    are already; data aren't.

    Raises WorkloadError `unsupported`.
    """
    straight = image.has_alpha and not (image.data or image.multiplied)
    pixels = mixed(image.pixels, "multiplied") if straight else image.pixels
    oiio = library()
    kind = "float"
    if bits(image, params) == 16:
        # What is beyond would become infinite.
        kind, pixels = "half", pixels.clip(-LARGEST, LARGEST)
    spec = oiio.ImageSpec(image.width, image.height, image.channels, kind)
    spec.channelnames = _NAMES[image.channels]
    spec.attribute("compression", "zip")
    # Else the library adds the time: the same pixels would make another file each second.
    spec.attribute("DateTime", "")
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = Path(folder) / "picture.exr"
        file = oiio.ImageOutput.create(str(path))
        done = file.open(str(path), spec) and file.write_image(pixels)
        # Windows removes no folder whose files are open.
        if not file.close() or not done:
            detail = file.geterror().replace(str(path), "file").strip()[:200]
            raise WorkloadError(
                "unsupported", text("can't be written as EXR ({detail})", detail=detail), image.name
            )
        return path.read_bytes()


def bits(image: Raster, params: Writing) -> int:
    """16 or 32, as asked for, or as the floats were stored that came in; of what wasn't read as floats 32 for
    what half floats would lose: grey (heights, depths, masks) and other data that they don't hold exactly.
    Colours keep 11 bits of each value, more than anybody sees. Values beyond 65504 take 32 unless 16 is asked
    for."""
    if params.bits in ("8", "16"):
        return 16
    if params.bits == "32" or image.float_bits == 32 or np.abs(image.pixels).max() > LARGEST:
        return 32
    if image.float_bits == 16:
        return 16
    seen = image.colors == 3 and not image.data
    return 16 if seen or _exact(image.pixels.reshape(-1)) else 32


def _exact(values: np.ndarray) -> bool:
    strips = (values[begin : begin + _STRIP] for begin in range(0, len(values), _STRIP))
    return all((strip.astype(np.float16) == strip).all() for strip in strips)
