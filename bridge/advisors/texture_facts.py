"""Facts about one texture, from its pixels, its name, and its import settings in the engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from packaging.version import Version

from accel.image.records import Inspection
from accel.texture.kinds import CLASS_OF, Evidence, Kind, TextureClass
from accel.texture.verdict import conclude, may_be_normals
from accel.texture.workloads import Examination
from bridge.api import Adapter
from bridge.core.textures import BLOCKS as GPU_BLOCKS
from bridge.core.textures import (
    FLAT_KINDS,
    LINEAR_KINDS,
    MATERIAL_KINDS,
    NO_USES,
    PLATFORMS,
    GpuFormat,
    ImageFacts,
    Platform,
    TextureIntent,
    TextureUses,
)
from bridge.host import validation

BLOCKS = frozenset({"block", "block_high", "universal"})
"""Compressions that stay compressed in GPU memory."""
UNCOMPRESSED = frozenset({"none", "lossless", "lossy"})
"""Compressions that are decompressed in GPU memory."""

SMALLEST_MIPPED = 16
"""Pixels; shorter sides need no mipmaps."""
LONGEST_MIPPED = 8
"""Longest aspect ratio with mipmaps; longer images are ramps, which are looked up and not seen."""
SMALLEST_BLOCKED = 256 * 256
"""Pixels; block compression of smaller textures saves too little to report."""
FEW_TONES = 4.0
"""Entropy, bits per pixel; images with less are drawn by hand, and blocks smear them."""
SMALL = 64
"""Longest side, pixels, of images that are seen pixel by pixel."""
LARGEST_DRAWN = 512
"""Longest side, pixels, of pixel art; larger images with few tones are plain pictures."""
SURE_BY_PIXELS = 0.9
"""Lowest probability of a kind that counts without a name."""

Memory = dict[Platform, int]
"""Bytes of GPU memory by platform; platforms with unknown sizes are left out."""


def memory_changes(before: Memory, after: Memory) -> dict[str, tuple[int, int]]:
    """Bytes before and after, by platform, where both are known and differ."""
    return {
        platform: (size, after[platform])
        for platform, size in before.items()
        if platform in after and after[platform] != size
    }


@dataclass(frozen=True)
class TextureFacts:
    """One texture with its import settings."""

    image: Inspection
    file: str
    """Path below the project's root, with `/`."""
    kind: Kind | None = None
    """None if it isn't sure enough to change settings."""
    share: float = 0.0
    """Probability of `kind`, 0..1."""
    named_kinds: frozenset[Kind] = frozenset()
    """The kinds that its name, its siblings and the materials that use it suggest."""
    folder_kinds: frozenset[Kind] = frozenset()
    """The kinds that its folder's name suggests."""
    uses: TextureUses = NO_USES
    """What the project's materials, shaders and scenes use it as."""
    present: TextureIntent = field(default_factory=TextureIntent)
    """Import settings; empty without an engine."""
    decides: frozenset[str] = frozenset()
    """The fields that the engine's import settings decide."""
    max_size: int = 4096
    """The accepted longest side, pixels."""
    srgb_kinds: frozenset[Kind] = frozenset()
    """Kinds of data that the engine's own materials read as colour."""
    resizes: bool = False
    """Whether the engine resizes to powers of two."""
    formats: Callable[[TextureIntent], Collection[GpuFormat]] = lambda intent: ()
    """Function that returns the formats in GPU memory with other settings, on each platform where that
    is known.
    """
    memory: Callable[[TextureIntent], Memory] = lambda intent: {}
    """Function that returns the GPU memory with other settings."""

    @cached_property
    def gpu_memory(self) -> Memory:
        """The GPU memory with the present settings."""
        return self.memory(self.present)

    @property
    def family(self) -> TextureClass | None:
        """The class of its kind; None if that isn't sure."""
        return CLASS_OF[self.kind] if self.kind else None

    @property
    def opaque(self) -> bool:
        """Whether no pixel is transparent."""
        return self.image.alpha is None or self.image.alpha.constant == 255

    @property
    def facts(self) -> ImageFacts:
        """The facts that determine the format in GPU memory."""
        return facts_of(self.image)

    @property
    def longest(self) -> int:
        return max(self.image.width, self.image.height)

    @property
    def elongated(self) -> bool:
        """Whether its shape is that of a ramp or a strip of frames."""
        return self.longest > min(self.image.width, self.image.height) * LONGEST_MIPPED

    @property
    def tiny(self) -> bool:
        """Whether it is too small for a channel to matter."""
        return self.image.width * self.image.height < SMALL * SMALL

    @property
    def surface(self) -> bool:
        """Whether it is a material texture: except for normal maps, by its name, its set or a material."""
        if self.kind is None or self.kind not in MATERIAL_KINDS or self.kind == "height":
            return False
        if (self.named_kinds | self.folder_kinds | {self.present.kind}) & FLAT_KINDS:
            return False
        if self.kind == "normal":
            # A sprite's normal map has its outline or is as small as the sprite.
            return self.opaque and self.longest > SMALL
        return any(CLASS_OF[kind] == self.family for kind in self.named_kinds)

    @property
    def named_data(self) -> bool:
        """Whether names or uses, not only pixels, show that it holds data; wood and stone can look like it.

        A texture named as packed with a kind that the engine reads as colour may hold only that.
        """
        named = self.named_kinds | self.folder_kinds
        data = (named & LINEAR_KINDS) - self.srgb_kinds
        if data == {"packed"} and named & self.srgb_kinds:
            return False
        return any(CLASS_OF[kind] == self.family for kind in data)

    @property
    def seen_from_afar(self) -> bool:
        """Whether it is seen from a distance and needs mipmaps."""
        shortest = min(self.image.width, self.image.height)
        return self.surface and shortest >= SMALLEST_MIPPED and not self.elongated

    @property
    def worth_blocks(self) -> bool:
        """Whether block compression saves enough memory to report, and does no harm."""
        image = self.image
        # Engines refuse to compress sizes that aren't multiples of four, or resample them.
        fits = image.width % 4 == image.height % 4 == 0
        large = image.width * image.height >= SMALLEST_BLOCKED and not self.facts.hdr
        drawn = self.family in ("color", "emissive") and image.entropy < FEW_TONES
        return self.surface and fits and large and not drawn

    @property
    def pixel_art(self) -> bool:
        """Whether it is seen pixel by pixel and block-compressed, which would show.

        Block compression is often a sign of 3D, where small images of few tones are maps: names, uses or
        settings must show that it is 2D.
        """
        named = (self.named_kinds | self.folder_kinds | {self.present.kind}) & FLAT_KINDS
        squares = self.present.filter == "nearest"
        # If the import settings choose another filter, block compression is often merely the default.
        if "filter" in self.decides and not squares:
            return False
        drawn = self.image.entropy < FEW_TONES and (squares or self.longest <= LARGEST_DRAWN)
        return self.family == "flat" and bool(named) and self.in_blocks and (drawn or self.longest <= SMALL)

    @property
    def in_blocks(self) -> bool:
        """Whether it is block-compressed on all platforms where that is known: its size may prevent it."""
        return all(GPU_BLOCKS[form][:2] != (1, 1) for form in self.formats(self.present))

    @property
    def interface(self) -> bool:
        """Whether it is shown at its own size, as in a user interface."""
        if self.present.kind == "ui":
            return True
        # Blocks may mean that it is used in 3D, as a screen in a room; so may platforms that differ.
        unknown = self.present.compression is None and "compression" in self.decides
        perhaps_3d = (unknown or self.present.compression in BLOCKS) and self.present.kind != "sprite"
        if self.kind != "ui" or perhaps_3d:
            return False
        return "ui" in self.named_kinds | self.folder_kinds or self.share >= SURE_BY_PIXELS

    @property
    def without_vectors(self) -> bool:
        """Whether its texels certainly aren't normals."""
        return not may_be_normals(self.image)


