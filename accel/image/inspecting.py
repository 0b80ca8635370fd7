"""How an image is inspected: decoded once, looked at from all sides, shrunk to a preview."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from accel.image.channels import Measured, Sums, is_grey
from accel.image.curl import curl
from accel.image.decoded import Decoded
from accel.image.evidence import entropy, seams
from accel.image.inspection import Alpha, Channel, Inspection
from accel.image.load import decode_image
from accel.image.normals import normals
from accel.image.preview import as_image, encode, shrunk
from accel.image.sampling import sample
from accel.workload import Input, Limits, Output, OutputFile

_DEPTHS: dict[int, Literal[8, 16, 32]] = {1: 8, 2: 16, 4: 32}
_NAMES = {"grey": "l", "rgb": "rgb", "cmyk": "cmyk"}


def examine(source: Input, preview: int, limits: Limits) -> Output:
    """The `Inspection` of an image and, if `preview` isn't 0, a preview of at most that many pixels a side.

    Raises WorkloadError.
    """
    return Output(*inspected(decode_image(source, limits), preview))


def inspected(decoded: Decoded, preview: int) -> tuple[Inspection, list[OutputFile]]:
    """The same of an image that is decoded already."""
    value = _inspection(decoded)
    if not preview:
        return value, []
    return value, [OutputFile("preview", "image/png", encode(shrunk(decoded, preview), "png"))]


def _inspection(decoded: Decoded) -> Inspection:
    pixels = decoded.pixels
    height, width, count = pixels.shape
    statistics, alpha, alike = _channels(decoded)
    planes = sample(pixels)
    colored = decoded.color_model == "rgb" and count >= 3
    return Inspection(
        format=decoded.format,
        size=decoded.size,
        compression=decoded.compression,
        width=width,
        height=height,
        power_of_two=not (width & (width - 1) or height & (height - 1)),
        channels=count,
        bit_depth=_DEPTHS[pixels.itemsize],
        color_model=decoded.color_model,
        has_alpha=alpha is not None,
        alpha=alpha,
        grey=decoded.color_model == "grey" or (colored and alike and is_grey(pixels)),
        statistics=statistics,
        entropy=entropy(planes),
        normals=normals(pixels, planes, [c.mean for c in statistics[:3]])
        if colored and pixels.itemsize < 4
        else None,
        seams=seams(pixels),
        palette=decoded.palette,
        multiplied=decoded.has_alpha and decoded.alpha.startswith("multiplied"),
        levels=decoded.levels,
        images=decoded.images,
    )


def _channels(decoded: Decoded) -> tuple[list[Channel], Alpha | None, bool]:
    """Statistics, alpha, and whether the image may be grey."""
    names, pixels = _names(decoded), decoded.pixels
    table = Sums(pixels) if pixels.itemsize < 4 else Measured(as_image(decoded), pixels)
    statistics = [table.channel(index, name) for index, name in enumerate(names)]
    alpha = table.alpha(len(names) - 1) if decoded.has_alpha else None
    return statistics, alpha, len(names) >= 3 and table.alike()


def _names(decoded: Decoded) -> list[str]:
    alpha, count = ["a"] if decoded.has_alpha else [], decoded.pixels.shape[2]
    known = [*_NAMES.get(decoded.color_model, ""), *alpha]
    return known if len(known) == count else [*map(str, range(count - len(alpha))), *alpha]


def warm() -> None:
    """Does everything once on a tiny image: what is set up then costs far more than the work itself."""
    y, x = np.mgrid[:64, :64]
    pixels = np.stack([128 + x, 128 + y, 255 - x], -1).astype(np.uint8)
    decoded = Decoded(pixels, "rgb", False, "png", 0)
    data = encode(as_image(decoded), "png")
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = Path(folder) / "warm.png"
        path.write_bytes(data)
        decoded = decode_image(Input(path.name, str(path)), Limits())
    inspected(decoded, 16)
    curl(decoded.pixels, sample(decoded.pixels))
