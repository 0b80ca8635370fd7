"""Sprites as they go onto a page: at one depth, with alpha, trimmed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from accel.image.decoded import Pixels, full_scale
from accel.image.light import at_depth
from accel.image.raster import Raster, Transfer
from accel.text import text
from accel.workload import WorkloadError


class Look(Struct, frozen=True):
    """What the pixels of all pages are."""

    dtype: Any
    """numpy's type: that of the deepest sprite."""
    integers: Transfer
    """How those of 8 and 16 bit are coded: as sRGB where any of them is."""

    @property
    def transfer(self) -> Transfer:
        """How the pages are coded."""
        return "linear" if self.dtype.kind == "f" else self.integers

    def drawn(self, image: Raster, box: Box) -> Pixels:
        """What is in a box, RGBA; nothing else of the image is converted."""
        part = np.ascontiguousarray(image.pixels[box.rows, box.columns])
        changes = {} if part.dtype.kind == "f" else {"transfer": self.integers}
        cut = at_depth(image.with_pixels(part, **changes), self.dtype)
        made = np.empty((*part.shape[:2], 4), self.dtype)
        # One channel is repeated.
        made[..., :3] = cut.pixels[..., : cut.colors]
        opaque = full_scale(made.dtype)
        made[..., 3] = cut.pixels[..., -1] if cut.has_alpha else opaque
        return made


class Box(Struct, frozen=True):
    """What is kept of an image."""

    x: int
    y: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        return slice(self.y, self.y + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.x, self.x + self.width)


def common_look(images: Sequence[Raster]) -> Look:
    """Raises WorkloadError `unsupported` for an image that is neither grey nor RGB.

    Grey integers are taken for whatever the coloured ones are: they meet on one page.
    """
    for image in images:
        if image.colors not in (1, 3):
            reason = text(
                "has {channels} channels; give grey or RGB, with or without alpha", channels=image.channels
            )
            raise WorkloadError("unsupported", reason, image.name)
    deepest = max((image.pixels.dtype for image in images), key=lambda dtype: dtype.itemsize)
    coded = any(image.transfer == "srgb" for image in images)
    return Look(deepest, "srgb" if coded else "linear")


def trimmed(image: Raster, alpha: float, margin: int) -> Box:
    """The box of all pixels whose alpha is above `alpha` (0 to 1), and `margin` pixels around it.

    The upper left pixel where nothing is.
    """
    if not image.has_alpha:
        return Box(0, 0, image.width, image.height)
    values = image.pixels[..., -1]
    top = float(full_scale(values.dtype))
    seen = values > alpha * top
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return Box(0, 0, 1, 1)
    left, upper = max(int(columns[0]) - margin, 0), max(int(rows[0]) - margin, 0)
    right, lower = int(columns[-1]) + 1 + margin, int(rows[-1]) + 1 + margin
    return Box(left, upper, min(right, image.width) - left, min(lower, image.height) - upper)


def originals(images: Sequence[Raster], boxes: Sequence[Box], look: Look) -> list[int]:
    """For each sprite the index of the first with the same pixels, as they are drawn."""
    first: dict[tuple[Any, ...], int] = {}
    found = []
    for index, (image, box) in enumerate(zip(images, boxes, strict=True)):
        digest = hashlib.blake2b(look.drawn(image, box).tobytes(), digest_size=32).digest()
        found.append(first.setdefault((box.width, box.height, digest), index))
    return found