def facts_of(image: Inspection) -> ImageFacts:
    """Returns the facts that determine an image's format in GPU memory."""
    opaque = image.alpha is None or image.alpha.constant == 255
    return ImageFacts(
        image.channels, not opaque, image.grey, image.bit_depth == 32, image.width, image.height
    )


def texture_facts(examination: Examination, file: str, **known: Any) -> TextureFacts:
    """Facts from an examination; `known` are the other fields of `TextureFacts`."""
    image, found = examination.inspection, examination.classification
    named = {e.kind for e in found.evidence if e.source in ("name", "siblings", "slot") and e.kind}
    folder = {e.kind for e in found.evidence if e.source == "folder" and e.kind}
    verdict = conclude(found, image)
    # A texture of another kind is known to be one even where that isn't sure: it is never advised on.
    kind = verdict.kind if verdict.advise or verdict.kind == "other" else None
    share = verdict.probabilities.get(kind, 0.0) if kind else 0.0
    return TextureFacts(image, file, kind, share, frozenset(named), frozenset(folder), **known)


def name_words(kind: Kind, evidence: Iterable[Evidence]) -> list[str]:
    """Returns the words in names and materials that suggest the class of `kind`; weak ones only without
    others.
    """
    same = _same_class(kind, evidence)
    strong = [e.detail for e in same if e.source in ("name", "siblings", "slot", "folder")]
    return list(dict.fromkeys(strong or [e.detail for e in same if e.source == "words"]))


