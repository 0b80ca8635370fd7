"""One texture and its engine options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from packaging.version import Version

from accel.image.records import Inspection, Normals
from accel.texture.kinds import CLASS_OF, KINDS, Classification, Evidence, Kind, TextureClass
from accel.texture.naming import read_name
from accel.texture.workloads import Examination
from bridge.api import Adapter
from bridge.core.textures import BLOCKS as GPU_BLOCKS
from bridge.core.textures import (
    FLAT_KINDS,
    LINEAR_KINDS,
    MATERIAL_KINDS,
    PLATFORMS,
    GpuFormat,
    ImageFacts,
    Platform,
    TextureIntent,
)
from bridge.host import validation

BLOCKS = frozenset({"block", "block_high", "universal"})
"""The compressions that stay compressed in the GPU's memory."""
RAW = frozenset({"none", "lossless", "lossy"})
"""Those that are unpacked for it."""

SMALLEST_MIPPED = 16
"""Pixels; below that mipmaps make no difference."""
LONGEST_MIPPED = 8
"""Longer side over shorter one; what is longer is a ramp, looked up and not seen."""
SMALLEST_BLOCKED = 256 * 256
"""Pixels; below that blocks save too little to trouble anybody."""
FEW_TONES = 4.0
"""Bits per pixel; what has fewer is drawn by hand, and blocks smear it."""
SMALL = 64
"""Pixels a side: a picture so small is seen pixel by pixel."""
LARGEST_DRAWN = 512
"""Pixels a side up to which few tones mean pixel art, and not a plain picture."""
UNIT_VECTORS = 0.5
"""Share of texels of unit length from which they may be normals by themselves."""
UNIT_VECTORS_IN_BLACK = 0.15
"""The same of a map whose name says normals, where the rest is black: islands of a model's texture."""
SURE_BY_PIXELS = 0.9
"""Probability of a kind that no name speaks for, from which it counts within its class."""

Memory = dict[Platform, int]
"""Bytes on each platform; empty where that isn't known."""


def _none_known(intent: TextureIntent) -> tuple[GpuFormat, ...]:
    return ()


def _unknown(intent: TextureIntent) -> Memory:
    return {}


def changes(before: Memory, after: Memory) -> dict[str, tuple[int, int]]:
    """Bytes before and after by platform, where both are known and differ."""
    return {
        platform: (size, after[platform])
        for platform, size in before.items()
        if platform in after and after[platform] != size
    }


