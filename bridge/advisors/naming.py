"""Evidence in names and pixels of a texture: channel order, normal convention, and the maps of one
material.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from accel.image.operations.channels import LAYOUTS, LayoutName, channels
from accel.image.records import Channel, Inspection
from accel.texture.naming import material_of, words_of
from bridge.core.textures import ChannelMeaning, NormalConvention

SHEETS = frozenset({
    "sheet", "spritesheet", "atlas", "tileset", "tilemap", "tiles", "font", "flipbook", "sprites",
})  # fmt: skip
CONVENTIONS: Mapping[str, NormalConvention] = {
    "gl": "opengl", "ogl": "opengl", "opengl": "opengl", "dx": "directx", "directx": "directx",
}  # fmt: skip
_WORDS: Mapping[str, LayoutName] = {
    **{name.replace("_", ""): name for name in LAYOUTS},
    "aorm": "orm", "aormt": "orm", "occlusionroughnessmetallic": "orm", "mrao": "mro",
    "metallicgloss": "metallic_smoothness", "metallicsmooth": "metallic_smoothness",
    "metsmooth": "metallic_smoothness",
}  # fmt: skip
"""Layouts by their name in file names, words joined: `MaskMap` and `mask_map` are `maskmap`."""

ORDERS: Mapping[str, Mapping[str, ChannelMeaning]] = {
    word: {letter: "mask" if field == "detail_mask" else field for letter, field in channels(name).items()}
    for word, name in _WORDS.items()
}
"""The channel order that a word stands for; `mask` and `packed` stand for none."""

_MAX_WORDS = 3
"""Words of a layout's name: `mask map`, `occlusion roughness metallic`."""


def is_sheet(file: str) -> bool:
    """Whether it is named as a sheet, whose regions are addressed by pixels: its size must not change."""
    words = words_of(PurePosixPath(file).stem)
    pairs = [one + other for one, other in pairwise(words)]
    return not SHEETS.isdisjoint(words + pairs)


def convention_of(file: str) -> NormalConvention | None:
    """Returns the normal convention in its name: `rock_nor_gl_2k`, `Bricks_NormalDX`."""
    words = words_of(PurePosixPath(file).stem)[1:]
    return next((CONVENTIONS[word] for word in reversed(words) if word in CONVENTIONS), None)


def order_of(file: str) -> tuple[str, Mapping[str, ChannelMeaning]] | None:
    """Returns the word in its name that stands for a channel order, and that order."""
    words = words_of(PurePosixPath(file).stem)
    for end in range(len(words), 0, -1):
        for count in range(min(_MAX_WORDS, end), 0, -1):
            word = "".join(words[end - count : end])
            if word in ORDERS and count < len(words):
                return word, ORDERS[word]
    return None


Order = Mapping[str, ChannelMeaning]

BINARY = 0.8
"""Lowest `binarity` of a metallic channel."""
GRADED = 0.4
"""Highest `binarity` of roughness and occlusion."""
CONSTANT = 0.02
"""Highest standard deviation of a constant channel."""
OPEN = 0.75
"""Lowest mean of occlusion: most of a surface isn't occluded."""
APART = 0.15
"""Lowest difference between the means of occlusion and roughness that distinguishes them."""
MAX_SRGB_CHANGE = 0.007
"""Highest `srgb_change` of masks of 0 and 1 with smooth edges, except small and ragged ones: as if 4% of the
texels were uniformly distributed between 0 and 1."""
MAX_SRGB_CHANGE_LOSSY = 0.01
"""Lowest difference with compression noise, as in a JPEG of quality 75."""
LOSSY = frozenset({"jpeg", "webp", "avif", "heif"})
"""Formats with such noise; a WebP file doesn't declare whether it is lossless."""


def channel_order(image: Inspection, file: str) -> Order | None:
    """Returns the meaning of each channel; None if neither the name nor the pixels show it."""
    by_pixels = order_by_pixels(image)
    named = order_of(file)
    if named is None:
        return by_pixels
    order = {name: meaning for name, meaning in named[1].items() if name in _channels(image)}
    return None if contradicts(image, order, by_pixels) else order


def contradicts(image: Inspection, order: Order, by_pixels: Order | None) -> bool:
    """Whether the pixels contradict `order`: another channel is metallic, or this one can't be."""
    if by_pixels is not None:
        return any(order.get(name, meaning) != meaning for name, meaning in by_pixels.items())
    channels = _channels(image)
    metal = next((channels[name] for name, meaning in order.items() if meaning == "metallic"), None)
    graded = metal is not None and not is_constant(metal) and binarity(metal) < GRADED
    others = [channels[name] for name, meaning in order.items() if meaning != "metallic"]
    return graded and any(binarity(one) >= BINARY for one in others)


