"""`image.ocr`: the text in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from accel.image.first import OfFirst, first_of
from accel.image.operation import Operated, Reading, operation
from accel.workload import Limits

if TYPE_CHECKING:
    from accel.image.raster import Raster


class Ocr(Reading, frozen=True):
    """What counts."""

    confidence: Annotated[
        float, Meta(ge=0, le=1, description="Lines that are read less surely than this are left out.")
    ] = 0.5


class Line(Struct, frozen=True):
    """A line of text."""

    text: str
    """As it is read."""
    confidence: float
    """0 to 1: the mean over its characters."""
    box: list[list[float]]
    """Its four corners, `[x, y]` in pixels from the image's upper left one: those of the text's upper left,
    upper right, lower right and lower left, however it is turned; at an edge they lie a little outside."""


class Text(OfFirst, frozen=True):
    """The text in a picture."""

    text: str
    """All lines, from top to bottom and left to right on a page that is turned as most of its text is, a line
    break between two."""
    lines: list[Line]
    """In the same order."""


@operation("image.ocr", version=5, params=Ocr)
def ocr(images: Sequence[Raster], params: Ocr, limits: Limits) -> Operated:
    """Finds and reads text: of screenshots, signs, interfaces, labels on textures; in any direction.

    Needs the model `pp-ocrv6` (`popbridge models pull pp-ocrv6`), which knows English, Chinese, Japanese and
    most languages of Latin script. What is transparent counts as white, or as black where all
    that is visible is light; where one page would hide some, the other is read too.
    Value: a `Text`.
    """
    from accel.ai.read_text import read_lines

    (image,) = images
    lines = [line for line in read_lines(image, limits) if line.confidence >= params.confidence]
    return Operated(value=Text("\n".join(line.text for line in lines), lines, first_of=first_of(image)))
