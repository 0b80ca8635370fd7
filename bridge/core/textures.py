"""Texture settings shared by all engines, GPU memory, severities and codes of findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict

from accel.text import AnyText, text

Kind = Literal[
    "albedo", "normal", "height", "roughness", "specular", "ao", "packed", "emissive", "sprite", "ui",
    "environment", "other",
]  # fmt: skip
"""Texture kinds. `packed`: separate data per channel; `environment`: light from all directions; `other`:
noise, ramps, lookup tables, masks and data of tools, never advised on."""
ColorSpace = Literal["srgb", "linear"]
"""How to interpret the file's values: `srgb` decodes them as colour, `linear` doesn't."""
NormalConvention = Literal["opengl", "directx"]
"""The green channel of a normal map: up (Y+, OpenGL) or down (Y-, DirectX)."""
Compression = Literal["none", "lossless", "lossy", "block", "block_high", "universal"]
"""`block`: a GPU format with 4x4 blocks; `block_high`: BC7 or ASTC; `universal`: Basis, transcoded on
loading."""
AlphaUse = Literal["none", "transparency", "premultiplied"]
"""Alpha is ignored, is transparency, or is transparency that the colours are already multiplied by."""
Wrap = Literal["clamp", "repeat", "mirror"]
"""What lies beyond the edges: the edge texels, the texture again, or its mirror image."""
Filter = Literal["nearest", "linear"]
"""What lies between texels: the nearest texel, which shows squares, or a blend of neighbours."""
ChannelMeaning = Literal[
    "unused", "occlusion", "roughness", "smoothness", "metallic", "height", "mask", "opacity", "emission"
]
"""What a channel of a packed texture holds."""

LINEAR_KINDS: frozenset[str] = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})
"""Kinds that are data, whose values sRGB decoding would change."""
MATERIAL_KINDS: frozenset[str] = LINEAR_KINDS | {"albedo", "emissive"}
"""Kinds used in materials, which are seen from any distance."""
FLAT_KINDS: frozenset[str] = frozenset({"sprite", "ui"})


MipGeneration = Literal["box", "kaiser", "sharpen", "blur", "unfiltered"]
"""How an engine makes each mip level of the one above: `box` averages four texels, `kaiser` keeps more
detail, `sharpen` and `blur` change the average, `unfiltered` takes one of the four."""
TextureShape = Literal["2d", "array", "cube", "cube_array", "volume", "udim"]
"""What the file's pixels are: one image, an array of images, the six faces of a cube, cubes, the slices of a
volume, or one of the tiles of a larger image (UDIM)."""
SWIZZLE_SOURCES = "rgbaRGBA01"
"""The letters of a swizzle: a channel of the file, its inverse, or a constant."""


class PlatformOverride(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A platform's own settings, which replace the texture's there."""

    max_size: int | None = None
    """Longest side in pixels; 0 for no limit."""
    compression: Compression | None = None
    """Compression in the game."""


