"""What a material is before its maps: a height field and the masks that all of its maps agree on."""

from __future__ import annotations

from dataclasses import dataclass

from tools.train.render.field import Field, Shape


@dataclass
class Surface:
    """A material's geometry and masks, each (h, w) in 0..1, with the colours that it may take.

    `cavity`: gaps and crevices; `tone`: the shade of each brick, plank or part; `metal`: bare metal; `wear`:
    scratches, rust, dirt; `glow`: parts that light up; `cover`: what is there at all (islands of a UV
    atlas, leaves of a cut-out), None where it is everything; `relief`: how deep it is, in pixels; `lean`: how
    each island of an atlas falls into shade, None without islands; `frame`: the part to be shown where that
    is not all, so that the maps don't repeat.
    """

    name: str
    height: Field
    tone: Field
    cavity: Field
    metal: Field
    wear: Field
    glow: Field
    colours: list[Field]
    relief: float = 6
    cover: Field | None = None
    roughness: float = 0.7
    lean: Field | None = None
    frame: Shape | None = None

    @property
    def shape(self) -> Shape:
        """Height and width in pixels."""
        return (int(self.height.shape[0]), int(self.height.shape[1]))

    @property
    def atlas(self) -> bool:
        """Whether something is left uncovered: a UV atlas or a cut-out."""
        return self.cover is not None
