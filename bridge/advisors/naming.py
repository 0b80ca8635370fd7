"""Channel order, convention and material sets by name."""

from __future__ import annotations

import re
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


Order = Mapping[str, ChannelMeaning]

BINARY = 0.8
"""Metal is or isn't: variance over that of a texture of 0 and 1 alone with the same mean, from this on."""
GRADED = 0.4
"""Up to this the same ratio speaks of values in between, as roughness and occlusion have them."""
CONSTANT = 0.02
"""Standard deviation of what is the same everywhere: a thing of metal, or one without."""
OPEN = 0.75
"""Most of a surface is occluded by nothing: so bright is its mean."""
APART = 0.15
"""How much brighter occlusion is than roughness where the pixels tell them apart."""
BENT = 0.007
"""What `bend` gives at the most for masks of 0 and 1 with smooth edges, save for small and ragged ones: as
much as where 4 % of all texels are spread evenly between 0 and 1."""
BENT_LOSSY = 0.01
"""The same where noise comes to it, as of a JPEG of quality 75."""
LOSSY = frozenset({"jpeg", "webp", "avif", "heif"})
"""Formats that may hold such noise; a WebP doesn't say whether it does."""


def channel_order(image: Inspection, file: str) -> Order | None:
    """What each channel holds; None where neither the name nor the pixels say it for sure."""
    by_pixels = order_by_pixels(image)
    named = order_of(file)
    if named is None:
        return by_pixels
    order = {name: meaning for name, meaning in named[1].items() if name in _channels(image)}
    return None if contradicts(image, order, by_pixels) else order


def contradicts(image: Inspection, order: Order, by_pixels: Order | None) -> bool:
    """Whether the pixels speak against `order`: another channel is metal, or this one has no such values."""
    if by_pixels is not None:
        return any(order.get(name, meaning) != meaning for name, meaning in by_pixels.items())
    channels = _channels(image)
    metal = next((channels[name] for name, meaning in order.items() if meaning == "metallic"), None)
    graded = metal is not None and not is_constant(metal) and is_binary(metal) < GRADED
    others = [channels[name] for name, meaning in order.items() if meaning != "metallic"]
    return graded and any(is_binary(one) >= BINARY for one in others)


def order_by_pixels(image: Inspection) -> Order | None:
    """Metal, occlusion and roughness in three channels whose statistics tell them apart; None else."""
    channels = {name: one for name, one in _channels(image).items() if name != "a"}
    if len(channels) != 3 or image.grey:
        return None
    metals = [name for name, one in channels.items() if is_binary(one) >= BINARY and not is_constant(one)]
    if len(metals) != 1:
        return None
    one, other = (name for name in channels if name != metals[0])
    if any(is_binary(channels[name]) > GRADED or is_constant(channels[name]) for name in (one, other)):
        return None
    open_, rough = sorted((one, other), key=lambda name: -channels[name].mean)
    bright, dark = channels[open_], channels[rough]
    if bright.mean < OPEN or bright.max < 0.98 or bright.mean - dark.mean < APART:
        return None
    return {open_: "occlusion", rough: "roughness", metals[0]: "metallic"}


def is_binary(channel: Channel) -> float:
    """1 where there is only 0 and 1, towards 0 for values in between."""
    most = channel.mean * (1 - channel.mean)
    return channel.std**2 / most if most > 0 else 0.0


def sum_of_bends(image: Inspection, names: Collection[str] = ()) -> bool:
    """Whether a colour channel, of those called `names` if any are, means another thing when read as sRGB.

    0 and 1 stay what they are, and a few texels between them, as edges have, don't count. Alpha is never
    read so.
    """
    most = BENT_LOSSY if image.format in LOSSY or image.compression else BENT
    colors = [channel for channel in image.statistics if channel.name != "a"]
    return any(bend_of(one) > most for one in colors if not names or one.name in names)


def bend_of(channel: Channel) -> float:
    """About how much lower its values are when read as sRGB, on the mean: 0 where all are 0 or 1, 0.25 at
    most.

    It is the mean of x * (1 - x), which follows from the statistics, and is for every x within a third of
    what decoding takes away.
    """
    if not (channel.min >= 0 and channel.max <= 1):
        # Floats, which the curve isn't made for: certainly values in between.
        return 0.25
    return max(0.0, channel.mean * (1 - channel.mean) - channel.std**2)


def is_constant(channel: Channel) -> bool:
    """Whether it has one value."""
    return channel.std <= CONSTANT


def _channels(image: Inspection) -> dict[str, Channel]:
    return {channel.name: channel for channel in image.statistics if channel.name in ("r", "g", "b", "a")}


MAX_SIBLINGS = 64
"""Most names that one texture is judged by."""


class NamedTexture(Protocol):
    """Anything with a place below the project's root."""

    @property
    def file(self) -> str: ...


One = TypeVar("One", bound=NamedTexture)


Beside = Mapping[str, Sequence[str]]
"""The names of one folder's files by the word that they begin with, each group in order."""


def neighbours(names: Iterable[str]) -> Beside:
    """What `siblings_of` looks up: a folder's names are read once, not once for each of its files."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_start(name), []).append(name)
    return groups


def material_siblings(file: str, folder: Beside) -> list[str]:
    """Those of a folder's file names that may be of the same material as `file`.

    Only these, so that the judgement of a texture doesn't change with whatever else lies beside it.
    """
    own = PurePosixPath(file).name
    near = folder.get(_start(own), ())[: MAX_SIBLINGS + 1]
    return [name for name in near if name != own][:MAX_SIBLINGS]


def group_by_material(files: Sequence[One]) -> list[tuple[str, list[One]]]:
    """`files` in their order, those of one material together, under its name; each other one under ``."""
    sets: dict[tuple[str, str], list[One]] = {}
    for file in files:
        place = PurePosixPath(file.file)
        sets.setdefault((place.parent.as_posix(), material_of(_spelt(place.stem))), []).append(file)
    return [(_name(members) if len(members) > 1 else "", members) for members in sets.values()]


def _name(members: Sequence[NamedTexture]) -> str:
    """The material's name as its people write it: what the names have in common, without what joins words."""
    stems = [PurePosixPath(member.file).stem for member in members]
    shortest = min(stems, key=len)
    same = next((n for n in range(len(shortest), 0, -1) if len({stem[:n].lower() for stem in stems}) == 1), 0)
    # `rock_roughness` and `rock_rma` have more in common than their material.
    while same and _cuts_a_word(stems, same):
        same -= 1
    return shortest[:same].rstrip(" _-.") or material_of(shortest)


def _cuts_a_word(stems: Sequence[str], at: int) -> bool:
    return any(stem[at - 1].isalnum() and stem[at : at + 1].islower() for stem in stems)


def _start(name: str) -> str:
    stem = _spelt(PurePosixPath(name).stem)
    return next(iter(words_of(stem)), stem.lower())


def _spelt(stem: str) -> str:
    """`stem` with each run of letters beyond ASCII as one word of ASCII: the lexicon knows no others."""
    return _OTHERS.sub(
        lambda found: f"_{found[0].encode('utf-8', 'replace').hex().translate(_LETTERS)}_", stem
    )


_OTHERS = re.compile(r"[^\x00-\x7f]+")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