class TextureIntent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Texture settings, desired or current; None leaves a field open."""

    kind: Kind | None = None
    """The texture kind."""
    color_space: ColorSpace | None = None
    """Colour space of its values."""
    normal_convention: NormalConvention | None = None
    """Direction of a normal map's green channel."""
    compression: Compression | None = None
    """Compression in the game."""
    mipmaps: bool | None = None
    """Whether the engine generates them."""
    alpha: AlphaUse | None = None
    """How the alpha channel is used."""
    max_size: int | None = None
    """Longest side in pixels; 0 for no limit."""
    wrap: Wrap | None = None
    """What lies beyond the edges, in materials."""
    filter: Filter | None = None
    """Interpolation between texels."""
    channels: dict[str, ChannelMeaning] | None = None
    """What each packed channel holds, by `r`, `g`, `b` and `a`."""
    mip_filter: Filter | None = None
    """Interpolation between mip levels; `linear` is trilinear filtering. Read only."""
    excludes: Kind | None = None
    """A kind that somebody has ruled out in the import settings. Read only."""
    group: str | None = None
    """The group of textures whose limits it shares, by the engine's own name."""
    lod_bias: float | None = None
    """Mip levels that are added to the one that would be drawn: 1 halves the resolution, -1 doubles it."""
    streaming: bool | None = None
    """Whether mip levels are loaded when they are needed."""
    virtual_texture: bool | None = None
    """Whether tiles of it are loaded when they are needed."""
    mip_generation: MipGeneration | None = None
    """How mip levels are made; implies `mipmaps`."""
    swizzle: str | None = None
    """Where each channel of the texture comes from, four letters in the order of red, green, blue and alpha:
    `r`, `g`, `b` and `a` are channels of the file, capital letters their inverses, `0` and `1` constants.
    `rgba` is the file as it is."""
    shape: TextureShape | None = None
    """What the file's pixels are."""
    platforms: dict[str, PlatformOverride] | None = None
    """Settings of single platforms, by the engine's own names; platforms without any are left as they are.
    `compression` and `max_size` are those of all platforms, where they say something."""

    def fields(self) -> dict[str, Any]:
        """Returns the fields that are set."""
        return _set_fields(self)

    def over(self, base: TextureIntent) -> TextureIntent:
        """Returns `base` with this intent's fields replacing its own; platforms are merged one by one."""
        merged = {**base.fields(), **self.fields()}
        if self.platforms and base.platforms:
            merged["platforms"] = {**base.platforms}
            for name, own in self.platforms.items():
                known = _set_fields(base.platforms[name]) if name in base.platforms else {}
                merged["platforms"][name] = PlatformOverride(**{**known, **_set_fields(own)})
        return TextureIntent(**merged)

    def only(self, names: frozenset[str]) -> TextureIntent:
        """Returns this intent with only the fields in `names`."""
        return TextureIntent(**{k: v for k, v in self.fields().items() if k in names})

    def without(self, *names: str) -> TextureIntent:
        """Returns this intent without these fields."""
        return self.only(frozenset(self.fields()) - set(names))

    def differs(self, present: TextureIntent) -> TextureIntent:
        """Returns the fields of this intent that differ from `present`; of platforms, those that do."""
        known = present.fields()
        found = {name: value for name, value in self.fields().items() if known.get(name) != value}
        if "platforms" in found and present.platforms is not None:
            found["platforms"] = _differing(found["platforms"], present.platforms) or None
        return TextureIntent(**found)


def _differing(
    wanted: Mapping[str, PlatformOverride], present: Mapping[str, PlatformOverride]
) -> dict[str, PlatformOverride]:
    found = {name: override for name, override in wanted.items() if name not in present}
    for name in wanted.keys() & present.keys():
        known = _set_fields(present[name])
        own = {key: value for key, value in _set_fields(wanted[name]).items() if known.get(key) != value}
        if own:
            found[name] = PlatformOverride(**own)
    return found


def _set_fields(settings: Struct) -> dict[str, Any]:
    return {name: value for name, value in asdict(settings).items() if value is not None}


UseDomain = Literal["surface", "particles", "decal", "terrain", "sky", "canvas", "ui"]
"""Where a texture is drawn. `surface`, `particles`, `decal`, `terrain` and `sky`: in 3D; `canvas`: sprites,
tiles, 2D particles and other 2D drawing; `ui`: user interfaces, mouse cursors and icons."""
DISTANT_DOMAINS: frozenset[UseDomain] = frozenset({"surface", "particles", "terrain"})
"""Where a texture may be drawn far smaller than it is, so that it needs mipmaps."""
UseBasis = Literal["slot", "declaration", "name"]
"""`slot`: a property of the engine; `declaration`: an attribute or hint in a shader's source, such as
`[Normal]` or `hint_normal`; `name`: words in the name of a custom property, such as `_T_Orm`."""


class TextureUse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One use of a texture in a project's materials, shaders, scenes or settings."""

    kinds: tuple[Kind, ...] = ()
    """The kinds that this use may expect, the likeliest first; empty if unknown."""
    basis: UseBasis = "slot"
    """The source of `kinds`."""
    slot: str = ""
    """The property that holds the texture, as the engine or the shader names it; for people."""
    domain: UseDomain | None = None
    """Where it is drawn; None if unknown."""
    color_space: ColorSpace | None = None
    """The colour space in which a shader declares that it reads the texture."""
    channels: str = ""
    """The channels that are read, of `rgba` in this order; empty if unknown."""
    mipmaps: bool | None = None
    """Whether its filter reads mipmaps; None if the engine's default decides."""
    scale: float | None = None
    """Drawn length of one texel in the pixels of the game's own resolution; None if unknown."""
    size: tuple[float, float] | None = None
    """Drawn width and height of the whole texture in the same pixels, as in a user interface of fixed size;
    None if unknown."""


