"""Texture kinds and classes, and what a classification says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

Kind = Literal[
    "albedo", "normal", "height", "roughness", "specular", "ao", "packed", "emissive", "sprite", "ui",
    "environment",
]  # fmt: skip
"""`specular`: reflection intensity or metalness; `roughness`: how rough the micro-surface is, or how smooth
(gloss); `packed`: independent grey data in the channels; `environment`: light from all around."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order in which the model gives their probabilities."""

TextureClass = Literal["color", "normal", "data", "packed", "emissive", "flat", "environment"]
"""`data`: one linear grey value; `flat`: pictures of a 2D world or an interface."""

CLASS_OF: dict[Kind, TextureClass] = {
    "albedo": "color", "normal": "normal", "height": "data", "roughness": "data", "specular": "data",
    "ao": "data", "packed": "packed", "emissive": "emissive", "sprite": "flat", "ui": "flat",
    "environment": "environment",
}  # fmt: skip
"""A wrong kind within a class is a blemish, a wrong class a wrong import setting."""


Probability = Annotated[float, Meta(ge=0, le=1)]
"""Calibrated: of what gets 0.9, nine in ten are right."""


class Evidence(Struct, frozen=True):
    """One thing that speaks for a kind."""

    source: Literal["pixels", "name", "folder", "siblings", "words", "slot", "settings", "project"]
    """Where it was seen; `words` are those of the path that say little each, `project` is its
    other textures, in all or in its folder and those beside it."""
    detail: str
    """What was seen, for example `_nrm`."""
    kind: Kind | None
    """The kind that it speaks for most; None where it speaks for a class alone."""


class Classification(Struct, frozen=True):
    """What a texture is for, and how sure that is."""

    kind: Kind
    """The most probable one."""
    probabilities: Mapping[str, Probability]
    """Of each kind; their sum is 1."""
    advise: bool
    """Whether its class (colour, normal, linear grey, packed, emissive, 2D, environment) is sure enough
    to change settings by."""
    evidence: Sequence[Evidence]
    """The strongest first."""
