"""PNG, JPEG, WebP, AVIF and TIFF, as libvips writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from accel.image.raster import Raster
from accel.image.vips_image import image_of

if TYPE_CHECKING:
    from accel.image.operation import Writing

_ROWS = 16
"""Looked at in two places each."""

_SMALL = 1 << 16
"""Bytes of pixels for which looking would take as long as writing."""

_GREY = {"uint8": "b-w", "uint16": "grey16", "float32": "b-w"}
_COLOR = {"uint8": "srgb", "uint16": "rgb16", "float32": "scrgb"}


def png(image: Raster, params: Writing) -> bytes:
    # Level 3 takes a third of the time of 6 and a tenth more bytes; 1 makes files twice as large as 6.
    return _written(image, "png", compression=3, filter=_filter(image))


def _filter(image: Raster) -> str:
    """What some rows become smaller by: differences to the row above (PNG, 9.2) take a sixth to more than
    half from photographs and normals, and add to drawings."""
    if image.pixels.nbytes < _SMALL:
        return "none"
    height = len(image.pixels)
    rows = np.r_[slice(height // 3, height // 3 + _ROWS), slice(height * 2 // 3, height * 2 // 3 + _ROWS)]
    some = image.with_pixels(image.pixels[rows[rows < height]])
    # Not paeth, which takes half as long again for 4 % less.
    return min(("none", "up"), key=lambda name: len(_written(some, "png", compression=3, filter=name)))


def jpeg(image: Raster, params: Writing) -> bytes:
    return _written(image, "jpg", Q=params.quality, optimize_coding=True, background=255)


def webp(image: Raster, params: Writing) -> bytes:
    # `exact` keeps the colours under full transparency, which engines filter into the edges.
    return _written(image, "webp", Q=params.quality, lossless=params.lossless, exact=True)


def avif(image: Raster, params: Writing) -> bytes:
    options: dict[str, Any] = {"lossless": True} if params.lossless else {"Q": params.quality}
    # libvips' own 4 takes 3 to 7 times as long for 2 to 6 % fewer bytes of the same quality.
    return _written(image, "avif", compression="av1", effort=3, **options)


def tiff(image: Raster, params: Writing) -> bytes:
    predictor = "float" if image.pixels.dtype.kind == "f" else "horizontal"
    # As with PNG: level 3 takes a quarter of the time of 6 and a sixth more bytes.
    return _written(image, "tif", compression="deflate", predictor=predictor, level=3)


def _written(image: Raster, suffix: str, **options: Any) -> bytes:
    """Raises pyvips.Error."""
    models = _GREY if image.colors == 1 else _COLOR
    lazy = image_of(image.pixels, models[image.pixels.dtype.name])
    data: bytes = lazy.write_to_buffer(f".{suffix}", keep="none", **options)
    return data