class TextureUses(Struct, frozen=True, omit_defaults=True):
    """What a project's files say about the use of one texture."""

    uses: tuple[TextureUse, ...] = ()
    """All different uses that were found."""
    owner: str = ""
    """The addon that writes the file or its import settings, such as a terrain editor, or the atlas whose
    settings replace them; empty if there is none.

    Advice on such a texture would break the addon, or change nothing.
    """

    def kinds(self, *bases: UseBasis) -> list[Kind]:
        """Returns the distinct kinds of all uses, or of those with these bases, in the order found."""
        known = (use for use in self.uses if not bases or use.basis in bases)
        return list(dict.fromkeys(kind for use in known for kind in use.kinds))

    @property
    def domains(self) -> frozenset[UseDomain]:
        """All known domains."""
        return frozenset(use.domain for use in self.uses if use.domain)

    def reads(self, channel: str) -> bool | None:
        """Whether any use reads this channel (`r`, `g`, `b` or `a`); None if that is unknown."""
        if any(channel in use.channels for use in self.uses):
            return True
        return False if self.uses and all(use.channels for use in self.uses) else None

    def smallest_scale(self, width: int, height: int) -> float | None:
        """Returns the smallest known scale at which a texture of this size in pixels is drawn; None if none
        is known. 1 draws each texel as a pixel.
        """
        scales = [use.scale for use in self.uses if use.scale is not None]
        scales += [max(use.size[0] / width, use.size[1] / height) for use in self.uses if use.size]
        return min(scales, default=None)

    def with_uses(self, uses: Iterable[TextureUse]) -> TextureUses:
        """Returns these uses and others that are known, each once."""
        return TextureUses(tuple(dict.fromkeys((*self.uses, *uses))), self.owner)


NO_USES = TextureUses()
"""Of a texture that no file of the project names."""

Platform = Literal["desktop", "mobile"]
"""A game's target platform, which determines the available block formats."""
PLATFORMS: tuple[Platform, ...] = ("desktop", "mobile")

GpuFormat = Literal[
    "r8", "rg8", "rgb8", "rgba8", "bc1", "bc3", "bc4", "bc5", "bc7", "etc2_rgb", "etc2_rgba", "eac_r",
    "eac_rg", "astc_4x4", "astc_6x6",
]  # fmt: skip
"""Texel formats in GPU memory."""

Block = tuple[int, int, int]
"""Width and height of a block in texels, and its size in bytes. Uncompressed, a block is a single texel."""
BLOCKS: dict[GpuFormat, Block] = {
    # GPUs have no three-byte texels, so drivers pad them.
    "r8": (1, 1, 1), "rg8": (1, 1, 2), "rgb8": (1, 1, 4), "rgba8": (1, 1, 4),
    "bc1": (4, 4, 8), "bc3": (4, 4, 16), "bc4": (4, 4, 8), "bc5": (4, 4, 16), "bc7": (4, 4, 16),
    "etc2_rgb": (4, 4, 8), "etc2_rgba": (4, 4, 16), "eac_r": (4, 4, 8), "eac_rg": (4, 4, 16),
    "astc_4x4": (4, 4, 16), "astc_6x6": (6, 6, 16),
}  # fmt: skip
"""Blocks by format (Khronos Data Format Specification 1.3)."""


class ImageFacts(Struct, frozen=True):
    """The properties of an image that, with its settings, determine its format in GPU memory."""

    channels: int
    """Number of channels in the file, including alpha."""
    alpha: bool
    """Whether any pixel is transparent."""
    grey: bool
    """Whether red, green and blue are the same in every pixel."""
    hdr: bool
    """Whether the values are floats."""
    width: int = 0
    """In pixels; 0 if unknown."""
    height: int = 0
    """In pixels; 0 if unknown."""


