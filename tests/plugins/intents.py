"""Texture intents, any there can be, for the properties that hold of every engine's adapter."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from bridge.core import textures
from bridge.core.textures import TextureIntent


def _choices(annotation: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(annotation.__args__)


_OVERRIDES = st.builds(
    textures.PlatformOverride,
    max_size=st.none() | st.sampled_from([0, 32, 1000, 2048]),
    compression=_choices(textures.Compression),
)
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "kind": _choices(textures.Kind),
    "color_space": _choices(textures.ColorSpace),
    "normal_convention": _choices(textures.NormalConvention),
    "compression": _choices(textures.Compression),
    "mipmaps": st.none() | st.booleans(),
    "alpha": _choices(textures.AlphaUse),
    # Sizes that engines offer, and such as none does.
    "max_size": st.none() | st.integers(-1, 20_000) | st.sampled_from([32, 2048, 16_384]),
    "wrap": _choices(textures.Wrap),
    "filter": _choices(textures.Filter),
    "channels": st.none() | st.just({"r": "occlusion"}),
    "mip_filter": _choices(textures.Filter),
    "excludes": _choices(textures.Kind),
    # Names of groups and platforms of some engine, and such as none has.
    "group": st.none()
    | st.sampled_from(["TEXTUREGROUP_UI", "TEXTUREGROUP_PIXELS2D", "TEXTUREGROUP_BOKEH", "", "Rocks"]),
    "lod_bias": st.none() | st.sampled_from([0.0, 1.0, -2.0, 0.5, 100.0]) | st.floats(),
    "streaming": st.none() | st.booleans(),
    "virtual_texture": st.none() | st.booleans(),
    "mip_generation": _choices(textures.MipGeneration),
    "swizzle": st.none() | st.text(textures.SWIZZLE_SOURCES, min_size=4, max_size=4) | st.just("rg"),
    "shape": _choices(textures.TextureShape),
    "platforms": st.none()
    | st.dictionaries(st.sampled_from(["Android", "iPhone", "Server", "toaster"]), _OVERRIDES, max_size=2),
}
# A field that is added later is to be tried by all of them.
assert _FIELDS.keys() == set(TextureIntent.__struct_fields__)

intents = st.builds(TextureIntent, **_FIELDS)
