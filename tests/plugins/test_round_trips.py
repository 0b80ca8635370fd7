"""Every adapter, in every version that it knows the defaults of: what is compiled reads back."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from packaging.version import Version

from bridge.api import Adapter, TextureIntent
from bridge.core import textures
from bridge.core.textures import PlatformOverride
from bridge.core.versions import contains
from tests.plugins.intents import intents
from tools.generators import _first_party

CASES = [
    (adapter, adapter.scheme.parse(version), dict(options))
    for adapter in _first_party.registry().adapters
    for version, options in adapter.default_options.items()
    if contains(adapter.versions, adapter.scheme.parse(version))
]
every = pytest.mark.parametrize(
    ("adapter", "version", "defaults"),
    CASES,
    ids=[f"{adapter.name}-{version}" for adapter, version, _ in CASES],
)
VALUES: dict[str, list[Any]] = {
    "kind": [*get_args(textures.Kind)],
    "color_space": [*get_args(textures.ColorSpace)],
    "normal_convention": [*get_args(textures.NormalConvention)],
    "compression": [*get_args(textures.Compression)],
    "mipmaps": [True, False],
    "alpha": [*get_args(textures.AlphaUse)],
    "max_size": [0, 32, 1000, 2048, 16_384, 10**6, -1],
    "wrap": [*get_args(textures.Wrap)],
    "filter": [*get_args(textures.Filter)],
    "channels": [{"r": "occlusion"}],
    "mip_filter": [*get_args(textures.Filter)],
    "excludes": ["normal"],
    "group": ["TEXTUREGROUP_UI", "TEXTUREGROUP_PIXELS2D", "Rocks", ""],
    "lod_bias": [0.0, 1.0, -2.0, 0.5, 0.1, 1e9, float("inf"), float("nan")],
    "streaming": [True, False],
    "virtual_texture": [True, False],
    "mip_generation": [*get_args(textures.MipGeneration)],
    "swizzle": ["rgba", "bgra", "rGba", "rrr1", "000a", "rgb", "rgbx"],
    "shape": [*get_args(textures.TextureShape)],
    "platforms": [
        {"Android": PlatformOverride(max_size=512)}, {"iPhone": PlatformOverride(compression="none")},
        {"toaster": PlatformOverride(max_size=512)}, {"Android": PlatformOverride()}, {},
    ],
}  # fmt: skip
assert VALUES.keys() == set(TextureIntent.__struct_fields__)
INDEPENDENT = frozenset({"lod_bias", "streaming", "virtual_texture", "swizzle", "shape", "platforms"})
"""Fields that no other one has anything to do with: whoever sets another leaves them as they are."""


@every
@pytest.mark.parametrize("field", VALUES)
def test_a_field_is_declared_if_one_of_its_values_can_be_set_and_in_the_newest_version_only_then(
    adapter: Adapter, version: Version, defaults: dict[str, Any], field: str
) -> None:
    can_be = []
    for value in VALUES[field]:
        intent = TextureIntent(**{field: value})
        part = adapter.expressible(intent, version)
        assert part.fields().keys() <= {field}
        change = adapter.compile_texture(intent, defaults, version)
        after = adapter.read_texture({**defaults, **change}, version)
        if part.fields():
            can_be.append(value)
            assert part.differs(after).fields() == {}
        assert adapter.compile_texture(intent, {**defaults, **change}, version) == {}
    is_newest = version == [each for own, each, _ in CASES if own.name == adapter.name][-1]
    if can_be or is_newest:
        assert bool(can_be) == (field in adapter.texture_fields)


@every
@settings(max_examples=20)
@given(earlier=intents, intent=intents)
def test_whatever_was_set_before_what_is_wanted_reads_back_and_stays(
    adapter: Adapter,
    version: Version,
    defaults: dict[str, Any],
    earlier: TextureIntent,
    intent: TextureIntent,
) -> None:
    present = {**defaults, **adapter.compile_texture(earlier, defaults, version)}
    assert adapter.compile_texture(adapter.read_texture(present, version), present, version) == {}
    after = {**present, **adapter.compile_texture(intent, present, version)}
    assert adapter.expressible(intent, version).differs(adapter.read_texture(after, version)).fields() == {}
    assert adapter.compile_texture(intent, after, version) == {}


@every
@settings(max_examples=20)
@given(earlier=intents, intent=intents)
def test_what_isnt_wanted_stays_as_it_is(
    adapter: Adapter,
    version: Version,
    defaults: dict[str, Any],
    earlier: TextureIntent,
    intent: TextureIntent,
) -> None:
    own = earlier.only(INDEPENDENT - {"shape"})
    present = {**defaults, **adapter.compile_texture(own, defaults, version)}
    others = intent.without(*INDEPENDENT, "compression", "max_size")
    change = adapter.compile_texture(others, present, version)
    before = adapter.read_texture(present, version).only(INDEPENDENT)
    assert before.differs(adapter.read_texture({**present, **change}, version)).fields() == {}
