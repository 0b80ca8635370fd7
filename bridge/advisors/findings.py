"""Findings and the rule table.

What isn't in this table is taste, and never mentioned: lossy colours, compressed large 2D pictures, mipmaps
of sprites, the wrap, emission read as linear, the compression of heights and of skies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from accel.texture.kinds import KINDS, TextureClass
from bridge.advisors.naming import (
    channel_order,
    convention_of,
    is_sheet,
    order_by_pixels,
    order_of,
    sum_of_bends,
)
from bridge.advisors.texture_facts import BLOCKS, FEW_TONES, RAW, TextureFacts, changes
from bridge.core.textures import ChannelMeaning, Code, TextureIntent

WRONG: Final = 2
"""It looks wrong in the game."""
WASTE: Final = 1
"""It costs memory or quality."""
NOTE: Final = 0
"""It is so, and no reason to interrupt anybody."""

OWN: Final = "its own kind"
"""In the place of a value: the kind that the texture has."""

NOT_NORMAL: frozenset[object] = frozenset({None, *KINDS}) - {"normal"}


def _always(texture: TextureFacts) -> bool:
    return True


class Desired(Struct, frozen=True):
    """What is wanted of one field; wants of one class with the same code are one finding."""

    field: str
    """A field of `TextureIntent`."""
    refuses: frozenset[object]
    """The values that are a finding; None, where nothing is said, only if it is among them."""
    to: Any
    """What is applied instead."""
    code: Code
    rank: int
    where: Callable[[TextureFacts], bool] = _always
    """What else must be so."""
    sentence: str = ""
    """Key of its sentence in texts, where that isn't `code`."""


def _want_grey(texture: TextureFacts) -> bool:
    # Colours of reflection are colours: only what has one value for a texel is certainly a number.
    number = texture.image.grey and texture.told_data and texture.kind not in texture.srgb_kinds
    return number and sum_of_bends(texture.image)


def _colored(texture: TextureFacts) -> bool:
    if texture.image.grey:
        return False
    order = channel_order(texture.image, texture.file)
    if order is None:
        return texture.told_data and sum_of_bends(texture.image)
    numbers = {name: order[name] for name in "rgb" if order.get(name, "unused") != "unused"}
    colors = set(numbers.values()) == {"metallic"} and "specular" in texture.srgb_kinds
    return bool(numbers) and not colors and sum_of_bends(texture.image, numbers)


def _colors_of_a_surface(texture: TextureFacts) -> bool:
    # Where all is 2D, nothing is lit and linear does no harm.
    return texture.surface and not texture.image.grey


def _no_vectors(texture: TextureFacts) -> bool:
    return texture.without_vectors


def _worth_blocks(texture: TextureFacts) -> bool:
    return texture.worth_blocks


def _not_worth_blocks(texture: TextureFacts) -> bool:
    return not texture.worth_blocks


def _from_afar(texture: TextureFacts) -> bool:
    return texture.seen_from_afar


def _pixel_art(texture: TextureFacts) -> bool:
    return texture.pixel_art


def _interface(texture: TextureFacts) -> bool:
    return texture.interface


def _hdr(texture: TextureFacts) -> bool:
    return texture.facts.hdr


NO_NORMAL = Desired("kind", frozenset({"normal"}), OWN, "color_as_normal", WRONG, _no_vectors)
MIPMAPS = Desired("mipmaps", frozenset({False}), True, "no_mipmaps", WASTE, _from_afar)
EXACT = Desired("compression", frozenset({"lossy"}), "lossless", "lossy_data", WASTE, _not_worth_blocks)
IN_BLOCKS = Desired("compression", RAW, "block", "uncompressed", WASTE, _worth_blocks)

