"""Facts about one texture, from its pixels, its name, and its import settings in the engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from msgspec import Struct
from packaging.version import Version

from accel.image.records import Inspection
from accel.texture.kinds import CLASS_OF, Evidence, Kind, TextureClass
from accel.texture.verdict import conclude, may_be_normals
from accel.texture.workloads import Examination
from bridge.api import Adapter
from bridge.core.textures import BLOCKS as GPU_BLOCKS
from bridge.core.textures import (
    DISTANT_DOMAINS,
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
    UseDomain,
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
HARD_EDGES = 0.2
"""Lowest `Inspection.hard_edges` of drawings that blocks smear; smooth glows have few colours, too."""
FULL_SIZE = 0.5
"""Smallest scale at which bilinear filtering needs no mipmaps: it reads all texels."""
OUTWARD = 0.5
"""Mean blue, 0..1, above which vectors point out of the surface, as those of normal maps do."""
RARELY_SHRUNK = 256
"""Longest side, pixels, from which UI images of unknown display size are often drawn far smaller."""

DOMAINS_2D: frozenset[UseDomain] = frozenset({"canvas", "ui"})
DETECTED_DOMAINS: frozenset[UseDomain] = frozenset({"surface", "particles", "decal"})
"""Where engines that detect 3D use notice it."""


class No(Struct, frozen=True):
    """A false answer with its reason, so that an explanation can say why a finding wasn't raised.

    `a and (b or No("…"))` returns the reason of the first part that is false.
    """

    reason: str
    """Key in `texts.REASONS`."""
    values: dict[str, Any] = {}

    def __bool__(self) -> bool:
        return False


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
    in_material: bool = False
    """Whether another map of its material is certainly a material texture."""
    resizes: bool = False
    """Whether the engine resizes to powers of two."""
    detects: frozenset[str] = frozenset()
    """The fields that the engine sets by itself once it sees the texture in use."""
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
    def alpha_is_read(self) -> bool:
        """Whether alpha may carry data: it isn't opaque, and a material reads it or that is unknown."""
        return not self.opaque and self.uses.reads("a") is not False

    @property
    def declared_normal(self) -> bool:
        """Whether a slot, a shader or the name says that it holds normals; a grey image needs more than a
        name.
        """
        if "normal" in self.uses.kinds("slot", "declaration"):
            return True
        return "normal" in self.named_kinds and not self.image.grey

    @property
    def normals_ruled_out(self) -> bool:
        """Whether somebody has decided that it isn't a normal map, and nothing reads normals from it."""
        return self.present.excludes == "normal" and "normal" not in self.uses.kinds("slot", "declaration")

    @property
    def drawn_in_2d(self) -> bool:
        """Whether all its known uses are in 2D."""
        return bool(self.uses.domains) and self.uses.domains <= DOMAINS_2D

    @property
    def mipmaps_unread(self) -> bool:
        """Whether no filter with which it is drawn reads mipmaps."""
        return bool(self.uses.uses) and all(use.mipmaps is False for use in self.uses.uses)

    @property
    def settled(self) -> frozenset[str]:
        """The fields that the engine will set by itself, as far as the project's files tell: a normal map at
        its first use in a material, and the rest where it is drawn in 3D.
        """
        seen = bool(self.uses.domains & DETECTED_DOMAINS)
        return self.detects if seen else self.detects & {"kind"}

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
    def surface(self) -> bool | No:
        """Whether it is a material texture: except for normal maps, by its name, its set or a material."""
        if self.kind is None or self.kind not in MATERIAL_KINDS or self.kind == "height":
            return No("no_material")
        if self.drawn_in_2d:
            return No("drawn_in_2d")
        distant = bool(self.uses.domains & DISTANT_DOMAINS)
        if not distant and (self.named_kinds | self.folder_kinds | {self.present.kind}) & FLAT_KINDS:
            return No("flat")
        if self.kind == "normal":
            # A sprite's normal map has its outline or is as small as the sprite.
            return (self.opaque and (distant or self.longest > SMALL)) or No("sprite_normals")
        named = any(CLASS_OF[kind] == self.family for kind in self.named_kinds)
        return self.in_material or named or No("unnamed")

    @property
    def named_data(self) -> bool | No:
        """Whether names or uses, not only pixels, show that it holds data; wood and stone can look like it.

        A texture named as packed with a kind that the engine reads as colour may hold only that.
        """
        named = self.named_kinds | self.folder_kinds
        data = (named & LINEAR_KINDS) - self.srgb_kinds
        if data == {"packed"} and named & self.srgb_kinds:
            return No("read_as_color")
        return any(CLASS_OF[kind] == self.family for kind in data) or No("unnamed")

    @property
    def seen_from_afar(self) -> bool | No:
        """Whether it is seen from a distance and needs mipmaps; engines ignore those of decals."""
        if self.mipmaps_unread or (self.uses.domains and not self.uses.domains & DISTANT_DOMAINS):
            return No("mipmaps_unread")
        shortest = min(self.image.width, self.image.height)
        small = No("too_small", {"side": SMALLEST_MIPPED})
        return (
            self.surface
            and (shortest >= SMALLEST_MIPPED or small)
            and (not self.elongated or No("strip"))
            and (self.image.entropy > 0 or No("one_color"))
            and (self.present.filter != "nearest" or No("single_pixels"))
        )

    @property
    def worth_blocks(self) -> bool | No:
        """Whether block compression saves enough memory to report, and does no harm."""
        image = self.image
        drawn = self.family in ("color", "emissive") and image.entropy < FEW_TONES
        # Two channels are left of normals in blocks; without the engine's normal maps, blocks distort them.
        normal = self.family == "normal"
        return (
            self.surface
            and self.fits_blocks
            and (not self.facts.hdr or No("hdr"))
            and (self.present.filter != "nearest" or No("single_pixels"))
            and (not drawn or No("drawn"))
            and (not (normal and self.alpha_is_read) or No("alpha_read"))
            and (not (normal and self.normals_ruled_out) or No("ruled_out"))
        )

    @property
    def fits_blocks(self) -> bool | No:
        """Whether its size can be compressed, and is large enough.

        Engines refuse to compress sizes that aren't multiples of four, or resample them.
        """
        width, height = self.image.width, self.image.height
        fits = width % 4 == height % 4 == 0
        return (fits or No("not_multiple_of_four", {"width": width, "height": height})) and (
            width * height >= SMALLEST_BLOCKED or No("few_pixels")
        )

    @property
    def pixel_art(self) -> bool | No:
        """Whether it is seen pixel by pixel and block-compressed, which would show.

        Block compression is often a sign of 3D, where small images of few tones are maps: names, uses or
        settings must show that it is 2D.
        """
        named = (self.named_kinds | self.folder_kinds | {self.present.kind}) & FLAT_KINDS
        squares = self.present.filter == "nearest"
        # If the import settings choose another filter, block compression is often merely the default.
        if "filter" in self.decides and not squares:
            return No("smooth_filter")
        if self.uses.domains - DOMAINS_2D:
            return No("used_in_3d")
        # An engine that sees a texture drawn in 3D sets mipmaps and blocks itself, and stops looking.
        seen = self.present.mipmaps is True and "mipmaps" not in self.detects
        if seen and not squares and not self.uses.domains:
            return No("perhaps_3d")
        drawn = self.image.entropy < FEW_TONES and (squares or self.longest <= LARGEST_DRAWN)
        hard = squares or self.image.hard_edges >= HARD_EDGES
        return (
            ((self.family == "flat" and bool(named)) or No("not_named_flat"))
            and (self.image.entropy > 0 or No("one_color"))
            and (self.in_blocks or No("not_in_blocks"))
            and (hard or No("soft_edges"))
            and (drawn or self.longest <= SMALL or No("many_tones"))
        )

    @property
    def in_blocks(self) -> bool:
        """Whether it is block-compressed on all platforms where that is known: its size may prevent it."""
        return all(GPU_BLOCKS[form][:2] != (1, 1) for form in self.formats(self.present))

    @property
    def interface(self) -> bool | No:
        """Whether it is shown at about its own size, as in a user interface, so that mipmaps are useless."""
        if self.uses.domains - {"ui"}:
            return No("no_ui")
        # Whoever chose a filter that reads mipmaps wants them.
        if self.present.mip_filter == "linear" or any(use.mipmaps for use in self.uses.uses):
            return No("wants_mipmaps")
        scale = self.uses.smallest_scale(self.image.width, self.image.height)
        if scale is not None and scale < FULL_SIZE and not self.mipmaps_unread:
            return No("shrunk")
        if self.present.kind == "ui":
            return True
        # Blocks may mean that it is used in 3D, as a screen in a room; so may platforms that differ.
        unknown = self.present.compression is None and "compression" in self.decides
        perhaps_3d = (unknown or self.present.compression in BLOCKS) and self.present.kind != "sprite"
        if self.kind != "ui" or perhaps_3d:
            return No("perhaps_3d" if self.kind == "ui" else "no_ui")
        if scale is None and self.longest >= RARELY_SHRUNK and not self.mipmaps_unread:
            return No("shrunk")
        return "ui" in self.named_kinds | self.folder_kinds or self.share >= SURE_BY_PIXELS or No("no_ui")

    @property
    def without_vectors(self) -> bool | No:
        """Whether its texels certainly aren't normals."""
        normals = self.image.normals
        if normals is None or not may_be_normals(self.image):
            return True
        return No("vectors", {"share": int(normals.unit_length * 100)})


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
    uses: TextureUses = known.get("uses", NO_USES)
    if kind is not None and kind != "other" and _is_denied(kind, uses):
        kind = None
    share = verdict.probabilities.get(kind, 0.0) if kind else 0.0
    facts = TextureFacts(image, file, kind, share, frozenset(named), frozenset(folder), **known)
    inward = kind == "normal" and image.normals is not None and image.normals.mean[2] <= OUTWARD
    return replace(facts, kind=None) if inward and not facts.declared_normal else facts


def _is_denied(kind: Kind, uses: TextureUses) -> bool:
    """Whether slots and shaders say that it is something else, which outweighs pixels and names."""
    declared = uses.kinds("slot", "declaration")
    return bool(declared) and all(CLASS_OF[each] != CLASS_OF[kind] for each in declared)


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
        detects=frozenset(adapter.detects(options, version)),
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
