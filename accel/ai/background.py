"""What stands before a picture's background, by U^2-Net's small network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.ai.matte import refined
from accel.ai.sessions import networks
from accel.ai.shown import resized, shown
from accel.image.decoded import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.save import WRITERS
from accel.workload import Limits

Floats = NDArray[np.float32]

SIDE = 320
"""Pixels of the square that the network takes; whatever the image's aspect, as in its training."""


def mask_of(image: Raster, limits: Limits, *, refine: bool) -> Floats:
    """How much each pixel belongs to what stands before the background, height x width, 0 to 1.

    Raises WorkloadError where the model isn't on this machine.
    """
    network = networks(limits).get("u2netp")
    seen = shown(image)
    small = resized(seen, SIDE, SIDE)
    # Brightened until the lightest channel is white, as in the network's training.
    mask = network.image(small / max(float(small.max()), 1e-6))[0]
    if not refine:
        return resized(mask[..., None], image.width, image.height)[..., 0]
    # The network's pixel, at the image's size, is as far as its edge may be off.
    radius = max(1, round(max(image.width, image.height) / SIDE * 2))
    return refined(mask, seen, radius)


def cut_out(image: Raster, mask: Floats, *, alone: bool = False) -> Raster:
    """The image with `mask` as its transparency, times what it has; or the mask `alone`, as linear grey."""
    pixels = image.pixels
    top = float(full_scale(pixels.dtype))
    alpha = mask * (pixels[..., -1] if image.has_alpha else np.float32(top))
    plane: Pixels = (alpha if pixels.dtype.kind == "f" else alpha + np.float32(0.5)).astype(pixels.dtype)
    if alone:
        return image.with_pixels(plane[..., None], has_alpha=False, transfer="linear")
    made = np.concatenate([pixels[..., : image.colors], plane[..., None]], axis=2)
    writer = WRITERS.get(image.format)
    format = image.format if writer is not None and writer.alpha else "png"
    return image.with_pixels(np.ascontiguousarray(made), has_alpha=True, format=format)
