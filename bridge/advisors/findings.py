"""Findings about one texture, and the table of settings that each class of textures should have.

Settings that are a matter of taste aren't in the table and never reported: lossy colour, compressed large 2D
images, mipmaps of sprites, the wrap mode, linear emission, the compression of heights and environment maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from accel.texture.kinds import CLASS_OF, KINDS, TextureClass
from bridge.advisors.naming import (
    channel_order,
    convention_of,
    is_constant,
    is_sheet,
    order_by_pixels,
    order_of,
    srgb_matters,
)
from bridge.advisors.texture_facts import BLOCKS, FEW_TONES, UNCOMPRESSED, No, TextureFacts, memory_changes
from bridge.core.textures import ChannelMeaning, Code, TextureIntent

ERROR: Final = 2
"""The texture looks wrong in the game."""
WARNING: Final = 1
"""The setting costs memory or quality."""
NOTE: Final = 0
"""A fact that needs no action; popups show it beside others alone, if settings fix it."""

OWN_KIND: Final = "its own kind"
"""Stands for the texture's own kind in `Desired.value`."""

NOT_NORMAL: frozenset[object] = frozenset({None, *KINDS}) - {"normal"}
COLORED: frozenset[object] = frozenset({"normal", "environment"})
"""Kinds whose formats in GPU memory have colours in any case; engines bake environment maps themselves."""
MIN_CONVENTION_CONFIDENCE = 0.8
"""Confidence from which a normal map's convention is reported."""


class Finding(Struct, frozen=True, gc=False):
    """One problem of a texture."""

    code: str
    rank: int
    """ERROR, WARNING or NOTE."""
    sentence: str
    """Key in `texts.FINDINGS`."""
    values: dict[str, Any] = field(default_factory=dict)
    intent: TextureIntent = TextureIntent()
    """The fix; empty if only the file itself can be changed."""
    platforms: tuple[str, ...] = ()
    """Platforms with their own settings that the finding is about; empty for all."""
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By platform: bytes of GPU memory before and after the fix, where known and different."""
    texture: str = ""
    """The file that it is about, if several share their settings."""

    @property
    def applicable(self) -> bool:
        """Whether import settings fix it."""
        return bool(self.intent.fields())

    @property
    def saved(self) -> int:
        """Bytes that the fix saves on the platform where it saves most; negative if it costs memory."""
        return max((before - after for before, after in self.memory.values()), default=0)


class Considered(Struct, frozen=True, gc=False):
    """A finding that was considered for a texture: it was raised, or there is a reason why it wasn't."""

    code: str
    finding: Finding | None = None
    reason: str = ""
    """Key in `texts.REASONS`; empty if it was raised."""
    values: dict[str, Any] = field(default_factory=dict)
    """Of the reason."""

    @classmethod
    def of(cls, result: Finding | Considered) -> Considered:
        return result if isinstance(result, Considered) else cls(result.code, result)


def not_raised(code: str, reason: str | No | bool, **values: Any) -> Considered:
    """`reason` is a key, or the false answer of a condition."""
    if isinstance(reason, No):
        return Considered(code, None, reason.reason, reason.values)
    return Considered(code, None, reason if isinstance(reason, str) and reason else "unmet", values)


class Desired(Struct, frozen=True):
    """A desired setting; those of one class with the same code make one finding."""

    field: str
    """A field of `TextureIntent`."""
    refused: frozenset[object]
    """The values that are a finding; None (not set) only if it is among them."""
    value: Any
    """The value that fixes it."""
    code: Code
    rank: int
    condition: Callable[[TextureFacts], bool | No] = lambda texture: True
    sentence: str = ""
    """Key in `texts.FINDINGS`; `code` if empty."""


def _is_grey_data(texture: TextureFacts) -> bool | No:
    # Specular colour is colour: only grey is certainly data. A slot for colours outweighs a name.
    slots = set(texture.uses.kinds("slot", "declaration"))
    colors = slots & texture.srgb_kinds or any(CLASS_OF[kind] in ("color", "emissive") for kind in slots)
    return (
        (texture.image.grey or No("coloured"))
        and (not texture.drawn_in_2d or No("drawn_in_2d"))
        and texture.named_data
        and ((texture.kind not in texture.srgb_kinds and not colors) or No("read_as_color"))
        and (srgb_matters(texture.image) or No("no_mid_tones"))
    )