def is_judged_by_project(kind: Kind, evidence: Iterable[Evidence]) -> bool:
    """Whether the other textures of its project suggest the class of `kind`."""
    return any(e.source == "project" for e in _same_class(kind, evidence))


def _same_class(kind: Kind, evidence: Iterable[Evidence]) -> list[Evidence]:
    return [e for e in evidence if e.kind and CLASS_OF[e.kind] == CLASS_OF[kind]]


def texture_of(
    examination: Examination,
    file: str,
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    max_size: int = 4096,
    uses: TextureUses = NO_USES,
) -> TextureFacts:
    """Facts about a texture with its import settings; `max_size` is the accepted longest side, pixels."""
    facts = facts_of(examination.inspection)
    return texture_facts(
        examination,
        file,
        present=validation.check_intent(adapter.read_texture(options, version), adapter.name),
        decides=frozenset(adapter.texture_fields),
        srgb_kinds=frozenset(adapter.srgb_kinds),
        resizes=adapter.resizes,
        max_size=max_size,
        uses=uses,
        formats=lambda intent: _formats(facts, adapter, version, intent),
        memory=lambda intent: memory_of(facts, _with(options, intent, adapter, version), adapter, version),
    )


def _with(
    options: Mapping[str, Any], intent: TextureIntent, adapter: Adapter, version: Version
) -> dict[str, Any]:
    """Returns the options with `intent`, as far as the engine's settings decide it."""
    todo = adapter.compile_texture(intent.only(adapter.texture_fields), options, version)
    return {**options, **validation.check_options(todo, adapter.name)}


def memory_of(
    facts: ImageFacts,
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    platforms: Iterable[Platform] = PLATFORMS,
) -> Memory:
    """Returns a texture's GPU memory with these options."""
    sizes = {
        platform: validation.check_memory(adapter.gpu_memory(options, facts, platform, version))
        for platform in platforms
    }
    return {platform: size for platform, size in sizes.items() if size is not None}


def _formats(facts: ImageFacts, adapter: Adapter, version: Version, intent: TextureIntent) -> list[GpuFormat]:
    formats = (adapter.gpu_format(intent, facts, platform, version) for platform in PLATFORMS)
    return [form for form in formats if form is not None]
