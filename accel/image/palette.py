"""`image.palette`: the few colours that a picture is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from accel.image.first import OfFirst
from accel.image.inspection import Share
from accel.image.operation import Operated, Writing, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class FindPalette(Writing, frozen=True):
    """How many colours."""

    colors: Annotated[int, Meta(ge=1, le=256, description="Most colours to give.")] = 8
    swatch: Annotated[
        bool, Meta(description="Whether to give a picture of them: squares of 64 pixels, 16 in a row.")
    ] = False


class PaletteColor(Struct, frozen=True):
    """One colour of a palette."""

    hex: str
    """sRGB, for example `#ff8000`."""
    share: Share
    """Of the picture, transparent parts counting as much as they are seen."""
    oklab: Sequence[float]
    """Lightness 0 to 1, a (green to red) and b (blue to yellow)."""


class Palette(OfFirst, frozen=True):
    """The colours of a picture, those with the largest share first."""

    colors: Sequence[PaletteColor]
    """Fewer than asked for where the picture has fewer; none where nothing of it is seen."""
    exact: bool
    """Whether these are all colours of the picture, each as it is, rather than means of similar ones."""


@operation("image.palette", version=3, params=FindPalette)
def palette(images: Sequence[Raster], params: FindPalette, limits: Limits) -> Operated:
    """Finds the few colours that stand for a picture, and the share of each; the same every time.

    Colours are grouped by k-means in OKLab (Ottosson 2020), where distances are about as large as they look;
    those of a picture with no more than asked for are given as they are. Looked at are all pixels, at 8 bit;
    of light beyond 0 to 1 what a screen shows.
    Output file: `swatch`, if asked for. Value: a `Palette`.
    """
    from accel.image.clusters import palette_of, swatch

    (image,) = images
    value = palette_of(image, params.colors)
    drawn = params.swatch and value.colors
    return Operated({"swatch": swatch(image, value)} if drawn else {}, value)
