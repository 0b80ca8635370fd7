"""A material before its maps: geometry, masks, and the colour families that it draws from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.train.render.field import Field, Random, Shape, chance, hsv, pick, span


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


FAMILIES: dict[str, tuple[float, float, float, float, float, float]] = {
    "stone": (0.05, 0.16, 0.0, 0.22, 0.25, 0.7),
    "brick": (0.0, 0.07, 0.3, 0.7, 0.25, 0.65),
    "wood": (0.04, 0.11, 0.25, 0.7, 0.15, 0.65),
    "grass": (0.17, 0.36, 0.3, 0.8, 0.15, 0.6),
    "sand": (0.08, 0.14, 0.2, 0.5, 0.5, 0.9),
    "soil": (0.04, 0.11, 0.2, 0.6, 0.12, 0.45),
    "metal": (0.5, 0.68, 0.0, 0.15, 0.2, 0.75),
    "rust": (0.02, 0.08, 0.45, 0.85, 0.2, 0.55),
    "snow": (0.5, 0.65, 0.0, 0.12, 0.75, 1.0),
    "skin": (0.03, 0.09, 0.2, 0.55, 0.35, 0.95),
    "cloth": (0.0, 1.0, 0.05, 0.7, 0.1, 0.8),
    "paint": (0.0, 1.0, 0.3, 0.95, 0.25, 0.95),
    "toon": (0.0, 1.0, 0.4, 1.0, 0.5, 1.0),
    "lava": (0.0, 0.1, 0.8, 1.0, 0.1, 0.5),
    "dark": (0.0, 1.0, 0.0, 0.4, 0.03, 0.2),
    "grey": (0.0, 1.0, 0.0, 0.03, 0.1, 0.9),
    "vivid": (0.0, 1.0, 0.9, 1.0, 0.8, 1.0),
    "sky": (0.55, 0.65, 0.25, 0.9, 0.6, 1.0),
    "water": (0.45, 0.65, 0.3, 0.9, 0.15, 0.7),
}
"""Low and high of hue (turns), saturation and value."""


def colour(rng: Random, family: str) -> Field:
    """One colour of the family, RGB in 0..1."""
    h0, h1, s0, s1, v0, v1 = FAMILIES[family]
    return hsv(span(rng, h0, h1), span(rng, s0, s1), span(rng, v0, v1))


def shades(rng: Random, family: str, count: int = 4) -> list[Field]:
    """Related colours from dark to light: one hue that drifts a little, as in one photographed material."""
    h0, h1, s0, s1, v0, v1 = FAMILIES[family]
    hue, saturation, value = span(rng, h0, h1), span(rng, s0, s1), span(rng, v0, v1)
    drift, contrast = span(rng, -0.08, 0.08), span(rng, 0.2, 1.3)
    colours = []
    for t in np.linspace(-0.5, 0.5, count):
        v = float(np.clip(value * (1 + contrast * t), 0, 1))
        s = float(np.clip(saturation * (1 - 0.5 * t + span(rng, -0.1, 0.1)), 0, 1))
        colours.append(hsv(hue + drift * float(t), s, v))
    return colours


def several(rng: Random, family: str, count: int) -> list[Field]:
    """Unrelated colours of one family, as painters choose for the parts of a thing."""
    return [colour(rng, family) for _ in range(count)]


def scheme(rng: Random, count: int = 5) -> list[Field]:
    """Colours of one picture: two or three hues at several values, sometimes with a near black and white."""
    hues = [float(rng.random())]
    hues += [hues[0] + pick(rng, (0.08, -0.08, 0.33, 0.5, 0.42)) for _ in range(2)]
    saturation, value = span(rng, 0.1, 1), span(rng, 0.5, 1)
    if chance(rng, 0.3):
        # Pure primaries of 16-colour palettes and cartoons: flat, and yet no data in the channels.
        pure = [hsv(int(rng.integers(6)) / 6, 1, pick(rng, (1, 1, 0.66, 0.5))) for _ in range(count - 2)]
        return [np.zeros(3, np.float32), *pure, np.ones(3, np.float32)]
    colours = [
        hsv(pick(rng, hues), saturation * span(rng, 0.4, 1), value * span(rng, 0.35, 1)) for _ in range(count)
    ]
    if chance(rng, 0.55):
        colours[-1] = hsv(hues[0], 0.1, span(rng, 0.85, 1))
    if chance(rng, 0.3):
        colours[0] = hsv(hues[1], 0.4, span(rng, 0.03, 0.2))
    return colours
