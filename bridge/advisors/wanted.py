"""What each class of textures wants of its import settings, and what it costs not to get it.

What isn't in this table is taste, and never mentioned: lossy colours, compressed large 2D pictures, mipmaps
of sprites, the wrap, emission read as linear, the compression of heights and of skies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from accel.texture.kinds import KINDS, TextureClass
from bridge.advisors.channels import bent, channel_order
from bridge.advisors.subject import BLOCKS, RAW, Texture
from bridge.core.findings import Code

WRONG: Final = 2
"""It looks wrong in the game."""
WASTE: Final = 1
"""It costs memory or quality."""
NOTE: Final = 0
"""It is so, and no reason to interrupt anybody."""

OWN: Final = "its own kind"
"""In the place of a value: the kind that the texture has."""

NOT_NORMAL: frozenset[object] = frozenset({None, *KINDS}) - {"normal"}


def _always(texture: Texture) -> bool:
    return True


class Want(Struct, frozen=True):
    """What is wanted of one field; wants of one class with the same code are one finding."""

    field: str
    """A field of `TextureIntent`."""
    refuses: frozenset[object]
    """The values that are a finding; None, where nothing is said, only if it is among them."""
    to: Any
    """What is applied instead."""
    code: Code
    rank: int
    where: Callable[[Texture], bool] = _always
    """What else must be so."""
    sentence: str = ""
    """Key of its sentence in texts, where that isn't `code`."""


def _grey(texture: Texture) -> bool:
    # Colours of reflection are colours: only what has one value for a texel is certainly a number.
    number = texture.image.grey and texture.told_data and texture.kind not in texture.srgb_kinds
    return number and bent(texture.image)


def _colored(texture: Texture) -> bool:
    if texture.image.grey:
        return False
    order = channel_order(texture.image, texture.file)
    if order is None:
        return texture.told_data and bent(texture.image)
    numbers = {name: order[name] for name in "rgb" if order.get(name, "unused") != "unused"}
    colors = set(numbers.values()) == {"metallic"} and "specular" in texture.srgb_kinds
    return bool(numbers) and not colors and bent(texture.image, numbers)


def _colors_of_a_surface(texture: Texture) -> bool:
    # Where all is 2D, nothing is lit and linear does no harm.
    return texture.surface and not texture.image.grey


def _no_vectors(texture: Texture) -> bool:
    return texture.without_vectors


def _worth_blocks(texture: Texture) -> bool:
    return texture.worth_blocks


def _not_worth_blocks(texture: Texture) -> bool:
    return not texture.worth_blocks


def _from_afar(texture: Texture) -> bool:
    return texture.seen_from_afar


def _pixel_art(texture: Texture) -> bool:
    return texture.pixel_art


def _interface(texture: Texture) -> bool:
    return texture.interface


def _hdr(texture: Texture) -> bool:
    return texture.facts.hdr


NO_NORMAL = Want("kind", frozenset({"normal"}), OWN, "color_as_normal", WRONG, _no_vectors)
MIPMAPS = Want("mipmaps", frozenset({False}), True, "no_mipmaps", WASTE, _from_afar)
EXACT = Want("compression", frozenset({"lossy"}), "lossless", "lossy_data", WASTE, _not_worth_blocks)
IN_BLOCKS = Want("compression", RAW, "block", "uncompressed", WASTE, _worth_blocks)

WANTED: Mapping[TextureClass, tuple[Want, ...]] = {
    "normal": (
        Want("kind", NOT_NORMAL, "normal", "normal_as_color", WRONG),
        Want("color_space", frozenset({"srgb"}), "linear", "normal_as_color", WRONG),
        IN_BLOCKS, EXACT, MIPMAPS,
    ),
    "data": (
        Want("color_space", frozenset({"srgb"}), "linear", "data_as_srgb", WRONG, _grey),
        NO_NORMAL, IN_BLOCKS, EXACT, MIPMAPS,
    ),
    "packed": (
        Want("color_space", frozenset({"srgb"}), "linear", "data_as_srgb", WRONG, _colored, "packed_as_srgb"),
        NO_NORMAL,
        # Plain blocks keep three channels on one line: independent ones bleed into each other.
        Want("compression", RAW, "block_high", "uncompressed", WASTE, _worth_blocks),
        EXACT, MIPMAPS,
    ),
    "color": (
        Want("color_space", frozenset({"linear"}), "srgb", "color_as_linear", WRONG, _colors_of_a_surface),
        NO_NORMAL, IN_BLOCKS, MIPMAPS,
    ),
    "emissive": (NO_NORMAL, IN_BLOCKS, MIPMAPS),
    "flat": (
        NO_NORMAL,
        Want("compression", BLOCKS, "lossless", "pixel_art_blocks", WRONG, _pixel_art),
        Want("mipmaps", frozenset({True}), False, "ui_mipmaps", WASTE, _interface),
    ),
    "environment": (
        NO_NORMAL,
        Want("compression", frozenset({"lossy"}), "lossless", "lossy_hdr", WRONG, _hdr),
    ),
}  # fmt: skip
