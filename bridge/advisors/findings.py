"""From an image's facts to what is wrong with its import settings. Pure; where unsure: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from accel.image.inspection import Inspection
from bridge.advisors.names import Hints, read_name
from bridge.core.textures import FLAT_KINDS, TextureIntent

WRONG = 2
"""It looks wrong in the game."""
WASTE = 1
"""It costs memory or quality."""
NOTE = 0
"""It is so, and no reason to interrupt anybody."""

SURE = 0.7
"""Confidence from which a normal map's convention counts."""
SMALLEST_MIPPED = 16
"""Pixels; below that mipmaps make no difference."""


class Finding(Struct, frozen=True):
    """One thing that could be better."""

    code: str
    rank: int
    sentence: str
    """Key of its sentence in texts."""
    values: dict[str, Any] = field(default_factory=dict)
    intent: TextureIntent = TextureIntent()
    """What to apply; empty where the file itself must change."""

    @property
    def applicable(self) -> bool:
        return bool(self.intent.fields())


def find(
    image: Inspection, file: str, present: TextureIntent, decides: frozenset[str], max_size: int
) -> list[Finding]:
    """What could be better about `file`, the worst first.

    `present` is what its import settings say, `decides` the fields that the engine's import settings
    decide, `max_size` the longest side that is accepted, pixels.
    """
    hints = read_name(file)
    normal = looks_like_a_normal_map(image, hints)
    material = (normal or hints.material) and not hints.ui
    found = [
        *_normal(image, hints, present, decides, normal),
        *_data(image, hints, present, decides),
        *_alpha(image, present),
        *_mipmaps(image, hints, present, decides, material),
        *_size(image, hints, present, max_size),
    ]
    mipped = present.mipmaps or any(finding.intent.mipmaps for finding in found)
    if material and not image.power_of_two and _needs_power_of_two(present, bool(mipped)):
        values = {"width": image.width, "height": image.height}
        found.append(Finding("not_power_of_two", WASTE, "not_power_of_two", values))
    return sorted(found, key=lambda finding: -finding.rank)


def _needs_power_of_two(present: TextureIntent, mipped: bool) -> bool:
    # Blocks want multiples of four in every mipmap, some mobile formats powers of two outright. Old GPUs
    # can't repeat other sizes with mipmaps: that matters where the import settings decide on repeating.
    blocks = present.compression in ("block", "block_high", "universal")
    return blocks or (mipped and present.wrap in ("repeat", "mirror"))


def looks_like_a_normal_map(image: Inspection, hints: Hints) -> bool:
    """Whether the texels are tangent-space normals: the pixels decide, the name only lowers the bar.

    Flat colours have no spread, and a blue sky's mean doesn't point out of the surface: r and g aren't 0.5.
    """
    if image.normals is None or image.grey or hints.ui or hints.material:
        return False
    red, green, blue = image.statistics[:3]
    share, limit, spread, depth = (0.85, 0.12, 0.004, 0.8) if hints.normal else (0.95, 0.05, 0.01, 0.87)
    centred = abs(red.mean - 0.5) <= limit and abs(green.mean - 0.5) <= limit and blue.mean >= depth
    if not centred or image.normals.unit_length < share or max(red.std, green.std) < spread:
        return False
    # A gradient of pale blues can be all unit vectors; only slopes of a surface have no curl.
    return hints.normal or image.normals.convention is not None


def _normal(
    image: Inspection, hints: Hints, present: TextureIntent, decides: frozenset[str], normal: bool
) -> Iterator[Finding]:
    evidence = image.normals
    if not normal or evidence is None:
        return
    if present.kind != "normal" or ("color_space" in decides and present.color_space == "srgb"):
        red, green, blue = evidence.mean
        yield Finding(
            "normal_as_color",
            WRONG,
            "normal_as_color",
            {"r": red, "g": green, "b": blue, "share": int(evidence.unit_length * 100)},
            TextureIntent(kind="normal", color_space="linear"),
        )
    convention, said = evidence.convention, present.normal_convention
    contradicted = hints.convention not in (None, convention)
    if convention is None or contradicted or evidence.convention_confidence < SURE:
        return
    if "normal_convention" not in decides:
        return
    if said != convention and (said is not None or convention == "directx"):
        yield Finding(
            "normal_convention",
            WRONG,
            "normal_green_down" if convention == "directx" else "normal_green_up",
            {"confidence": int(evidence.convention_confidence * 100)},
            TextureIntent(normal_convention=convention),
        )


def _data(
    image: Inspection, hints: Hints, present: TextureIntent, decides: frozenset[str]
) -> Iterator[Finding]:
    if "color_space" not in decides or present.color_space != "srgb":
        return
    linear = TextureIntent(color_space="linear")
    if hints.data and image.grey:
        yield Finding("data_as_srgb", WRONG, "data_as_srgb", {"word": hints.data}, linear)
    elif hints.packed and not image.grey and len(image.statistics) >= 3:
        yield Finding("data_as_srgb", WRONG, "packed_as_srgb", {"word": hints.packed}, linear)


def _alpha(image: Inspection, present: TextureIntent) -> Iterator[Finding]:
    opaque = image.alpha is not None and image.alpha.constant == 255
    if opaque and present.alpha != "none":
        yield Finding("alpha_constant", WASTE, "alpha_constant", intent=TextureIntent(alpha="none"))


def _mipmaps(
    image: Inspection, hints: Hints, present: TextureIntent, decides: frozenset[str], material: bool
) -> Iterator[Finding]:
    if "mipmaps" not in decides:
        return
    flat = hints.ui or present.kind in FLAT_KINDS
    if present.mipmaps is True and flat and not material:
        yield Finding("ui_mipmaps", WASTE, "ui_mipmaps", intent=TextureIntent(mipmaps=False))
    if present.mipmaps is False and material and min(image.width, image.height) >= SMALLEST_MIPPED:
        yield Finding("no_mipmaps", WASTE, "no_mipmaps", intent=TextureIntent(mipmaps=True))


def _size(image: Inspection, hints: Hints, present: TextureIntent, max_size: int) -> Iterator[Finding]:
    limited = present.max_size is not None and 0 < present.max_size <= max_size
    if max(image.width, image.height) > max_size and not limited and not hints.sheet:
        yield Finding(
            "too_large",
            WASTE,
            "too_large",
            {"width": image.width, "height": image.height, "limit": max_size},
            TextureIntent(max_size=max_size),
        )
