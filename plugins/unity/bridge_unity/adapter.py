"""The two adapters: Unity 2021.3, and Unity 2022.1 and later."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from packaging.version import Version

from bridge.api import (
    Adapter,
    GpuFormat,
    ImageFacts,
    Kind,
    Platform,
    ProjectSupport,
    Remark,
    TextureIntent,
)
from bridge_unity import memory, platforms, textures
from bridge_unity.remarks import remarks
from bridge_unity.support import UnityProjects
from bridge_unity.versions import SCHEME


class _Unity(Adapter):
    """What all versions have in common; there is no package for the editor yet, so that none is served."""

    engine = "unity"
    scheme = SCHEME
    srgb_kinds = frozenset({"specular"})
    """A colour of reflection in Unity's own specular shaders; metalness is read as their slider is, too."""
    resizes = True
    """What isn't a sprite, unless `npotScale` is None."""
    green: bool

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return textures.compile_intent(intent, present, green=self.green)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return textures.read_intent(options, green=self.green)

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return textures.expressible(intent, green=self.green)

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        return memory.gpu_format(intent, facts, platform)

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        return memory.gpu_memory(options, facts, platform)

    def platform_options(
        self, options: Mapping[str, Any], version: Version
    ) -> Mapping[str, Mapping[str, Any]]:
        return platforms.platform_options(options)

    def remarks(
        self, options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind], version: Version
    ) -> Iterable[Remark]:
        return remarks(options, facts, used_as)

    @property
    def project(self) -> ProjectSupport:
        return UnityProjects()


class Unity2021(_Unity):
    """Unity 2021.3, in which a normal map's green channel can't be turned over."""

    name = "unity2021"
    versions = ">=2021.3,<2022.1"
    texture_fields = textures.FIELDS
    green = False


class Unity2022(_Unity):
    """Unity 2022.1 and later, Unity 6 (6000) included."""

    name = "unity2022"
    versions = ">=2022.1,<6001"
    texture_fields = textures.FIELDS | {textures.GREEN}
    green = True
