"""The adapters for Unreal 4.27, 5.0, 5.1 to 5.3, and 5.4 and later; the plugin's entry point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.api import (
    Adapter,
    Addon,
    AddonInstaller,
    BatchEditor,
    GpuFormat,
    ImageFacts,
    OptionLabel,
    Platform,
    ProjectSupport,
    TextureIntent,
    Version,
    hookimpl,
)
from bridge_unreal import gpu_memory, labels, texture_intent
from bridge_unreal.batch import UnrealBatch
from bridge_unreal.default_options import DEFAULT_OPTIONS
from bridge_unreal.projects import UnrealProjects
from bridge_unreal.support import UnrealInstaller, addon
from bridge_unreal.versions import SCHEME


class _Unreal(Adapter):
    """What all versions have in common. Textures are in `.uasset` files, which only an editor reads."""

    engine = "unreal"
    scheme = SCHEME
    default_options = DEFAULT_OPTIONS
    texture_fields = texture_intent.FIELDS

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return texture_intent.compile_intent(intent, present)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return texture_intent.read_intent(options)

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return texture_intent.expressible(intent)

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        return gpu_memory.gpu_format(intent, facts, platform)

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        return gpu_memory.gpu_memory(options, facts, platform)

    @property
    def project(self) -> ProjectSupport | None:
        return UnrealProjects()

    @property
    def installer(self) -> AddonInstaller:
        return UnrealInstaller()

    @property
    def batch_editor(self) -> BatchEditor:
        return UnrealBatch()

    @property
    def addon(self) -> Addon | None:
        return addon()

    def option_labels(self, version: Version, locale: str) -> Mapping[str, OptionLabel]:
        return labels.option_labels(version, locale)


class Unreal4(_Unreal):
    """Unreal 4.27: Python 3.7, no Interchange, `ARFilter.class_names`."""

    name = "unreal4"
    versions = ">=4.27,<5.0"


class Unreal50(_Unreal):
    """Unreal 5.0: Python 3.9, the check of normal maps at import."""

    name = "unreal5_0"
    versions = ">=5.0,<5.1"


class Unreal51(_Unreal):
    """Unreal 5.1 to 5.3: Interchange imports textures, `ARFilter.class_paths`, 32-bit compressions."""

    name = "unreal5_1"
    versions = ">=5.1,<5.4"


class Unreal5(_Unreal):
    """Unreal 5.4 and later: Python 3.11."""

    name = "unreal5"
    versions = ">=5.4,<6"


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Unreal4(), Unreal50(), Unreal51(), Unreal5()]