def _has_data_channels(texture: TextureFacts) -> bool | No:
    if texture.image.grey:
        return No("grey")
    # Masks of 2D lights and UI effects are painted and tuned by eye, with the settings that they have.
    if texture.drawn_in_2d:
        return No("drawn_in_2d")
    order = channel_order(texture.image, texture.file)
    if order is None:
        return texture.named_data and (srgb_matters(texture.image) or No("no_mid_tones"))
    data = {name: order[name] for name in "rgb" if order.get(name, "unused") != "unused"}
    read_as_color = set(data.values()) == {"metallic"} and "specular" in texture.srgb_kinds
    if not data or read_as_color:
        return No("read_as_color")
    return srgb_matters(texture.image, data) or No("no_mid_tones")


def _is_no_normal_map(texture: TextureFacts) -> bool | No:
    return texture.without_vectors and (not texture.declared_normal or No("settled_by_use"))


def _may_become_normal(texture: TextureFacts) -> bool | No:
    # Engines drop the alpha of normal maps and store them in an order of their own: whoever imported a
    # texture as linear may read its colours as vectors, as of a flow map.
    vectors = texture.present.color_space == "linear" and not texture.declared_normal
    return (
        (not texture.alpha_is_read or No("alpha_read"))
        and (not texture.normals_ruled_out or No("ruled_out"))
        and (not vectors or No("linear_vectors"))
    )


def _is_lit_color(texture: TextureFacts) -> bool | No:
    # In 2D nothing is lit, and linear does no harm. Masks have a single channel, grey or of one primary.
    varying = sum(not is_constant(each) for each in texture.image.statistics[:3])
    return texture.surface and (not texture.image.grey or No("grey")) and (varying != 1 or No("one_channel"))


def _needs_no_mipmaps(texture: TextureFacts) -> bool | No:
    # A third of a small icon's memory is nothing, and it isn't drawn smaller than it is.
    return (not texture.tiny or No("tiny")) and texture.interface


COLOR_AS_NORMAL = Desired(
    "kind", frozenset({"normal"}), OWN_KIND, "color_as_normal", ERROR, _is_no_normal_map
)
MIPMAPS = Desired(
    "mipmaps", frozenset({False}), True, "no_mipmaps", WARNING, lambda texture: texture.seen_from_afar
)
NOT_LOSSY = Desired(
    "compression", frozenset({"lossy"}), "lossless", "lossy_data", WARNING,
    lambda texture: not texture.worth_blocks or No("compressed_anyway"),
)  # fmt: skip
IN_BLOCKS = Desired(
    "compression", UNCOMPRESSED, "block", "uncompressed", WARNING, lambda texture: texture.worth_blocks
)

DESIRED: Mapping[TextureClass, tuple[Desired, ...]] = {
    "normal": (
        Desired("kind", NOT_NORMAL, "normal", "normal_as_color", ERROR, _may_become_normal),
        Desired("color_space", frozenset({"srgb"}), "linear", "normal_as_color", ERROR),
        IN_BLOCKS, NOT_LOSSY, MIPMAPS,
    ),
    "data": (
        Desired("color_space", frozenset({"srgb"}), "linear", "data_as_srgb", ERROR, _is_grey_data),
        COLOR_AS_NORMAL, IN_BLOCKS, NOT_LOSSY, MIPMAPS,
    ),
    "packed": (
        Desired(
            "color_space", frozenset({"srgb"}), "linear", "data_as_srgb", ERROR, _has_data_channels,
            "packed_as_srgb",
        ),
        COLOR_AS_NORMAL,
        # Plain blocks keep three channels on one line: independent ones bleed into each other.
        Desired(
            "compression", UNCOMPRESSED, "block_high", "uncompressed", WARNING,
            lambda texture: texture.worth_blocks,
        ),
        NOT_LOSSY, MIPMAPS,
    ),
    "color": (
        Desired(
            "color_space", frozenset({"linear"}), "srgb", "color_as_linear", ERROR,
            _is_lit_color,
        ),
        COLOR_AS_NORMAL, IN_BLOCKS, MIPMAPS,
    ),
    "emissive": (COLOR_AS_NORMAL, IN_BLOCKS, MIPMAPS),
    "flat": (
        COLOR_AS_NORMAL,
        Desired(
            "compression", BLOCKS, "lossless", "pixel_art_blocks", ERROR, lambda texture: texture.pixel_art
        ),
        Desired(
            "mipmaps", frozenset({True}), False, "ui_mipmaps", WARNING, _needs_no_mipmaps
        ),
    ),
    "environment": (
        COLOR_AS_NORMAL,
        Desired(
            "compression", frozenset({"lossy"}), "lossless", "lossy_hdr", NOTE,
            lambda texture: texture.facts.hdr or No("no_hdr"),
        ),
    ),
}  # fmt: skip


