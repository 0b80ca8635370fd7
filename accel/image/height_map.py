"""Normal maps computed from height maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.operation import Operated
from accel.image.operations.normals import NormalFromHeight
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.image.statistics import data_format, plane_of
from accel.workload import Limits

Floats = NDArray[np.float32]

STRIP = 64
"""Rows per strip, sized to fit into the CPU cache: processing the whole image takes eight times as long."""

SMOOTH = {"sobel": 2.0, "scharr": 10 / 3, "central": None}
"""Each kernel's weight for the middle of the three rows or columns that it averages; the outer ones weigh 1.
None uses the middle alone."""


class HeightField(Struct, frozen=True):
    """Options for converting heights to normals."""

    strength: float
    """Height of full scale in texels; negative if dark is high."""
    kernel: str
    """A key of SMOOTH."""
    wrap: bool
    """Whether the image tiles; otherwise its edges are repeated outwards."""
    green_down: bool
    """Whether y points down, as in DirectX."""
    channel: str
    """The channel with the heights, as in `plane_of`."""

    @classmethod
    def of(cls, params: NormalFromHeight) -> HeightField:
        return cls(
            params.strength * (-1 if params.invert else 1),
            params.kernel,
            params.edge == "wrap",
            params.convention == "directx",
            params.channel,
        )


def normal_from_height(images: Sequence[Raster], params: NormalFromHeight, limits: Limits) -> Operated:
    (image,) = images
    pixels = height_to_normal(image, HeightField.of(params), normal_type(image, params.bits))
    meaning = {"transfer": "linear", "data": True, "kind": "normal", "format": data_format(image, pixels)}
    return Operated({"normal": image.with_pixels(pixels, has_alpha=False, **meaning)})


def normal_type(image: Raster, bits: str) -> Literal["uint8", "uint16"]:
    """Returns the dtype name for an image's normals; `bits` is `Writing.bits`."""
    deep = image.bit_depth > 8 if bits == "same" else bits != "8"
    return "uint16" if deep else "uint8"


def height_to_normal(image: Raster, field: HeightField, dtype: Any) -> Pixels:
    """Returns the normals (height x width x 3) with -1 to 1 coded as 0 to full scale of uint8 or uint16.

    Raises WorkloadError `bad_params`.
    """
    result = np.empty((image.height, image.width, 3), dtype)
    half = np.float32(np.iinfo(dtype).max / 2)
    strip = _Strip(image, field)
    for top in range(0, image.height, STRIP):
        strip.read(top, min(top + STRIP, image.height))
        strip.compute_normals(half)
        strip.store(result[top : top + STRIP], half)
    return result


class _Strip:
    """Some rows of an image with a one-texel border, flattened to a single line.

    numpy is fastest on a line; results that span the ends of rows are dropped. The buffers are reused, since
    allocating new ones would cost as much as the work.
    """

    def __init__(self, image: Raster, field: HeightField) -> None:
        self._image, self._field = image, field
        self._middle = SMOOTH[field.kernel]
        weights = 1.0 if self._middle is None else 2 + self._middle
        full = full_scale(image.pixels.dtype)
        # The compared texels are two steps apart.
        self._scale = np.float32(field.strength / full / (2 * weights))
        self._width = image.width + 2
        texels = min(STRIP, image.height) * self._width
        self._heights, self._spare, self._steps = (
            np.empty(texels + 2 * self._width, np.float32) for _ in range(3)
        )
        # The ends of a strip are cast but never computed.
        self._vectors = np.zeros((3, texels), np.float32)
        self._count = 0

    def read(self, top: int, bottom: int) -> None:
        """Reads heights in texels, divided by the sum of the kernel's weights."""
        height, wrap = self._image.height, self._field.wrap
        self._count = (bottom - top) * self._width
        line = self._heights[: self._count + 2 * self._width]
        rows = line.reshape(-1, self._width)
        for begin, end in ((top - 1, top), (top, bottom), (bottom, bottom + 1)):
            source = begin % height if wrap else min(max(begin, 0), height - 1)
            heights = plane_of(self._image, self._field.channel, source, source + end - begin)
            rows[begin - top + 1 : end - top + 1, 1:-1] = heights
        rows[:, 0] = rows[:, -2 if wrap else 1]
        rows[:, -1] = rows[:, 1 if wrap else -2]
        line *= self._scale

    def compute_normals(self, length: np.float32) -> None:
        """Computes normals of this length from the heights."""
        count, width = self._count, self._width
        heights = self._heights[: count + 2 * width]
        x, y, z = self._vectors[:, :count]
        mean = self._smooth(heights, width, self._steps)
        np.subtract(mean[:-2], mean[2:], out=x[:-2])
        below, above = heights[2 * width :], heights[:count]
        if self._field.green_down:
            below, above = above, below
        # Rows run down, y points up.
        self._smooth(np.subtract(below, above, out=self._steps[:count]), 1, y)
        np.multiply(x, x, out=z)
        z += np.multiply(y, y, out=self._spare[:count])
        z += 1
        np.sqrt(z, out=z)
        np.divide(length, z, out=z)
        x *= z
        y *= z

    def _smooth(self, values: Floats, step: int, out: Floats) -> Floats:
        """Writes the weighted sums of three values, `step` apart, to `out`.

        Returns the part written, which is `2 * step` shorter than `values`.
        """
        summed = out[: len(values) - 2 * step]
        if self._middle is None:
            np.copyto(summed, values[step:-step])
            return summed
        pairs = np.add(values[:-step], values[step:], out=self._spare[: len(values) - step])
        np.add(pairs[:-step], pairs[step:], out=summed)
        if self._middle != 2:
            extra = np.float32(self._middle - 2)
            summed += np.multiply(values[step:-step], extra, out=self._spare[: len(summed)])
        return summed

    def store(self, texels: Pixels, zero: np.float32) -> None:
        """Writes the vectors as rounded texels; `zero` is the code of 0."""
        for index, vector in enumerate(self._vectors[:, : self._count]):
            vector += zero + np.float32(0.5)
            # Casting before the strided write takes half the time.
            coded = vector.astype(texels.dtype).reshape(-1, self._width)
            texels[..., index] = coded[:, : texels.shape[1]]
