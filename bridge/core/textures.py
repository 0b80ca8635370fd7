"""Texture intent, its GPU memory, finding codes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict

from accel.text import AnyText, text

Kind = Literal[
    "albedo", "normal", "height", "roughness", "specular", "ao", "packed", "emissive", "sprite", "ui",
    "environment",
]  # fmt: skip
"""What it is for. `packed`: each channel means something else; `environment`: light from all around."""
ColorSpace = Literal["srgb", "linear"]
"""How the file's numbers are read: `srgb` as colours for the eye, `linear` as they are."""
NormalConvention = Literal["opengl", "directx"]
"""Where the green channel of a normal map points: up (Y+, OpenGL) or down (Y-, DirectX)."""
Compression = Literal["none", "lossless", "lossy", "block", "block_high", "universal"]
"""`block`: a GPU format of 4x4 blocks; `block_high`: BC7 or ASTC; `universal`: Basis, transcoded at load."""
AlphaUse = Literal["none", "transparency", "premultiplied"]
"""What the alpha channel is: nothing, transparency, or transparency that the colours are multiplied by."""
Wrap = Literal["clamp", "repeat", "mirror"]
"""What lies beyond the edges: the edge's texels, the texture again, or its mirror image."""
Filter = Literal["nearest", "linear"]
"""What is seen between texels: the nearest one, so that each is a square, or a mixture of those around."""
ChannelMeaning = Literal[
    "unused", "occlusion", "roughness", "smoothness", "metallic", "height", "mask", "opacity", "emission"
]
"""What one channel of a packed texture holds."""

LINEAR_KINDS: frozenset[str] = frozenset({"normal", "height", "roughness", "specular", "ao", "packed"})
"""Kinds whose numbers are data: sRGB decoding would bend them."""
MATERIAL_KINDS: frozenset[str] = LINEAR_KINDS | {"albedo", "emissive"}
"""Kinds that lie on 3D surfaces, seen from every distance."""
FLAT_KINDS: frozenset[str] = frozenset({"sprite", "ui"})


class TextureIntent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wanted of a texture, or what its settings say; None says nothing about that point."""

    kind: Kind | None = None
    """What it is for."""
    color_space: ColorSpace | None = None
    """How its numbers are read."""
    normal_convention: NormalConvention | None = None
    """Where the green channel of a normal map points."""
    compression: Compression | None = None
    """How it is kept in the game."""
    mipmaps: bool | None = None
    """Whether there are smaller copies for a distance."""
    alpha: AlphaUse | None = None
    """What its alpha channel is."""
    max_size: int | None = None
    """Longest side, pixels; 0 for no limit."""
    wrap: Wrap | None = None
    """What lies beyond its edges."""
    filter: Filter | None = None
    """What is seen between its texels."""
    channels: dict[str, ChannelMeaning] | None = None
    """What packed channels mean, by `r`, `g`, `b` and `a`."""

    def fields(self) -> dict[str, object]:
        """The points on which something is said."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def over(self, base: TextureIntent) -> TextureIntent:
        """`base` with this intent's points in place of its own."""
        return TextureIntent(**{**base.fields(), **self.fields()})  # type: ignore[arg-type]

    def only(self, names: frozenset[str]) -> TextureIntent:
        """This intent without the points that aren't in `names`."""
        return TextureIntent(**{k: v for k, v in self.fields().items() if k in names})  # type: ignore[arg-type]

    def without(self, *names: str) -> TextureIntent:
        """This intent without these points."""
        return self.only(frozenset(self.fields()) - set(names))

    def differs(self, present: TextureIntent) -> TextureIntent:
        """The points of this intent that `present` doesn't have already."""
        there = present.fields()
        return TextureIntent(**{k: v for k, v in self.fields().items() if there.get(k) != v})  # type: ignore[arg-type]


Platform = Literal["desktop", "mobile"]
"""What a game is built for: it decides which block formats there are."""
PLATFORMS: tuple[Platform, ...] = ("desktop", "mobile")

GpuFormat = Literal[
    "r8", "rg8", "rgb8", "rgba8", "bc1", "bc3", "bc4", "bc5", "bc7", "etc2_rgb", "etc2_rgba", "eac_r",
    "eac_rg", "astc_4x4", "astc_6x6",
]  # fmt: skip
"""How texels lie in a GPU's memory."""

Block = tuple[int, int, int]
"""Width and height of a block in texels, and its bytes; without compression a block is a texel."""
BLOCKS: dict[GpuFormat, Block] = {
    # GPUs have no texels of three bytes: drivers pad them.
    "r8": (1, 1, 1), "rg8": (1, 1, 2), "rgb8": (1, 1, 4), "rgba8": (1, 1, 4),
    "bc1": (4, 4, 8), "bc3": (4, 4, 16), "bc4": (4, 4, 8), "bc5": (4, 4, 16), "bc7": (4, 4, 16),
    "etc2_rgb": (4, 4, 8), "etc2_rgba": (4, 4, 16), "eac_r": (4, 4, 8), "eac_rg": (4, 4, 16),
    "astc_4x4": (4, 4, 16), "astc_6x6": (6, 6, 16),
}  # fmt: skip
"""Each format's (Khronos Data Format Specification 1.3)."""


