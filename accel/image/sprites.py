"""What `image.atlas` tells: its pages, and where on them each sprite lies."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from accel.image.first import OfFirst


class AtlasPage(Struct, frozen=True):
    """One image of an atlas."""

    name: str
    """The output file's."""
    image: str
    """What the data calls the image: the output file's name with the suffix of its format."""
    data: str
    """The output file's with its sprites; of several pages it may be the same."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fill: Annotated[float, Meta(ge=0, le=1)]
    """Share of the page that sprites cover, with what they are extruded by."""
    below: float | None = None
    """The least colour that the image holds no value for and cuts off, as `Written` has it. Null for none."""
    above: float | None = None
    """The same of the largest."""


class Sprite(Struct, frozen=True):
    """Where one sprite lies."""

    name: str
    """As the data calls it."""
    page: int
    """The number of the page, from 0."""
    x: int
    """Left edge on the page, pixels, without what is extruded."""
    y: int
    """Upper edge on the page, pixels."""
    width: int
    """Pixels, trimmed and upright: on the page a rotated sprite is this high."""
    height: int
    """Pixels, trimmed and upright: on the page a rotated sprite is this wide."""
    rotated: bool
    """Whether it is turned clockwise by 90 degrees on the page."""
    offset_x: int
    """Columns that were trimmed on the left."""
    offset_y: int
    """Rows that were trimmed above."""
    source_width: int
    """Pixels, before it was trimmed."""
    source_height: int
    """Pixels, before it was trimmed."""
    alias: str
    """The first sprite with the same pixels, which lies in the same place; empty for one of its own."""

    @property
    def trimmed(self) -> bool:
        """Whether anything was cut off."""
        return (self.width, self.height) != (self.source_width, self.source_height)


class Atlas(OfFirst, frozen=True):
    """Sprites on pages."""

    pages: list[AtlasPage]
    """One for each image."""
    sprites: list[Sprite]
    """All of them, by name."""