Results = Iterator[Finding | Considered]
"""What a rule yields: findings, and `Considered` for those that it doesn't raise."""


def find(texture: TextureFacts, packed: Mapping[str, ChannelMeaning] | None = None) -> list[Finding]:
    """Returns the findings about `texture`, sorted by severity, then by the memory that they save.

    `packed` is the channel order of the engine's own materials, if there is one. A texture of the kind
    `other` has none: shaders and tools may need noise, ramps, tables and masks as they are.
    """
    return [each.finding for each in consider(texture, packed) if each.finding is not None]


def consider(texture: TextureFacts, packed: Mapping[str, ChannelMeaning] | None = None) -> list[Considered]:
    """Returns the findings of `find`, then those that were considered and not raised."""
    if texture.kind == "other":
        return []
    results: list[Finding | Considered] = [*_desired(texture), *_interface_by_settings(texture)]
    results += [*_convention(texture), *_order(texture, packed)]
    results += [*_alpha(texture), *_size(texture), *_grey(texture)]
    fixed = texture.present
    for result in results:
        if isinstance(result, Finding):
            fixed = result.intent.over(fixed)
    results += _unsuitable_size(texture, fixed)
    found = [_with_memory(texture, result) for result in results if isinstance(result, Finding)]
    found.sort(key=lambda finding: (-finding.rank, -finding.saved))
    raised = {finding.code for finding in found}
    others = (each for each in results if isinstance(each, Considered) and each.code not in raised)
    return [*map(Considered.of, found), *others]


def _desired(texture: TextureFacts) -> Results:
    table = DESIRED.get(texture.family, ()) if texture.family else ()
    for code in dict.fromkeys(each.code for each in table):
        same = [each for each in table if each.code == code and each.field in texture.decides]
        answers = [(each, each.condition(texture)) for each in same]
        fitting = [each for each, answer in answers if answer]
        violated = [each for each in fitting if getattr(texture.present, each.field) in each.refused]
        refused = [answer for each, answer in answers if getattr(texture.present, each.field) in each.refused]
        if not same:
            yield not_raised(code, "no_setting")
        elif not refused:
            settings = texture.present.only(frozenset(each.field for each in same)).fields()
            if any("normal" in each.refused for each in same):
                yield not_raised(code, "not_as_normals")
            else:
                yield not_raised(code, "settled" if settings else "unset", **settings)
        elif not violated:
            yield not_raised(code, refused[0])
        else:
            values: dict[str, Any] = {
                each.field: texture.kind if each.value is OWN_KIND else each.value for each in fitting
            }
            if code == "data_as_srgb" and texture.kind == "packed":
                values["channels"] = dict(channel_order(texture.image, texture.file) or {}) or None
            undetected = "kind" in texture.detects or texture.present.excludes == "normal"
            if code == "uncompressed" and texture.kind == "normal" and undetected:
                # Blocks of colour would distort the normals.
                values["kind"] = "normal"
            intent = TextureIntent(**values)
            # Without a measured saving it would be a matter of taste.
            if code != "uncompressed" or _saves(texture, intent):
                fields = {each.field for each in violated}
                rank, sentence = _severity(texture, violated[0], fields)
                yield Finding(code, rank, sentence, _values(texture, code), intent)
            else:
                yield not_raised(code, "saves_nothing")


