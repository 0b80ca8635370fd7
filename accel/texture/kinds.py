"""The kinds of texture, and the classes that decide how one is imported."""

from __future__ import annotations

from typing import Literal, get_args

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
