"""How maps of a material are packed into the channels of one texture, by the layouts' usual names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Field = Literal["occlusion", "roughness", "smoothness", "metallic", "height", "detail_mask", "unused"]
"""What a channel holds."""

LayoutName = Literal[
    "orm", "arm", "omr", "rma", "rmo", "mra", "mro", "ormh", "mask_map", "metallic_roughness",
    "metallic_smoothness",
]  # fmt: skip

LETTERS = "rgba"

LAYOUTS: Mapping[LayoutName, tuple[Field, ...]] = {
    "orm": ("occlusion", "roughness", "metallic"),
    "arm": ("occlusion", "roughness", "metallic"),
    "omr": ("occlusion", "metallic", "roughness"),
    "rma": ("roughness", "metallic", "occlusion"),
    "rmo": ("roughness", "metallic", "occlusion"),
    "mra": ("metallic", "roughness", "occlusion"),
    "mro": ("metallic", "roughness", "occlusion"),
    "ormh": ("occlusion", "roughness", "metallic", "height"),
    "mask_map": ("metallic", "occlusion", "detail_mask", "smoothness"),
    # glTF 2.0 §3.9.2: green is roughness, blue metalness; red may be occlusion to another texture.
    "metallic_roughness": ("unused", "roughness", "metallic"),
    "metallic_smoothness": ("metallic", "unused", "unused", "smoothness"),
}
"""What red, green, blue and, where it is used, alpha hold."""

NEUTRAL: Mapping[str, float] = {
    "occlusion": 1.0, "roughness": 0.5, "smoothness": 0.5, "metallic": 0.0, "height": 0.5, "detail_mask": 1.0,
    "unused": 1.0,
}  # fmt: skip
"""What a channel is filled with for which there is no map: nothing occluded, half rough, no metal, in the
middle, detail everywhere. What is unused is full, so that whoever reads it as occlusion finds none."""

COMPLEMENTS: Mapping[str, Field] = {"roughness": "smoothness", "smoothness": "roughness"}
"""What is the other one inverted."""


def channels(layout: LayoutName) -> dict[str, Field]:
    """What each channel that is used holds, by `r`, `g`, `b` and `a`."""
    pairs = zip(LETTERS, LAYOUTS[layout], strict=False)
    return {letter: field for letter, field in pairs if field != "unused"}