def order_by_pixels(image: Inspection) -> Order | None:
    """Returns the order of occlusion, roughness and metallic by the channels' statistics; None if unclear."""
    channels = {name: one for name, one in _channels(image).items() if name != "a"}
    if len(channels) != 3 or image.grey:
        return None
    metals = [name for name, one in channels.items() if binarity(one) >= BINARY and not is_constant(one)]
    if len(metals) != 1:
        return None
    one, other = (name for name in channels if name != metals[0])
    if any(binarity(channels[name]) > GRADED or is_constant(channels[name]) for name in (one, other)):
        return None
    open_, rough = sorted((one, other), key=lambda name: -channels[name].mean)
    bright, dark = channels[open_], channels[rough]
    if bright.mean < OPEN or bright.max < 0.98 or bright.mean - dark.mean < APART:
        return None
    return {open_: "occlusion", rough: "roughness", metals[0]: "metallic"}


def binarity(channel: Channel) -> float:
    """Returns the variance relative to a channel of 0 and 1 with the same mean: 1 for masks, near 0 for
    gradients.
    """
    most = channel.mean * (1 - channel.mean)
    return channel.std**2 / most if most > 0 else 0.0


def srgb_matters(image: Inspection, names: Collection[str] = ()) -> bool:
    """Whether sRGB decoding changes the values of a colour channel, one of `names` if given.

    It doesn't change 0 and 1; a few texels in between, as at edges, don't count. Alpha is never decoded.
    """
    most = MAX_SRGB_CHANGE_LOSSY if image.format in LOSSY or image.compression else MAX_SRGB_CHANGE
    colors = [channel for channel in image.statistics if channel.name != "a"]
    return any(srgb_change(one) > most for one in colors if not names or one.name in names)


def srgb_change(channel: Channel) -> float:
    """Returns the approximate mean change by sRGB decoding, 0 to 0.25; 0 if all values are 0 or 1.

    The mean of x * (1 - x), computed from the statistics; for every x within a third of the exact change.
    """
    if not (channel.min >= 0 and channel.max <= 1):
        # Floats, for which the curve isn't defined: certainly values in between.
        return 0.25
    return max(0.0, channel.mean * (1 - channel.mean) - channel.std**2)


def is_constant(channel: Channel) -> bool:
    """Whether all its values are nearly equal."""
    return channel.std <= CONSTANT


def _channels(image: Inspection) -> dict[str, Channel]:
    return {channel.name: channel for channel in image.statistics if channel.name in ("r", "g", "b", "a")}


MAX_SIBLINGS = 64
"""Names by which one texture is judged."""


class NamedTexture(Protocol):
    """A file with its path below the project's root."""

    @property
    def file(self) -> str: ...


One = TypeVar("One", bound=NamedTexture)


NameGroups = Mapping[str, Sequence[str]]
"""A folder's file names by their first word, sorted."""


def group_names(names: Iterable[str]) -> NameGroups:
    """Groups a folder's names for `material_siblings`."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_first_word(name), []).append(name)
    return groups


def material_siblings(file: str, folder: NameGroups) -> list[str]:
    """Returns the names in its folder that may belong to the same material: those that sort nearest.

    Other files in the folder must not change how a texture is judged.
    """
    own = PurePosixPath(file).name
    names = folder.get(_first_word(own), ())
    start = max(0, min(bisect_left(names, own) - MAX_SIBLINGS // 2, len(names) - MAX_SIBLINGS - 1))
    return [name for name in names[start : start + MAX_SIBLINGS + 1] if name != own][:MAX_SIBLINGS]


def group_by_material(files: Sequence[One]) -> list[tuple[str, list[One]]]:
    """Groups the maps of one material under its name, in order; single textures have an empty name."""
    sets: dict[tuple[str, str], list[One]] = {}
    for file in files:
        sets.setdefault(material_key(file.file), []).append(file)
    return [(_name(members) if len(members) > 1 else "", members) for members in sets.values()]


def material_key(file: str) -> tuple[str, str]:
    """Returns the folder and the material's name, the same for all maps of a material."""
    place = PurePosixPath(file)
    return place.parent.as_posix(), material_of(to_ascii(place.stem))


def _name(members: Sequence[NamedTexture]) -> str:
    """Returns the common beginning of the names, without separators at its end."""
    stems = [PurePosixPath(member.file).stem for member in members]
    shortest = min(stems, key=len)
    same = next((n for n in range(len(shortest), 0, -1) if len({stem[:n].lower() for stem in stems}) == 1), 0)
    # `rock_roughness` and `rock_rma` have `rock_r` in common.
    while same and _cuts_a_word(stems, same):
        same -= 1
    return shortest[:same].rstrip(" _-.") or material_of(shortest)


def _cuts_a_word(stems: Sequence[str], at: int) -> bool:
    return any(stem[at - 1].isalnum() and stem[at : at + 1].islower() for stem in stems)


def _first_word(name: str) -> str:
    stem = to_ascii(PurePosixPath(name).stem)
    return next(iter(words_of(stem)), stem.lower())


def to_ascii(stem: str) -> str:
    """Encodes each run of non-ASCII letters as an ASCII word, as the lexicon needs."""
    return _NON_ASCII.sub(
        lambda found: f"_{found[0].encode('utf-8', 'replace').hex().translate(_LETTERS)}_", stem
    )


_NON_ASCII = re.compile(r"[^\x00-\x7f]+")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