@dataclass(frozen=True)
class TextureFacts:
    """One texture, its settings and what its engine decides."""

    image: Inspection
    file: str
    """Below the project's root, with `/`."""
    kind: Kind | None = None
    """None where it isn't sure enough to change settings by."""
    share: float = 0.0
    """Probability of `kind`, 0..1."""
    told: frozenset[Kind] = frozenset()
    """What its name, its siblings and the materials that use it speak for."""
    lies_in: frozenset[Kind] = frozenset()
    """What its folder speaks for."""
    present: TextureIntent = field(default_factory=TextureIntent)
    """What its import settings say; nothing where there is no engine."""
    decides: frozenset[str] = frozenset()
    """The fields that the engine's import settings decide."""
    max_size: int = 4096
    """The longest side that is accepted, pixels."""
    srgb_kinds: frozenset[Kind] = frozenset()
    """Kinds of data that the engine's own materials read as colours."""
    resizes: bool = False
    """Whether the engine brings sizes to powers of two by itself."""
    formats: Callable[[TextureIntent], Collection[GpuFormat]] = _none_known
    """How it would lie in the GPU's memory with these settings, on each platform where that is known."""
    memory: Callable[[TextureIntent], Memory] = _unknown
    """What the texture would take of the GPU's memory with these settings."""

    @cached_property
    def taken(self) -> Memory:
        """What it takes of the GPU's memory as it is."""
        return self.memory(self.present)

    @property
    def family(self) -> TextureClass | None:
        """The class of its kind; None where that isn't sure."""
        return CLASS_OF[self.kind] if self.kind else None

    @property
    def opaque(self) -> bool:
        """Whether nothing of it is transparent."""
        return self.image.alpha is None or self.image.alpha.constant == 255

    @property
    def facts(self) -> ImageFacts:
        """What decides on its format in the GPU's memory."""
        return facts_of(self.image)

    @property
    def longest(self) -> int:
        return max(self.image.width, self.image.height)

    @property
    def elongated(self) -> bool:
        """Whether it is a ramp or a row of pictures, by its shape."""
        return self.longest > min(self.image.width, self.image.height) * LONGEST_MIPPED

    @property
    def tiny(self) -> bool:
        """Whether it holds so few pixels that a channel more or less is nothing."""
        return self.image.width * self.image.height < SMALL * SMALL

    @property
    def surface(self) -> bool:
        """Whether it lies on 3D surfaces: its name, its set or a material has to say so, save for normals."""
        if self.kind is None or self.kind not in MATERIAL_KINDS or self.kind == "height":
            return False
        if (self.told | self.lies_in | {self.present.kind}) & FLAT_KINDS:
            return False
        if self.kind == "normal":
            # The normals of a sprite have its outline, or are as small as it.
            return self.opaque and self.longest > SMALL
        return any(CLASS_OF[kind] == self.family for kind in self.told)

    @property
    def told_data(self) -> bool:
        """Whether more than pixels, which wood and stone can have too, says that it holds numbers.

        Packed with what the engine reads as colours it may hold nothing else.
        """
        said = self.told | self.lies_in
        numbers = (said & LINEAR_KINDS) - self.srgb_kinds
        if numbers == {"packed"} and said & self.srgb_kinds:
            return False
        return any(CLASS_OF[kind] == self.family for kind in numbers)

    @property
    def seen_from_afar(self) -> bool:
        """Whether it needs smaller copies for a distance."""
        shortest = min(self.image.width, self.image.height)
        return self.surface and shortest >= SMALLEST_MIPPED and not self.elongated

    @property
    def worth_blocks(self) -> bool:
        """Whether block compression saves memory worth a word, and does no harm."""
        image = self.image
        # Blocks want multiples of four: engines refuse others, or resample them.
        fits = image.width % 4 == image.height % 4 == 0
        large = image.width * image.height >= SMALLEST_BLOCKED and not self.facts.hdr
        drawn = self.family in ("color", "emissive") and image.entropy < FEW_TONES
        return self.surface and fits and large and not drawn

    @property
    def pixel_art(self) -> bool:
        """Whether it is seen pixel by pixel, so that blocks of four would show.

        Blocks are often a sign of 3D, where small pictures of few tones are maps: more than pixels has to say
        that it lies in 2D.
        """
        said = (self.told | self.lies_in | {self.present.kind}) & FLAT_KINDS
        squares = self.present.filter == "nearest"
        # Where the engine is told how texels are shown, and they aren't as squares, blocks are often merely
        # its default.
        if "filter" in self.decides and not squares:
            return False
        drawn = self.image.entropy < FEW_TONES and (squares or self.longest <= LARGEST_DRAWN)
        return self.family == "flat" and bool(said) and self.in_blocks and (drawn or self.longest <= SMALL)

    @property
    def in_blocks(self) -> bool:
        """Whether its present settings put it into blocks wherever that is known: its size may forbid it."""
        return all(GPU_BLOCKS[form][:2] != (1, 1) for form in self.formats(self.present))

    @property
    def interface(self) -> bool:
        """Whether it is shown at its size, without a distance."""
        if self.present.kind == "ui":
            return True
        # What the engine gave blocks and mipmaps was perhaps seen in 3D: a screen in a room. So it may be
        # where platforms differ.
        unknown = self.present.compression is None and "compression" in self.decides
        perhaps_3d = (unknown or self.present.compression in BLOCKS) and self.present.kind != "sprite"
        if self.kind != "ui" or perhaps_3d:
            return False
        return "ui" in self.told | self.lies_in or self.share >= SURE_BY_PIXELS

    @property
    def without_vectors(self) -> bool:
        """Whether its texels are certainly no normals, whatever its settings say."""
        return self.image.normals is None or self.image.grey or self.image.normals.unit_length < UNIT_VECTORS


def facts_of(image: Inspection) -> ImageFacts:
    """What of an image decides on its format in the GPU's memory."""
    opaque = image.alpha is None or image.alpha.constant == 255
    return ImageFacts(
        image.channels, not opaque, image.grey, image.bit_depth == 32, image.width, image.height
    )


def texture_facts(examination: Examination, file: str, **known: Any) -> TextureFacts:
    """The texture of an examination; `known` are the other fields of `Texture`."""
    image, found = examination.inspection, examination.classification
    told = {e.kind for e in found.evidence if e.source in ("name", "siblings", "slot") and e.kind}
    lies_in = {e.kind for e in found.evidence if e.source == "folder" and e.kind}
    kind = _sure(image, found, file, bool(told | lies_in))
    share = found.probabilities.get(kind, 0.0) if kind else 0.0
    return TextureFacts(image, file, kind, share, frozenset(told), frozenset(lies_in), **known)


def _sure(image: Inspection, found: Classification, file: str, named: bool) -> Kind | None:
    if not found.advise:
        if not named and is_certain_normal_map(image):
            return "normal"
        # Without evidence by names, names aren't to count.
        return _grey_as_told(image, found, file) if named else None
    if found.kind == "normal" and not _may_be_normals(image):
        return "normal" if _named_normals(image, found) else None
    return found.kind


def _grey_as_told(image: Inspection, found: Classification, file: str) -> Kind | None:
    """What the name plainly says, where it is grey data, the model finds that likeliest and no texel has a
    colour."""
    plain = [cue.kinds for cue in read_name(file) if cue.strength == "word"]
    alike = [CLASS_OF[kind] == "data" for kinds in (*plain, (found.kind,)) for kind in kinds]
    return plain[0][0] if plain and all(alike) and image.grey and image.alpha is None else None


