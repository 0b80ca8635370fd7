"""How an image is inspected: decoded once, looked at from all sides, shrunk to a preview."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyvips

from accel.image.channels import Counts, Measured, is_grey
from accel.image.evidence import Pixels, entropy, sample, seams
from accel.image.inspection import Alpha, Channel, Inspection
from accel.image.load import Opened, open_image, undecodable
from accel.image.normals import curl, normals
from accel.image.sniff import Format
from accel.image.thumbnail import encode
from accel.workload import Input, Limits, Output, OutputFile

_MODELS = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb": "rgb", "rgb16": "rgb", "scrgb": "rgb"}
_DEPTHS: dict[int, Literal[8, 16, 32]] = {1: 8, 2: 16, 4: 32}
_NAMES = {"grey": "l", "rgb": "rgb", "cmyk": "cmyk"}


def examine(source: Input, preview: int, limits: Limits) -> Output:
    """The `Inspection` of an image and, if `preview` isn't 0, a preview of at most that many pixels a side.

    Raises WorkloadError.
    """
    opened = open_image(source, limits)
    try:
        image, pixels = decode(opened.image)
        value = _inspection(opened, image, pixels)
        files = [OutputFile("preview", "image/png", shrink(image, preview))] if preview else []
    except pyvips.Error as error:
        raise undecodable(source, opened.format, error) from None
    return Output(value, files)


def decode(lazy: pyvips.Image) -> tuple[pyvips.Image, Pixels]:
    """All pixels in memory, as an image and as an array of the same bytes. Raises pyvips.Error."""
    model = lazy.interpretation
    if lazy.format not in ("uchar", "ushort", "float"):
        lazy = lazy.cast("float")
    data = lazy.write_to_memory()
    kind = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}[lazy.format]
    pixels = np.frombuffer(data, kind).reshape(lazy.height, lazy.width, lazy.bands)
    image = pyvips.Image.new_from_memory(data, lazy.width, lazy.height, lazy.bands, lazy.format)
    return image.copy(interpretation=model), pixels


def shrink(image: pyvips.Image, size: int) -> bytes:
    """A PNG of at most `size` pixels a side, aspect kept, never enlarged. Raises pyvips.Error."""
    # Averaging whole blocks down to twice the size is six times as fast as doing all of it properly.
    factor = max(1, max(image.width, image.height) // (2 * size))
    across, down = min(factor, image.width), min(factor, image.height)
    small = image.shrink(across, down) if factor > 1 else image
    return encode(small.thumbnail_image(size, height=size, size="down"), "png")


def _inspection(opened: Opened, image: pyvips.Image, pixels: Pixels) -> Inspection:
    height, width, count = pixels.shape
    model = _MODELS.get(image.interpretation, image.interpretation)
    statistics, alpha, alike = _channels(image, pixels, _names(image, model))
    planes = sample(pixels)
    colored = model == "rgb" and count >= 3
    return Inspection(
        format=opened.format.name,
        size=opened.size,
        width=width,
        height=height,
        power_of_two=not (width & (width - 1) or height & (height - 1)),
        channels=count,
        bit_depth=_DEPTHS[pixels.itemsize],
        color_model=model,
        has_alpha=alpha is not None,
        alpha=alpha,
        grey=model == "grey" or (colored and alike and is_grey(pixels)),
        statistics=statistics,
        entropy=entropy(planes),
        normals=normals(pixels, planes, [c.mean for c in statistics[:3]])
        if colored and pixels.itemsize < 4
        else None,
        seams=seams(pixels),
    )


def _channels(
    image: pyvips.Image, pixels: Pixels, names: list[str]
) -> tuple[list[Channel], Alpha | None, bool]:
    """Statistics, alpha, and whether the image may be grey."""
    table = Counts(image) if pixels.itemsize < 4 else Measured(image, pixels)
    statistics = [table.channel(index, name) for index, name in enumerate(names)]
    alpha = table.alpha(len(names) - 1) if image.hasalpha() else None
    return statistics, alpha, len(names) >= 3 and table.alike()


def _names(image: pyvips.Image, model: str) -> list[str]:
    alpha = ["a"] if image.hasalpha() else []
    known = [*_NAMES.get(model, ""), *alpha]
    return known if len(known) == image.bands else [*map(str, range(image.bands - len(alpha))), *alpha]


def warm() -> None:
    """Does everything once on a tiny image: what is set up then costs far more than the work itself."""
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([128 + x, 128 + y, 255 - x], -1).astype(np.uint8)
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    data = image.pngsave_buffer(compression=1)
    decoded, again = decode(pyvips.Image.pngload_buffer(data, access="sequential", fail_on="error"))
    _inspection(Opened(decoded, Format("png"), len(data)), decoded, again)
    curl(again)
    shrink(decoded, 16)
