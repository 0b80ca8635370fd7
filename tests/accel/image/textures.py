"""Rasters for tests of texture containers and compression."""

import numpy as np

from accel.image.raster import Raster

SIZES = [(1, 1), (3, 5), (7, 13), (256, 256)]
"""Height, width."""


def smooth(height: int, width: int, channels: int = 3, dtype="uint8", alpha: str = "full") -> np.ndarray:
    """A picture without edges; `alpha`: `full`, or `some` for a ramp with whole areas of 0 and full."""
    y, x = np.mgrid[:height, :width] / 256
    planes = [0.5 + 0.4 * np.sin(3 * x + 2 * y), 0.5 + 0.4 * np.cos(4 * y), 0.3 + 0.5 * x * y]
    planes.append(np.ones_like(x) if alpha == "full" else np.clip(3 * x - 1, 0, 1))
    pixels = np.stack(planes, -1)[..., [0, 3] if channels == 2 else slice(channels)]
    if np.dtype(dtype).kind == "f":
        return pixels.astype(dtype)
    return (pixels * np.iinfo(dtype).max + 0.5).astype(dtype)


def vectors(height: int, width: int) -> np.ndarray:
    """A normal map of gentle slopes, RGB of 8 bits."""
    y, x = np.mgrid[:height, :width] / 10
    normal = np.stack([0.4 * np.sin(x), 0.4 * np.cos(y), np.ones_like(x)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return ((normal + 1) * 127.5 + 0.5).astype(np.uint8)


def raster(pixels: np.ndarray, transfer: str = "", mips: bool = False) -> Raster:
    """`transfer` empty is what opening a file would take it for."""
    channels = pixels.shape[2]
    auto = "srgb" if channels > 2 and pixels.dtype.kind == "u" else "linear"
    levels = [np.ascontiguousarray(pixels)]
    while mips and max(levels[-1].shape[:2]) > 1:
        height, width = (max(1, side // 2) for side in levels[-1].shape[:2])
        levels.append(np.ascontiguousarray(levels[-1][::2, ::2][:height, :width]))
    return Raster("a.png", levels[0], channels in (2, 4), transfer or auto, "png", tuple(levels[1:]))