WANTED: Mapping[TextureClass, tuple[Desired, ...]] = {
    "normal": (
        Desired("kind", NOT_NORMAL, "normal", "normal_as_color", WRONG),
        Desired("color_space", frozenset({"srgb"}), "linear", "normal_as_color", WRONG),
        IN_BLOCKS, EXACT, MIPMAPS,
    ),
    "data": (
        Desired("color_space", frozenset({"srgb"}), "linear", "data_as_srgb", WRONG, _want_grey),
        NO_NORMAL, IN_BLOCKS, EXACT, MIPMAPS,
    ),
    "packed": (
        Desired(
            "color_space", frozenset({"srgb"}), "linear", "data_as_srgb", WRONG, _colored, "packed_as_srgb"
        ),
        NO_NORMAL,
        # Plain blocks keep three channels on one line: independent ones bleed into each other.
        Desired("compression", RAW, "block_high", "uncompressed", WASTE, _worth_blocks),
        EXACT, MIPMAPS,
    ),
    "color": (
        Desired("color_space", frozenset({"linear"}), "srgb", "color_as_linear", WRONG, _colors_of_a_surface),
        NO_NORMAL, IN_BLOCKS, MIPMAPS,
    ),
    "emissive": (NO_NORMAL, IN_BLOCKS, MIPMAPS),
    "flat": (
        NO_NORMAL,
        Desired("compression", BLOCKS, "lossless", "pixel_art_blocks", WRONG, _pixel_art),
        Desired("mipmaps", frozenset({True}), False, "ui_mipmaps", WASTE, _interface),
    ),
    "environment": (
        NO_NORMAL,
        Desired("compression", frozenset({"lossy"}), "lossless", "lossy_hdr", WRONG, _hdr),
    ),
}  # fmt: skip


SURE = 0.7
"""Confidence from which a normal map's convention counts."""


class Finding(Struct, frozen=True, gc=False):
    """One thing that could be better."""

    code: str
    rank: int
    sentence: str
    """Key of its sentence in texts."""
    values: dict[str, Any] = field(default_factory=dict)
    intent: TextureIntent = TextureIntent()
    """What to apply; empty where the file itself must change."""
    platforms: tuple[str, ...] = ()
    """Those whose own options it is about; empty for what holds everywhere."""
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By platform: bytes of the GPU's memory now and with `intent`, where that differs and is known."""

    @property
    def applicable(self) -> bool:
        return bool(self.intent.fields())

    @property
    def saved(self) -> int:
        """Bytes, on the platform where that is most; below 0 where it takes more."""
        return max((before - after for before, after in self.memory.values()), default=0)


def find(texture: TextureFacts, packed: Mapping[str, ChannelMeaning] | None = None) -> list[Finding]:
    """What could be better about `texture`, the worst first.

    `packed` is the order of channels that all of the engine's materials want, if there is one.
    """
    wants = WANTED.get(texture.family, ()) if texture.family else ()
    found = [*_wanted(texture, wants), *_interface_by_settings(texture), *_convention(texture)]
    found += [*_order(texture, packed), *_alpha(texture), *_size(texture), *_grey(texture)]
    found += _power_of_two(texture, TextureIntent().over(_all(texture.present, found)))
    found = [_with_memory(texture, finding) for finding in found]
    return sorted(found, key=lambda finding: (-finding.rank, -finding.saved))


def _wanted(texture: TextureFacts, wants: tuple[Desired, ...]) -> Iterator[Finding]:
    for code in dict.fromkeys(want.code for want in wants):
        same = [want for want in wants if want.code == code and want.field in texture.decides]
        broken = [w for w in same if getattr(texture.present, w.field) in w.refuses and w.where(texture)]
        if broken:
            to: dict[str, Any] = {w.field: texture.kind if w.to is OWN else w.to for w in same}
            if code == "data_as_srgb" and texture.kind == "packed":
                to["channels"] = dict(channel_order(texture.image, texture.file) or {}) or None
            first, intent = broken[0], TextureIntent(**to)
            # Without a figure for what it saves it would be taste.
            if code != "uncompressed" or _saves(texture, intent):
                yield Finding(code, first.rank, _sentence(texture, first), _values(texture, code), intent)


def _sentence(texture: TextureFacts, want: Desired) -> str:
    if want.code == "normal_as_color" and texture.present.kind == "height":
        return "normal_as_height"
    if want.code == "normal_as_color" and texture.without_vectors:
        return "normal_by_name"
    if want.code == "pixel_art_blocks" and texture.image.entropy >= FEW_TONES:
        return "small_blocks"
    return want.sentence or want.code


def _values(texture: TextureFacts, code: str) -> dict[str, Any]:
    if code == "normal_as_color" and texture.image.normals is not None:
        red, green, blue = texture.image.normals.mean
        return {"r": red, "g": green, "b": blue, "share": int(texture.image.normals.unit_length * 100)}
    return {}


def _interface_by_settings(texture: TextureFacts) -> Iterator[Finding]:
    """What the engine's settings call an interface image, although the pixels don't say it."""
    declared = texture.present.kind == "ui" and texture.family is None
    if declared and texture.present.mipmaps is True and "mipmaps" in texture.decides:
        yield Finding("ui_mipmaps", WASTE, "ui_mipmaps", intent=TextureIntent(mipmaps=False))


