"""Texture intent: what a texture is for, in no engine's words; adapters compile it and read it back."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import asdict

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

    def differs(self, present: TextureIntent) -> TextureIntent:
        """The points of this intent that `present` doesn't have already."""
        there = present.fields()
        return TextureIntent(**{k: v for k, v in self.fields().items() if there.get(k) != v})  # type: ignore[arg-type]
