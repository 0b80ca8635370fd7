"""From all that is known of a texture to what could be better about it. Pure; where unsure: nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from bridge.advisors.channels import channel_order, order_by_pixels
from bridge.advisors.names import convention_of, is_sheet, order_of
from bridge.advisors.subject import BLOCKS, FEW_TONES, Texture, changes
from bridge.advisors.wanted import NOTE, OWN, WANTED, WASTE, WRONG, Want
from bridge.core.textures import ChannelMeaning, TextureIntent

__all__ = ["NOTE", "WASTE", "WRONG", "Finding", "find"]

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


def find(texture: Texture, packed: Mapping[str, ChannelMeaning] | None = None) -> list[Finding]:
    """What could be better about `texture`, the worst first.

    `packed` is the order of channels that all of the engine's materials want, if there is one.
    """
    wants = WANTED.get(texture.family, ()) if texture.family else ()
    found = [*_wanted(texture, wants), *_interface_by_settings(texture), *_convention(texture)]
    found += [*_order(texture, packed), *_alpha(texture), *_size(texture), *_grey(texture)]
    found += _power_of_two(texture, TextureIntent().over(_all(texture.present, found)))
    found = [_with_memory(texture, finding) for finding in found]
    return sorted(found, key=lambda finding: (-finding.rank, -finding.saved))


def _wanted(texture: Texture, wants: tuple[Want, ...]) -> Iterator[Finding]:
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


def _sentence(texture: Texture, want: Want) -> str:
    if want.code == "normal_as_color" and texture.present.kind == "height":
        return "normal_as_height"
    if want.code == "normal_as_color" and texture.without_vectors:
        return "normal_by_name"
    if want.code == "pixel_art_blocks" and texture.image.entropy >= FEW_TONES:
        return "small_blocks"
    return want.sentence or want.code


def _values(texture: Texture, code: str) -> dict[str, Any]:
    if code == "normal_as_color" and texture.image.normals is not None:
        red, green, blue = texture.image.normals.mean
        return {"r": red, "g": green, "b": blue, "share": int(texture.image.normals.unit_length * 100)}
    return {}


def _interface_by_settings(texture: Texture) -> Iterator[Finding]:
    """What the engine's settings call an interface image, although the pixels don't say it."""
    declared = texture.present.kind == "ui" and texture.family is None
    if declared and texture.present.mipmaps is True and "mipmaps" in texture.decides:
        yield Finding("ui_mipmaps", WASTE, "ui_mipmaps", intent=TextureIntent(mipmaps=False))


def _convention(texture: Texture) -> Iterator[Finding]:
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


def _order(texture: Texture, wanted: Mapping[str, ChannelMeaning] | None) -> Iterator[Finding]:
    """Channels in another order than the engine's: only what the name says and the pixels confirm."""
    named = order_of(texture.file)
    if wanted is None or named is None or texture.kind != "packed":
        return
    order = channel_order(texture.image, texture.file)
    shared = wanted.keys() & order.keys() if order else set()
    confirmed = order_by_pixels(texture.image) is not None
    if order and confirmed and any(order[name] != wanted[name] for name in shared):
        yield Finding("packed_order", WRONG, "packed_order", {"word": named[0].upper()})


def _alpha(texture: Texture) -> Iterator[Finding]:
    alpha = texture.image.alpha
    if alpha is None or alpha.constant != 255 or texture.present.alpha == "none":
        return
    without = TextureIntent(alpha="none")
    if "alpha" in texture.decides and _saves(texture, without):
        yield Finding("alpha_constant", WASTE, "alpha_constant", intent=without)
    elif not texture.decides and not texture.tiny:
        # What an engine makes of it is known to the engine: there only what it saves is worth a word.
        yield Finding("alpha_constant", NOTE, "alpha_constant")


def _grey(texture: Texture) -> Iterator[Finding]:
    image = texture.image
    if image.palette or texture.tiny or texture.kind == "normal":
        return
    if image.grey and image.channels >= 3 and texture.opaque:
        yield Finding("grey_as_rgb", NOTE, "grey_as_rgb", {"channels": image.channels})


def _size(texture: Texture) -> Iterator[Finding]:
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


def _power_of_two(texture: Texture, settled: TextureIntent) -> Iterator[Finding]:
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


def _saves(texture: Texture, intent: TextureIntent) -> bool:
    before, after = texture.memory(texture.present), texture.memory(intent.over(texture.present))
    return any(after.get(platform, size) < size for platform, size in before.items())


def _with_memory(texture: Texture, finding: Finding) -> Finding:
    if not finding.applicable:
        return finding
    before, after = texture.memory(texture.present), texture.memory(finding.intent.over(texture.present))
    return replace(finding, memory=changes(before, after))
