"""An image of another size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel.image.coding import coding, meant
from accel.image.filters import axis, nearest
from accel.image.resampling import resampled

if TYPE_CHECKING:
    from accel.image.raster import Raster
    from accel.image.resize import Resize


def resized(image: Raster, width: int, height: int, params: Resize) -> Raster:
    """The image with `width` x `height` pixels. Raises WorkloadError `unsupported`."""
    how = coding(image, params.kind, params.linear_light, params.alpha_weighted)
    meaning = meant(image, params.kind)
    if (width, height) == (image.width, image.height):
        return image.with_pixels(image.pixels, mips=image.mips, **meaning)
    if params.kernel == "nearest":
        rows, columns = nearest(image.height, height), nearest(image.width, width)
        pixels = np.ascontiguousarray(image.pixels[rows][:, columns])
    else:
        across = axis(image.width, width, params.kernel, params.edge)
        down = axis(image.height, height, params.kernel, params.edge)
        pixels = resampled(image.pixels, how, across, down)
    return image.with_pixels(pixels, **meaning)