def _convention(texture: TextureFacts) -> Iterator[Finding]:
    evidence = texture.image.normals
    if texture.kind != "normal" or evidence is None or evidence.convention_confidence < SURE:
        return
    convention, said = evidence.convention, texture.present.normal_convention
    if convention is None or convention_of(texture.file) not in (None, convention):
        return
    values = {"confidence": int(evidence.convention_confidence * 100)}
    decided = "normal_convention" in texture.decides
    if said is None and not decided and convention == "directx":
        yield Finding("normal_directx", NOTE, "normal_directx", values)
    elif said != convention and (said is not None or (decided and convention == "directx")):
        sentence = "normal_green_down" if convention == "directx" else "normal_green_up"
        intent = TextureIntent(normal_convention=convention) if decided else TextureIntent()
        yield Finding("normal_convention", WRONG, sentence, values, intent)


def _order(texture: TextureFacts, wanted: Mapping[str, ChannelMeaning] | None) -> Iterator[Finding]:
    """Channels in another order than the engine's: only what the name says and the pixels confirm."""
    named = order_of(texture.file)
    if wanted is None or named is None or texture.kind != "packed":
        return
    order = channel_order(texture.image, texture.file)
    shared = wanted.keys() & order.keys() if order else set()
    confirmed = order_by_pixels(texture.image) is not None
    if order and confirmed and any(order[name] != wanted[name] for name in shared):
        yield Finding("packed_order", WRONG, "packed_order", {"word": named[0].upper()})


def _alpha(texture: TextureFacts) -> Iterator[Finding]:
    alpha = texture.image.alpha
    if alpha is None or alpha.constant != 255 or texture.present.alpha == "none":
        return
    without = TextureIntent(alpha="none")
    if "alpha" in texture.decides and _saves(texture, without):
        yield Finding("alpha_constant", WASTE, "alpha_constant", intent=without)
    elif not texture.decides and not texture.tiny:
        # What an engine makes of it is known to the engine: there only what it saves is worth a word.
        yield Finding("alpha_constant", NOTE, "alpha_constant")


def _grey(texture: TextureFacts) -> Iterator[Finding]:
    image = texture.image
    if image.palette or texture.tiny or texture.kind == "normal":
        return
    if image.grey and image.channels >= 3 and texture.opaque:
        yield Finding("grey_as_rgb", NOTE, "grey_as_rgb", {"channels": image.channels})


def _size(texture: TextureFacts) -> Iterator[Finding]:
    image, limit = texture.image, texture.present.max_size
    limited = limit is not None and 0 < limit <= texture.max_size
    if texture.longest <= texture.max_size or limited or is_sheet(texture.file):
        return
    values = {"width": image.width, "height": image.height, "limit": texture.max_size}
    # Regions of 2D pictures are addressed by pixels, and skies are seen all around: they may need it. So may
    # a strip, which is frames side by side, and heights: a terrain is as wide as its map has pixels.
    strip = texture.family is None and texture.elongated
    needed = texture.family in ("flat", "environment") or texture.kind == "height"
    rank = NOTE if strip or needed else WASTE
    scalable = texture.family is not None and not needed and "max_size" in texture.decides
    intent = TextureIntent(max_size=texture.max_size) if scalable else TextureIntent()
    yield Finding("too_large", rank, "too_large", values, intent)


def _power_of_two(texture: TextureFacts, settled: TextureIntent) -> Iterator[Finding]:
    image = texture.image
    if not texture.surface or image.power_of_two or texture.resizes:
        return
    # Blocks want multiples of four. Old GPUs can't repeat other sizes with mipmaps: that matters where the
    # import settings decide on repeating.
    torn = settled.compression in BLOCKS and (image.width % 4 or image.height % 4)
    repeated = settled.mipmaps and settled.wrap in ("repeat", "mirror")
    values = {"width": image.width, "height": image.height}
    if torn or repeated:
        yield Finding("not_power_of_two", WASTE, "not_power_of_two", values)
    elif not texture.decides:
        yield Finding("not_power_of_two", NOTE, "not_power_of_two", values)


def _all(present: TextureIntent, found: list[Finding]) -> TextureIntent:
    for finding in found:
        present = finding.intent.over(present)
    return present


def _saves(texture: TextureFacts, intent: TextureIntent) -> bool:
    after = texture.memory(intent.over(texture.present))
    return any(after.get(platform, size) < size for platform, size in texture.taken.items())


def _with_memory(texture: TextureFacts, finding: Finding) -> Finding:
    if not finding.applicable:
        return finding
    after = texture.memory(finding.intent.over(texture.present))
    return replace(finding, memory=changes(texture.taken, after))