def _may_be_normals(image: Inspection) -> bool:
    # Vectors with a channel taken away, or kept in alpha, aren't what engines expect of a file.
    return image.normals is not None and not image.grey and image.normals.unit_length >= UNIT_VECTORS


def _named_normals(image: Inspection, found: Classification) -> bool:
    """Whether the name says normals too, and their mean points out of the surface, or does so where it isn't
    black.

    Tools that make them of photographs don't always give them unit length; engines that read red and green
    alone don't mind.
    """
    if (
        image.normals is None
        or image.grey
        or not any(e.source == "name" and e.kind == "normal" for e in found.evidence)
    ):
        return False
    red, green, blue = image.normals.mean
    centred = max(abs(red - 0.5), abs(green - 0.5)) <= 0.15 and blue >= 0.85
    return centred or _lie_in_black(image.normals)


def _lie_in_black(normals: Normals) -> bool:
    """Whether the mean is that of vectors that point out of the surface, dimmed by as much black as is no
    vector: black adds nothing to it, so that its hue stays."""
    red, green, blue = normals.mean
    share = normals.unit_length
    if share < UNIT_VECTORS_IN_BLACK or not 0.85 * share <= blue <= 1.6 * share:
        return False
    return max(abs(red / blue - 0.51), abs(green / blue - 0.51)) <= 0.06


def is_certain_normal_map(image: Inspection) -> bool:
    """Whether the texels are tangent-space normals beyond doubt, whatever the model and the name say.

    Flat colours have no spread, and a blue sky's mean doesn't point out of the surface: r and g aren't 0.5.
    """
    if image.normals is None or image.grey:
        return False
    red, green, blue = image.statistics[:3]
    centred = abs(red.mean - 0.5) <= 0.05 and abs(green.mean - 0.5) <= 0.05 and blue.mean >= 0.87
    if not centred or image.normals.unit_length < 0.95 or max(red.std, green.std) < 0.01:
        return False
    # A gradient of pale blues can be all unit vectors; only slopes of a surface have no curl.
    return image.normals.convention is not None


def name_words(kind: Kind, evidence: Iterable[Evidence]) -> list[str]:
    """What names and materials say for the class of `kind`, as a person would point at it.

    Words that say little each are told where nothing says more.
    """
    alike = _alike(kind, evidence)
    said = [e.detail for e in alike if e.source in ("name", "siblings", "slot", "folder")]
    return list(dict.fromkeys(said or [e.detail for e in alike if e.source == "words"]))


def is_judged_by_project(kind: Kind, evidence: Iterable[Evidence]) -> bool:
    """Whether the other textures of its project speak for the class of `kind`."""
    return any(e.source == "project" for e in _alike(kind, evidence))


def _alike(kind: Kind, evidence: Iterable[Evidence]) -> list[Evidence]:
    return [e for e in evidence if e.kind and CLASS_OF[e.kind] == CLASS_OF[kind]]


def confidence_percent(found: Classification) -> float:
    """Probability of the class of the most probable kind, 0..1."""
    alike = [kind for kind in KINDS if CLASS_OF[kind] == CLASS_OF[found.kind]]
    return min(1.0, sum(found.probabilities.get(kind, 0.0) for kind in alike))


def texture_of(
    examination: Examination,
    file: str,
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    max_size: int = 4096,
) -> TextureFacts:
    """A texture with these options, as its engine has it; `max_size` is the longest side that is accepted."""
    image = examination.inspection
    return texture_facts(
        examination,
        file,
        present=validation.check_intent(adapter.read_texture(options, version), adapter.name),
        decides=frozenset(adapter.texture_fields),
        srgb_kinds=frozenset(adapter.srgb_kinds),
        resizes=adapter.resizes,
        max_size=max_size,
        formats=lambda intent: _forms(image, adapter, version, intent).values(),
        memory=lambda intent: memory_of(image, _with(options, intent, adapter, version), adapter, version),
    )


def _with(
    options: Mapping[str, Any], intent: TextureIntent, adapter: Adapter, version: Version
) -> dict[str, Any]:
    """The options that have become `intent`, as far as the engine's decide it."""
    todo = adapter.compile_texture(intent.only(adapter.texture_fields), options, version)
    return {**options, **validation.check_options(todo, adapter.name)}


def memory_of(image: Inspection, options: Mapping[str, Any], adapter: Adapter, version: Version) -> Memory:
    """Bytes of the GPU's memory by platform, where they are known."""
    facts = facts_of(image)
    sizes = {
        platform: validation.check_memory(adapter.gpu_memory(options, facts, platform, version))
        for platform in PLATFORMS
    }
    return {platform: size for platform, size in sizes.items() if size is not None}


def _forms(
    image: Inspection, adapter: Adapter, version: Version, intent: TextureIntent
) -> dict[Platform, GpuFormat]:
    """The formats with these settings, by platform, where they are known."""
    facts = facts_of(image)
    forms = {platform: adapter.gpu_format(intent, facts, platform, version) for platform in PLATFORMS}
    return {platform: form for platform, form in forms.items() if form is not None}
