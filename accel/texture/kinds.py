"""Texture kinds, their classes, and the result of a classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from accel.text import Text

Kind = Literal[
    "albedo", "normal", "height", "roughness", "specular", "ao", "packed", "emissive", "sprite", "ui",
    "environment", "other",
]  # fmt: skip
"""`specular`: specular intensity or metalness; `roughness`: roughness or gloss; `packed`: independent grey
data in the channels; `environment`: light from all directions; `other`: input of shaders and data of tools,
such as noise, ramps, lookup tables, masks and lightmaps, which is never advised on."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of a model's probabilities."""

LEARNED_KINDS: tuple[Kind, ...] = KINDS[:-1]
"""The kinds of models that weren't trained on `other`: the first of KINDS."""

TextureClass = Literal["color", "normal", "data", "packed", "emissive", "flat", "environment", "other"]
"""`data`: one linear grey value; `flat`: images of 2D games and user interfaces."""

CLASS_OF: dict[Kind, TextureClass] = {
    "albedo": "color", "normal": "normal", "height": "data", "roughness": "data", "specular": "data",
    "ao": "data", "packed": "packed", "emissive": "emissive", "sprite": "flat", "ui": "flat",
    "environment": "environment", "other": "other",
}  # fmt: skip
"""Import settings depend on the class; a wrong kind within the right class is a minor error."""


Probability = Annotated[float, Meta(ge=0, le=1)]
"""Calibrated: 90% of the predictions with 0.9 are correct."""


class Evidence(Struct, frozen=True, omit_defaults=True):
    """A piece of evidence for a kind."""

    source: Literal["pixels", "name", "folder", "siblings", "words", "slot", "settings", "project"]
    """`words`: words of the path that are weak evidence; `project`: the project's other textures, or those in
    the same folder or in folders beside it."""
    detail: str
    """Matched evidence, for example `_nrm`."""
    kind: Kind | None
    """The kind that it supports most; None if it only supports a class."""
    weights: Mapping[str, float] = {}
    """By kind, the natural logarithm of the factor by which it multiplies the odds; 0 for kinds that are
    missing. The product of all evidence gives the probabilities, except for weak evidence, which is left out.
    Empty for details of other evidence and for what doesn't count."""
    text: Text | None = None
    """`detail` in translatable form, if it is more than words of a name or a kind."""
    decisive: bool = False
    """Whether it decides the kind: weaker evidence and the project's other textures can only confirm it."""


class Classification(Struct, frozen=True):
    """The kind of a texture, with probabilities and evidence."""

    kind: Kind
    """The most probable kind."""
    probabilities: Mapping[str, Probability]
    """Probability of each kind; the sum is 1."""
    advise: bool
    """Whether the class (colour, normal, linear grey, packed, emissive, 2D, environment) is certain enough to
    change settings; never for `other`."""
    evidence: Sequence[Evidence]
    """The strongest first."""
    needs: float = 0.0
    """The probability of the class from which on `advise` is true; above 1 if it never is for this class."""
    confidence: Probability = 0.0
    """Probability of the class of `kind`, which is what advice depends on and what people are shown. 0, the
    default, computes it from `probabilities`."""

    def __post_init__(self) -> None:
        if not self.confidence:
            same = (one for one in KINDS if CLASS_OF[one] == CLASS_OF[self.kind])
            confidence = min(1.0, sum(self.probabilities.get(one, 0.0) for one in same))
            force_setattr(self, "confidence", confidence)

    @property
    def decided(self) -> Kind | None:
        """The kind that decisive evidence supports; None without any."""
        return next((one.kind for one in self.evidence if one.decisive), None)


def percent(confidence: float) -> int:
    """Returns a confidence as people are shown it: rounded down, and never certain."""
    return min(99, int(confidence * 100))