class ImageFacts(Struct, frozen=True):
    """What of a file's contents decides the format that an engine keeps it in."""

    channels: int
    """Their number in the file, alpha included."""
    alpha: bool
    """Whether there is an alpha channel that isn't opaque everywhere."""
    grey: bool
    """Whether red, green and blue are the same in every pixel."""
    hdr: bool
    """Whether the values are floating-point numbers."""
    width: int = 0
    """Pixels; 0 where that isn't known."""
    height: int = 0
    """The same."""


def texture_bytes(form: GpuFormat | Block, width: int, height: int, mipmaps: bool) -> int:
    """The bytes of a texture of so many texels; each mipmap has at least one block."""
    across, down, size = BLOCKS[form] if isinstance(form, str) else form
    levels = mip_sizes(width, height) if mipmaps else [(width, height)]
    return sum(-(-w // across) * -(-h // down) * size for w, h in levels)


def mip_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Width and height of each level, from the texture itself down to one texel."""
    while True:
        yield width, height
        if width == height == 1:
            return
        width, height = max(1, width // 2), max(1, height // 2)


def limited(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size that an engine shrinks to, aspect kept; `longest` is in pixels, 0 for no limit."""
    longer = max(width, height)
    if not 0 < longest < longer:
        return width, height
    return max(1, width * longest // longer), max(1, height * longest // longer)


def usual_format(intent: TextureIntent, facts: ImageFacts, platform: Platform) -> GpuFormat | None:
    """What most engines make of a texture with these settings; None where that isn't known.

    An alpha channel counts where the file has one, whatever is in it, unless `intent.alpha` is `none`.
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
    """The format of so many channels of 8 bit without compression."""
    formats: dict[int, GpuFormat] = {1: "r8", 2: "rg8", 3: "rgb8", 4: "rgba8"}
    return formats.get(channels)


def block_format(channels: Literal["r", "rg", "rgb", "rgba"], platform: Platform) -> GpuFormat:
    """The plain block format for these channels: S3TC and RGTC on the desktop, ETC2 and EAC on mobiles."""
    desktop: dict[str, GpuFormat] = {"r": "bc4", "rg": "bc5", "rgb": "bc1", "rgba": "bc3"}
    mobile: dict[str, GpuFormat] = {"r": "eac_r", "rg": "eac_rg", "rgb": "etc2_rgb", "rgba": "etc2_rgba"}
    return (desktop if platform == "desktop" else mobile)[channels]


Code = Literal[
    "alpha_constant", "color_as_linear", "color_as_normal", "data_as_srgb", "grey_as_rgb", "lossy_data",
    "lossy_hdr", "no_mipmaps", "normal_as_color", "normal_convention", "normal_directx", "not_power_of_two",
    "packed_order", "pixel_art_blocks", "too_large", "ui_mipmaps", "uncompressed",
]  # fmt: skip
CODES: tuple[str, ...] = get_args(Code)

UNSETTLED = frozenset({
    "duplicate", "grey_as_rgb", "normal_directx", "not_applied", "not_power_of_two", "packed_order",
    "unjudged", "unknown_settings", "unlisted", "unreadable", "unremarked", "unsupported",
})  # fmt: skip
"""Codes, of findings and of reports, that no engine's import settings settle."""
RULE_CODES = tuple(code for code in CODES if code not in UNSETTLED)
"""Those that a rule may name, besides plugins' own."""


SEVERITIES = ("error", "warning", "note")
"""Of findings, the worst first; SARIF's levels."""
_OLD_SEVERITIES = {"wrong": "error", "waste": "warning"}
"""The words of 0.1.0, accepted until 0.3.0."""


def severity_name(word: str) -> str:
    """The severity that `word` names; an unknown word comes back unchanged."""
    return _OLD_SEVERITIES.get(word, word)


def finding_code_error(code: str, unsettled: Collection[str] = ()) -> AnyText:
    """Why no rule can name this code; empty where one can. A plugin's own has a dot in it: `acme.seams`.

    `unsettled` are plugins' codes that no import settings settle, as far as they are known.
    """
    if code in UNSETTLED or code in unsettled:
        return text(
            "`advice` has `{code}`, but no import settings settle that, so that no rule can", code=code
        )
    if code in RULE_CODES or "." in code.strip("."):
        return ""
    # Imported here, as few files have a mistake.
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