def _severity(texture: TextureFacts, desired: Desired, fields: Set[str]) -> tuple[int, str]:
    """Returns the rank and the key of the sentence of a finding about `fields`.

    What the engine will set by itself is a note. docs/explanation/severity.md has pictures of the others.
    """
    sentence = _sentence(texture, desired)
    if fields <= texture.settled:
        return NOTE, f"{desired.code}_detected"
    if desired.code == "normal_as_color" and sentence != "normal_as_height":
        # Without sRGB decoding the vectors are right, but blocks of colours keep them badly.
        linear = texture.present.excludes == "normal" or (
            "color_space" in texture.decides and "color_space" not in fields
        )
        return (WARNING, "normal_as_linear") if linear else (ERROR, sentence)
    if sentence == "small_blocks" or (desired.code == "color_as_normal" and not _loses_channels(texture)):
        return WARNING, sentence
    return desired.rank, sentence


def _loses_channels(texture: TextureFacts) -> bool:
    """Whether the engine drops channels of normal maps with these settings; True if that is unknown."""
    formats = texture.formats(texture.present)
    return not formats or set(formats) != set(texture.formats(texture.present.without("kind")))


def _sentence(texture: TextureFacts, desired: Desired) -> str:
    if desired.code == "normal_as_color" and texture.present.kind == "height":
        return "normal_as_height"
    if desired.code == "normal_as_color" and texture.without_vectors:
        return "normal_by_name"
    if desired.code == "pixel_art_blocks" and texture.image.entropy >= FEW_TONES:
        return "small_blocks"
    return desired.sentence or desired.code


def _values(texture: TextureFacts, code: str) -> dict[str, Any]:
    if code == "normal_as_color" and texture.image.normals is not None:
        red, green, blue = texture.image.normals.mean
        return {"r": red, "g": green, "b": blue, "share": int(texture.image.normals.unit_length * 100)}
    return {}


def _interface_by_settings(texture: TextureFacts) -> Results:
    """Yields the finding for a texture that the project's settings already declare as a UI image."""
    declared = texture.present.kind == "ui" and texture.family is None and _needs_no_mipmaps(texture)
    if declared and texture.present.mipmaps is True and "mipmaps" in texture.decides:
        yield Finding("ui_mipmaps", WARNING, "ui_mipmaps", intent=TextureIntent(mipmaps=False))


def _convention(texture: TextureFacts) -> Results:
    evidence = texture.image.normals
    if texture.kind != "normal" or evidence is None:
        return
    convention, imported = evidence.convention, texture.present.normal_convention
    values = {"confidence": int(evidence.convention_confidence * 100)}
    if convention is None or evidence.convention_confidence < MIN_CONVENTION_CONFIDENCE:
        yield not_raised(
            "normal_convention", "unsure_convention", **values, least=int(MIN_CONVENTION_CONFIDENCE * 100)
        )
        return
    if convention_of(texture.file) not in (None, convention):
        yield not_raised("normal_convention", "named_convention", **values)
        return
    decided = "normal_convention" in texture.decides
    if imported is None and not decided and convention == "directx":
        yield Finding("normal_directx", NOTE, "normal_directx", values)
    elif imported != convention and (imported is not None or (decided and convention == "directx")):
        sentence = "normal_green_down" if convention == "directx" else "normal_green_up"
        intent = TextureIntent(normal_convention=convention) if decided else TextureIntent()
        yield Finding("normal_convention", ERROR, sentence, values, intent)
    else:
        yield not_raised("normal_convention", "same_convention", **values)


def _order(texture: TextureFacts, engine: Mapping[str, ChannelMeaning] | None) -> Results:
    """Yields a finding for a channel order, named and confirmed by the pixels, that the engine doesn't
    use.
    """
    named = order_of(texture.file)
    if texture.kind != "packed":
        return
    if engine is None or named is None:
        yield not_raised("packed_order", "free_order" if engine is None else "unnamed_order")
        return
    order = channel_order(texture.image, texture.file)
    shared = engine.keys() & order.keys() if order else set()
    confirmed = order_by_pixels(texture.image) is not None
    if order and confirmed and any(order[name] != engine[name] for name in shared):
        yield Finding("packed_order", ERROR, "packed_order", {"word": named[0].upper()})
    else:
        yield not_raised("packed_order", "same_order" if order and confirmed else "unproven_order")


