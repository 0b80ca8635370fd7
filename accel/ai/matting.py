"""Background removal: a network's foreground mask, refined along the edges of the image.

A pixel on an edge mixes a foreground and a background colour; its position between the two is its opacity
(Chuang et al. 2001, "A Bayesian Approach to Digital Matting", section 2: Knockout).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accel.ai.preprocessing import resize_planes, to_tensor
from accel.ai.sessions import networks
from accel.ai.workloads import RemoveBackground
from accel.image.encode import WRITERS
from accel.image.operation import Operated
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.workload import Limits

MAX_COLOR_SIDE = 512
"""Longest side for estimating foreground and background colours, which vary slowly."""
ROWS = 128
"""Rows processed at a time at full size."""
CERTAIN = 0.85
"""Mask values above this are foreground; those below 1 - CERTAIN are background."""
COLOR_DISTANCE = 0.08
"""Distance of the two colours (0 to 1) at which opacity by colour has a weight of one half."""


def refine_mask(mask: Floats, image: Floats, radius: int) -> Floats:
    """Resizes the mask to the image and fits its edges to it. All values are 0 to 1.

    `mask` is height x width, of any size; `image` is height x width x 3. `radius` is how many image pixels an
    edge of the mask may be off.
    """
    height, width = image.shape[:2]
    scale = min(1.0, MAX_COLOR_SIDE / max(height, width))
    small = max(1, round(width * scale)), max(1, round(height * scale))
    small_radius = max(1, round(radius * scale))
    coarse = _resize(mask[..., None], *small)
    both = np.concatenate([coarse, *_side_colors(coarse, _resize(image, *small), small_radius)], axis=2)
    result = np.empty((height, width), np.float32)
    across = resize_linear(both, width, 1)
    for top in range(0, height, ROWS):
        rows = slice(top, min(top + ROWS, height))
        result[rows] = _blend(resize_linear(across, height, 0, rows), image[rows])
    return result


def _side_colors(mask: Floats, image: Floats, radius: int) -> Sequence[Floats]:
    """Returns foreground and background colours, averaged over nearby certain pixels, and a weight (0 to 1)
    that is high where both exist and the mask has an edge."""
    front = np.clip((mask - CERTAIN) / (1 - CERTAIN), 0, 1)
    back = np.clip((1 - CERTAIN - mask) / (1 - CERTAIN), 0, 1)
    known = [box_filter(weights, 2 * radius) for weights in (front, back)]
    colors = [
        box_filter(image * weights, 2 * radius) / np.maximum(share, np.float32(1e-4))
        for weights, share in zip((front, back), known, strict=True)
    ]
    near = box_filter(mask, radius)
    edge = np.clip(8 * near * (1 - near), 0, 1) * np.clip(50 * np.minimum(*known), 0, 1)
    return [*colors, edge]


def _blend(both: Floats, image: Floats) -> Floats:
    """Returns opacity by colour where the colours differ, and by the mask elsewhere."""
    mask, front, back, edge = both[..., 0], both[..., 1:4], both[..., 4:7], both[..., 7]
    line = front - back
    length = (line * line).sum(2)
    opacity = np.clip(((image - back) * line).sum(2) / np.maximum(length, np.float32(1e-6)), 0, 1)
    trust = edge * length / (length + np.float32(COLOR_DISTANCE**2))
    result: Floats = np.clip(mask + (opacity - mask) * trust, 0, 1)
    return result


def box_filter(values: Floats, radius: int) -> Floats:
    """Averages height x width x n over windows of `2 * radius + 1` pixels per side, cropped at the border."""
    for axis in (0, 1):
        length = values.shape[axis]
        # Differences of long sums need 64 bits.
        sums = np.cumsum(values, axis=axis, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
        low = np.maximum(np.arange(length) - radius, 0)
        high = np.minimum(np.arange(length) + radius + 1, length)
        counts = (high - low).reshape(-1, *([1] * (2 - axis)))
        values = ((sums.take(high, axis) - sums.take(low, axis)) / counts).astype(np.float32)
    return values


def resize_linear(values: Floats, length: int, axis: int, part: slice = slice(None)) -> Floats:
    """Resizes one axis to `length` by linear interpolation between pixel centres; returns `part` of it."""
    have = values.shape[axis]
    if have == length:
        return values[part] if axis == 0 else values[:, part]
    at = np.clip((np.arange(length)[part] + 0.5) * (have / length) - 0.5, 0, have - 1)
    low = at.astype(np.intp)
    share = (at - low).astype(np.float32).reshape(-1, *([1] * (values.ndim - 1 - axis)))
    near, far = values.take(low, axis), values.take(np.minimum(low + 1, have - 1), axis)
    result: Floats = near + (far - near) * share
    return result


def _resize(values: Floats, width: int, height: int) -> Floats:
    return values if values.shape[:2] == (height, width) else resize_planes(values, width, height)


Floats = NDArray[np.float32]

SIDE = 320
"""Side length in pixels of the network's input, for every aspect ratio, as in its training."""


def remove_background(images: Sequence[Raster], params: RemoveBackground, limits: Limits) -> Operated:
    (image,) = images
    mask = foreground_mask(image, limits, refine=params.edges == "refined")
    return Operated({params.result: cut_out(image, mask, alone=params.result == "mask")})


def foreground_mask(image: Raster, limits: Limits, *, refine: bool) -> Floats:
    """Returns the opacity of the foreground, height x width, 0 to 1.

    Raises WorkloadError if the model isn't installed.
    """
    network = networks(limits).get("u2netp")
    seen = to_tensor(image)
    small = resize_planes(seen, SIDE, SIDE)
    # The network was trained on images scaled to a maximum of 1.
    mask = network.image(small / max(float(small.max()), 1e-6))[0]
    if not refine:
        return resize_planes(mask[..., None], image.width, image.height)[..., 0]
    # Edges may be off by one pixel of the network's input.
    radius = max(1, round(max(image.width, image.height) / SIDE * 2))
    return refine_mask(mask, seen, radius)


def cut_out(image: Raster, mask: Floats, *, alone: bool = False) -> Raster:
    """Multiplies alpha by the mask. `alone` returns only that alpha, as linear grey."""
    pixels = image.pixels
    top = float(full_scale(pixels.dtype))
    alpha = mask * (pixels[..., -1] if image.has_alpha else np.float32(top))
    plane: Pixels = (alpha if pixels.dtype.kind == "f" else alpha + np.float32(0.5)).astype(pixels.dtype)
    if alone:
        return image.with_pixels(plane[..., None], has_alpha=False, transfer="linear")
    result = np.concatenate([pixels[..., : image.colors], plane[..., None]], axis=2)
    writer = WRITERS.get(image.format)
    format = image.format if writer is not None and writer.alpha else "png"
    return image.with_pixels(np.ascontiguousarray(result), has_alpha=True, format=format)
