"""The maps of a surface, made of one height field and one brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from accel.image.decoded import Pixels
from accel.image.light import DEPTHS, Floats
from accel.image.operation import Operated
from accel.image.planes import data_format
from accel.image.raster import Raster
from accel.image.relief import Relief, normals
from accel.texture.estimate_pbr import Estimated
from accel.texture.shading import brightness, without_shading
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.texture.estimate_pbr import EstimatePbr

LUMINANCE_DEPTH = 4.0
"""Texels from black to white: of 200 materials whose normals are known, nearest to them (measured when the
network was trained)."""

LEAST_DEPTH = 1.0
"""Texels that full scale stands for at least, so that noise on an even colour doesn't become mountains."""

EVEN = 1e-5
"""Texels by which an even surface differs by rounding alone."""


def estimated(image: Raster, params: EstimatePbr, limits: Limits) -> Operated:
    """Height, normals and roughness. Raises WorkloadError."""
    seen = without_shading(brightness(image), params.shading, params.edge)
    rough = (params.roughness - np.float32(params.roughness_contrast) * seen).clip(0, 1)
    if params.method == "network":
        from accel.texture.surface_net import heights

        field = heights(image, params.edge == "wrap", limits)
    else:
        field = seen
        field *= np.float32(-LUMINANCE_DEPTH if params.invert else LUMINANCE_DEPTH)
    field *= np.float32(params.strength)
    if float(np.ptp(field)) < EVEN:
        field[:] = 0
    made = image.with_pixels(field[..., None], has_alpha=False, transfer="linear", data=True)
    made = made.with_pixels(made.pixels, format=data_format(image))
    kind = DEPTHS.get(params.bits, image.pixels.dtype.name)
    relief = Relief(1.0, "sobel", params.edge == "wrap", params.convention == "directx", "luminance")
    leaning = normals(made, relief, "uint8" if kind == "uint8" else "uint16")
    depth = _spread_out(field)
    facts = Estimated(params.method, depth, float(rough.mean(dtype=np.float64)), image.width, image.height)
    return Operated(
        {
            "height": made.with_pixels(_stored(field, kind)),
            "normal": made.with_pixels(leaning),
            "roughness": made.with_pixels(_stored(rough, kind)),
        },
        facts,
    )


def _spread_out(field: Floats) -> float:
    """Moves heights to 0..1, in place, around the middle where they don't fill it; gives their unit."""
    low, high = float(field.min()), float(field.max())
    depth = max(high - low, LEAST_DEPTH)
    field -= np.float32((low + high) / 2)
    field *= np.float32(1 / depth)
    field += np.float32(0.5)
    return depth


def _stored(values: Floats, kind: Any) -> Pixels:
    """0..1 as one channel of a type, rounded."""
    values = values[..., None]
    if np.dtype(kind).kind == "f":
        return values.clip(0, 1)
    # What is cast is cut, and so rounded down.
    return (values.clip(0, 1) * np.float32(np.iinfo(kind).max) + np.float32(0.5)).astype(kind)