def _alpha(texture: TextureFacts) -> Results:
    alpha = texture.image.alpha
    if alpha is None or alpha.constant != 255 or texture.present.alpha == "none":
        unused = alpha is not None and alpha.constant == 255
        reason = "no_alpha" if alpha is None else "alpha_ignored" if unused else "alpha_used"
        yield not_raised("alpha_constant", reason)
        return
    without = TextureIntent(alpha="none")
    if "alpha" in texture.decides and _saves(texture, without):
        yield Finding("alpha_constant", WARNING, "alpha_constant", intent=without)
    elif not texture.decides and not texture.tiny:
        # With an engine it is reported only if that saves memory.
        yield Finding("alpha_constant", NOTE, "alpha_constant")
    else:
        yield not_raised("alpha_constant", "saves_nothing" if texture.decides else "tiny")


def _grey(texture: TextureFacts) -> Results:
    image = texture.image
    if not image.grey or image.channels < 3:
        yield not_raised("grey_as_rgb", "one_channel" if image.grey else "coloured")
    elif image.palette or texture.tiny or texture.kind in COLORED or not texture.opaque:
        yield not_raised("grey_as_rgb", "tiny" if texture.tiny else "needs_channels")
    else:
        yield Finding("grey_as_rgb", NOTE, "grey_as_rgb", {"channels": image.channels})


def _size(texture: TextureFacts) -> Results:
    image, limit = texture.image, texture.present.max_size
    limited = limit is not None and 0 < limit <= texture.max_size
    if texture.longest <= texture.max_size or limited or is_sheet(texture.file):
        sheet = texture.longest > texture.max_size and not limited
        yield not_raised("too_large", "sheet" if sheet else "within_limit", limit=texture.max_size)
        return
    values = {"width": image.width, "height": image.height, "limit": texture.max_size}
    # Regions of 2D images are addressed by pixels, and environment maps are seen all around: they may need
    # the size. So may a strip of frames, and heights: a terrain is as wide as its map has pixels.
    strip = texture.family is None and texture.elongated
    needed = texture.family in ("flat", "environment") or texture.kind == "height" or texture.drawn_in_2d
    rank = NOTE if strip or needed else WARNING
    scalable = texture.family is not None and not needed and "max_size" in texture.decides
    intent = TextureIntent(max_size=texture.max_size) if scalable else TextureIntent()
    yield Finding("too_large", rank, "too_large", values, intent)


def _unsuitable_size(texture: TextureFacts, fixed: TextureIntent) -> Results:
    """Yields findings about sizes that block compression or old GPUs can't use, after all other fixes."""
    image = texture.image
    if not texture.surface or image.power_of_two or texture.resizes:
        suits = "power_of_two" if image.power_of_two else "resized"
        yield not_raised("not_power_of_two", suits if texture.surface else texture.surface)
        return
    values = {"width": image.width, "height": image.height}
    if fixed.compression in BLOCKS and (image.width % 4 or image.height % 4):
        yield Finding("not_power_of_two", WARNING, "not_multiple_of_four", values)
    elif fixed.mipmaps and fixed.wrap in ("repeat", "mirror"):
        # Old GPUs repeat only powers of two with mipmaps.
        yield Finding("not_power_of_two", WARNING, "not_power_of_two", values)
    elif not texture.decides:
        yield Finding("not_power_of_two", NOTE, "not_power_of_two", values)
    else:
        yield not_raised("not_power_of_two", "suitable_size")


def _saves(texture: TextureFacts, intent: TextureIntent) -> bool:
    after = texture.memory(intent.over(texture.present))
    return any(after.get(platform, size) < size for platform, size in texture.gpu_memory.items())


def _with_memory(texture: TextureFacts, finding: Finding) -> Finding:
    if not finding.applicable:
        return finding
    after = texture.memory(finding.intent.over(texture.present))
    return replace(finding, memory=memory_changes(texture.gpu_memory, after))