def texture_bytes(form: GpuFormat | Block, width: int, height: int, mipmaps: bool) -> int:
    """Returns a texture's size in GPU memory in bytes. Each mipmap takes at least one block."""
    across, down, size = BLOCKS[form] if isinstance(form, str) else form
    levels = mip_sizes(width, height) if mipmaps else [(width, height)]
    return sum(-(-w // across) * -(-h // down) * size for w, h in levels)


def mip_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yields the width and height of each mip level, from the texture itself down to one texel."""
    while True:
        yield width, height
        if width == height == 1:
            return
        width, height = max(1, width // 2), max(1, height // 2)


def limited(width: int, height: int, longest: int) -> tuple[int, int]:
    """Returns the size after shrinking to a longest side in pixels, at the same aspect ratio. 0 means no
    limit."""
    longer = max(width, height)
    if not 0 < longest < longer:
        return width, height
    return max(1, width * longest // longer), max(1, height * longest // longer)


def usual_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """Returns the format that most engines choose for these settings, or None if unknown.

    The file's alpha channel counts, whether opaque or not, unless `intent.alpha` is `none`.
    """
    if facts.hdr or intent.compression is None:
        return None
    alpha = facts.channels in (2, 4) and intent.alpha != "none"
    if intent.compression in ("none", "lossless", "lossy"):
        return raw_format(facts.channels if alpha or facts.channels % 2 else facts.channels - 1)
    if intent.compression != "block":
        return "bc7" if platform == "desktop" else "astc_4x4"
    return block_format("rg" if intent.kind == "normal" else "rgba" if alpha else "rgb", platform)


def raw_format(channels: int) -> GpuFormat | None:
    """Returns the uncompressed format for 1 to 4 channels of 8 bits, or None for other numbers."""
    formats: dict[int, GpuFormat] = {1: "r8", 2: "rg8", 3: "rgb8", 4: "rgba8"}
    return formats.get(channels)


def block_format(channels: Literal["r", "rg", "rgb", "rgba"], platform: Platform) -> GpuFormat:
    """Returns the basic block format for these channels: S3TC or RGTC on desktop, ETC2 or EAC on mobile."""
    desktop: dict[str, GpuFormat] = {"r": "bc4", "rg": "bc5", "rgb": "bc1", "rgba": "bc3"}
    mobile: dict[str, GpuFormat] = {"r": "eac_r", "rg": "eac_rg", "rgb": "etc2_rgb", "rgba": "etc2_rgba"}
    return (desktop if platform == "desktop" else mobile)[channels]


Severity = Literal["error", "warning", "note"]
"""`error` looks wrong in the game or is unreadable; `warning` costs memory or quality; `note` is harmless."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""Most severe first."""
OLD_SEVERITIES: Mapping[str, Severity] = {"wrong": "error", "waste": "warning"}
"""Names used in 0.1.0, which options and plugins may still use."""


def severity_of(word: str) -> Severity | None:
    """Returns the severity for a current name or one from 0.1.0, or None."""
    return next((each for each in SEVERITIES if each == word), OLD_SEVERITIES.get(word))


Code = Literal[
    "alpha_constant", "color_as_linear", "color_as_normal", "data_as_srgb", "grey_as_rgb", "lossy_data",
    "lossy_hdr", "no_mipmaps", "normal_as_color", "normal_convention", "normal_directx", "not_power_of_two",
    "packed_order", "pixel_art_blocks", "too_large", "ui_mipmaps", "uncompressed",
]  # fmt: skip
CODES: tuple[str, ...] = get_args(Code)

UNSETTLED = frozenset({
    "duplicate", "grey_as_rgb", "lfs_pointer", "normal_directx", "not_applied", "not_power_of_two",
    "packed_order", "unjudged", "unknown_settings", "unlisted", "unreadable", "unremarked", "unsupported",
})  # fmt: skip
"""Codes of findings and reports that no import setting can fix."""
RULE_CODES = tuple(code for code in CODES if code not in UNSETTLED)
"""Finding codes that rules can use, besides those of plugins."""


def finding_code_error(code: str, unsettled: Collection[str] = ()) -> AnyText:
    """Returns why no rule can use this code; empty if one can. A plugin's code has a dot: `acme.seams`.

    `unsettled` are the known codes of plugins that no import setting can fix.
    """
    if code in UNSETTLED or code in unsettled:
        return text(
            "`advice` has `{code}`, but no import setting fixes that finding, so a rule can't either",
            code=code,
        )
    if code in RULE_CODES or "." in code.strip("."):
        return ""
    # Slow to import, and few files contain a mistake.
    import difflib

    if near := difflib.get_close_matches(code.lower(), RULE_CODES, 1):
        return text(
            "`advice` has `{code}`, but no finding has that code (did you mean `{near}`?)",
            code=code,
            near=near[0],
        )
    codes = [f"`{one}`" for one in RULE_CODES]
    return text(
        "`advice` has `{code}`, but no finding has that code; there are {codes}", code=code, codes=codes
    )
