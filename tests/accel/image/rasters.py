"""Rasters to try operations and formats with."""

import numpy as np

from accel.image.encode import save
from accel.image.open_raster import open_raster
from accel.image.operation import Written
from accel.image.operations.geometry import Convert
from accel.image.raster import Raster
from accel.workload import Input, Limits

DEPTHS = ("uint8", "uint16", "float32")
CHANNELS = (1, 2, 3, 4)
FORMATS = ("png", "jpeg", "webp", "avif", "tiff", "tga", "psd", "exr", "hdr")
"""What holds pixels as they are, or nearly."""


def raster(channels: int, dtype: str = "uint8", shape: tuple[int, int] = (7, 11), **more) -> Raster:
    """Random runs and literals; floats are 0 to about 8, exactly held by half floats, alpha 0 to 1."""
    random = np.random.default_rng(5)
    values = random.integers(0, 256, (*shape, channels))
    values[:, ::2] = values[:, :1]
    values[1::3] = values[1::3, :1]
    alpha = channels in (2, 4)
    pixels = {"uint8": values, "uint16": values * 257 // 2 + 77, "float32": values / 32}[dtype].astype(dtype)
    if dtype == "float32" and alpha:
        pixels[..., -1] /= 8
    transfer = "srgb" if channels > 2 and dtype != "float32" and not more.get("data") else "linear"
    return Raster("a.png", np.ascontiguousarray(pixels), alpha, transfer, "png", **more)


def opaque(image: Raster) -> Raster:
    """The same without anything that shows through."""
    pixels = image.pixels.copy()
    pixels[..., -1] = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    return image.with_pixels(pixels)


def written(image: Raster, format: str, **params) -> tuple[bytes, Written]:
    """A file's bytes, and its facts."""
    (file,), facts = save("made", image, Convert(format=format, **params))
    assert facts.name == file.name == "made" and facts.size == len(file.data)
    return file.data, facts


def reopened(data: bytes, tmp_path, transfer: str = "auto") -> Raster:
    """What our own readers make of it."""
    path = tmp_path / "again.bin"
    path.write_bytes(data)
    return open_raster(Input("again.bin", str(path)), Limits(), transfer)
