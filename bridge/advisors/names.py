"""What advice alone reads from a file's name: where green points, what must keep its size, channel orders."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePosixPath

from accel.image.channel_layouts import LAYOUTS, LayoutName, channels
from accel.texture.names import words_of
from bridge.core.textures import ChannelMeaning, NormalConvention

SHEETS = frozenset({
    "sheet", "spritesheet", "atlas", "tileset", "tilemap", "tiles", "font", "flipbook", "sprites",
})  # fmt: skip
CONVENTIONS: Mapping[str, NormalConvention] = {
    "gl": "opengl", "ogl": "opengl", "opengl": "opengl", "dx": "directx", "directx": "directx",
}  # fmt: skip
_WORDS: Mapping[str, LayoutName] = {
    **{name.replace("_", ""): name for name in LAYOUTS},
    "aorm": "orm", "occlusionroughnessmetallic": "orm", "mrao": "mro", "metallicgloss": "metallic_smoothness",
}  # fmt: skip
"""What a name may call a layout; words are joined: `MaskMap`, `mask_map`."""

ORDERS: Mapping[str, Mapping[str, ChannelMeaning]] = {
    word: {letter: "mask" if field == "detail_mask" else field for letter, field in channels(name).items()}
    for word, name in _WORDS.items()
}
"""The order of packed channels that a word promises. Not `mask` or `packed`, which promise none."""

_LONGEST = 3
"""Words that an order is made of: `mask map`, `occlusion roughness metallic`."""


def is_sheet(file: str) -> bool:
    """Whether regions of it are addressed by pixels, so that its size must stay."""
    words = words_of(PurePosixPath(file).stem)
    pairs = [one + other for one, other in pairwise(words)]
    return not SHEETS.isdisjoint(words + pairs)


def convention_of(file: str) -> NormalConvention | None:
    """Where its name says that green points: `rock_nor_gl_2k`, `Bricks_NormalDX`."""
    words = words_of(PurePosixPath(file).stem)[1:]
    return next((CONVENTIONS[word] for word in reversed(words) if word in CONVENTIONS), None)


def order_of(file: str) -> tuple[str, Mapping[str, ChannelMeaning]] | None:
    """The word in its name that promises an order of packed channels, and that order."""
    words = words_of(PurePosixPath(file).stem)
    for end in range(len(words), 0, -1):
        for count in range(min(_LONGEST, end), 0, -1):
            word = "".join(words[end - count : end])
            if word in ORDERS and count < len(words):
                return word, ORDERS[word]
    return None
