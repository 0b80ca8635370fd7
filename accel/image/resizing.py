"""An image of another size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from accel.image.coding import coding
from accel.image.filters import axis, nearest
from accel.image.meaning import kind_of, meant
from accel.image.resampling import resampled

if TYPE_CHECKING:
    from accel.image.raster import Raster
    from accel.image.resize import Resize


def resized(image: Raster, width: int, height: int, params: Resize) -> Raster:
    """The image with `width` x `height` pixels. Raises WorkloadError `unsupported`."""
    kind = kind_of(image, params.kind)
    how = coding(image, kind, params.linear_light, params.alpha_weighted)
    meaning = meant(image, kind)
    if (width, height) == (image.width, image.height):
        return image.with_pixels(image.pixels, mips=image.mips, **meaning)
    if params.kernel == "nearest":
        rows, columns = nearest(image.height, height), nearest(image.width, width)
        pixels = np.ascontiguousarray(image.pixels[rows][:, columns])
    else:
        across = axis(image.width, width, params.kernel, params.edge)
        down = axis(image.height, height, params.kernel, params.edge)
        pixels = how.within(resampled(image.pixels, how, across, down), image.pixels)
    return image.with_pixels(pixels, **meaning)
