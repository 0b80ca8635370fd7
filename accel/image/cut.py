"""What a format holds no value for and cuts off, as facts of the file that is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accel.image.alpha import mixed
from accel.image.decoded import Alpha, Pixels
from accel.image.multiplied import straightened
from accel.image.raster import PixelKind, Raster
from accel.image.tangent import is_signed

_SLIGHT = 1 / 512
"""Half a step of 8 bits: what is cut off less isn't worth a word."""

Range = tuple[float, float]


def integers(image: Raster, kind: PixelKind | None = None) -> Range:
    """What integers hold of the colours of floats; vectors of -1 to 1 become 0 to full scale."""
    return (-1, 1) if (kind or image.kind) == "normal" and is_signed(image) else (0, 1)


def cut_off(
    image: Raster, holds: Range | None, alpha: Alpha = "straight", *, hidden: bool = False
) -> dict[str, Any]:
    """`below` and `above` of `Raster`, `Written` and `Compressed`, for an image before it is fitted to what a
    format `holds`, None for all that there can be, of colours that are mixed with `alpha` before. Colours
    under an alpha of 0 count where they are `hidden` no more, and of data."""
    return cut_off_all((image, *image.layers), holds, alpha, hidden=hidden)


def cut_off_all(
    images: Sequence[Raster], holds: Range | None, alpha: Alpha = "straight", *, hidden: bool = False
) -> dict[str, Any]:
    """The same of several images that go into one file; their layers don't count."""
    found = [_cut(each, holds, None if hidden or each.data else alpha) for each in images]
    below = [least for least, _ in found if least is not None]
    above = [largest for _, largest in found if largest is not None]
    return {"below": min(below, default=None), "above": max(above, default=None)}


def _cut(image: Raster, holds: Range | None, alpha: Alpha | None) -> tuple[float | None, float | None]:
    if holds is None or image.pixels.dtype.kind != "f":
        return image.below, image.above
    below, above = _beyond(image.pixels, image.colors, holds)
    # What is seen is looked at where it matters alone: that takes much longer.
    if (below, above) != (None, None) and image.has_alpha and alpha is not None:
        below, above = _beyond(_seen(image, alpha), image.colors, holds)
    return image.below if below is None else below, image.above if above is None else above


def _beyond(pixels: Pixels, colors: int, holds: Range) -> tuple[float | None, float | None]:
    # Down the columns first: over parts of pixels numpy takes ten times as long.
    least = float(pixels.min(axis=0)[:, :colors].min())
    largest = float(pixels.max(axis=0)[:, :colors].max())
    low, high = holds
    return (least if least < low - _SLIGHT else None, largest if largest > high + _SLIGHT else None)


def _seen(image: Raster, alpha: Alpha) -> Pixels:
    """The pixels mixed with alpha as a file holds them, 0 where nothing is to be seen."""
    image = straightened(image) if alpha == "on white" else image
    if image.multiplied:
        return image.pixels
    seen: Pixels = mixed(image.pixels, alpha) * (image.pixels[..., -1:] > 0)
    return seen
