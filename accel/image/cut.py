"""What a format holds no value for and cuts off, as facts of the file that is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accel.image.raster import PixelKind, Raster
from accel.image.tangent import is_signed

_SLIGHT = 1 / 512
"""Half a step of 8 bits: what is cut off less, such as a filter's ringing, isn't worth a word."""

Range = tuple[float, float]


def integers(image: Raster, kind: PixelKind | None = None) -> Range | None:
    """What integers hold of the colours of floats; None where nothing is cut off: vectors of -1 to 1 become
    0 to full scale."""
    return None if (kind or image.kind) == "normal" and is_signed(image) else (0, 1)


def cut_off(image: Raster, holds: Range | None) -> dict[str, Any]:
    """`below` and `above` of `Raster`, `Written` and `Compressed`, for an image before it is fitted to what a
    format `holds`; None for all that there can be."""
    return cut_off_all((image, *image.layers), holds)


def cut_off_all(images: Sequence[Raster], holds: Range | None) -> dict[str, Any]:
    """The same of several images that go into one file; their layers don't count."""
    found = [_cut(each, holds) for each in images]
    below = [least for least, _ in found if least is not None]
    above = [largest for _, largest in found if largest is not None]
    return {"below": min(below, default=None), "above": max(above, default=None)}


def _cut(image: Raster, holds: Range | None) -> tuple[float | None, float | None]:
    if holds is None or image.pixels.dtype.kind != "f":
        return image.below, image.above
    # Down the columns first: over parts of pixels numpy takes ten times as long.
    least = float(image.pixels.min(axis=0)[:, : image.colors].min())
    largest = float(image.pixels.max(axis=0)[:, : image.colors].max())
    low, high = holds
    return (
        least if least < low - _SLIGHT else image.below,
        largest if largest > high + _SLIGHT else image.above,
    )
