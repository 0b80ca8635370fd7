"""PNG, JPEG, WebP, AVIF and TIFF: libvips writes them, but for PNG that isn't huge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accel.image.raster import Raster
from accel.image.vips_image import image_of
from accel.image.writers import png as deflated

if TYPE_CHECKING:
    from accel.image.operation import Writing

_GREY = {"uint8": "b-w", "uint16": "grey16", "float32": "b-w"}
_COLOR = {"uint8": "srgb", "uint16": "rgb16", "float32": "scrgb"}


def png(image: Raster, params: Writing) -> bytes:
    if image.pixels.nbytes <= deflated.MOST:
        return deflated.png(image.pixels, deflated.USUAL)
    # Level 3 takes a third of the time of 6 and a tenth more bytes; 1 makes files twice as large as 6.
    return _written(image, "png", compression=3, filter="up" if deflated.differs(image.pixels) else "none")


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
