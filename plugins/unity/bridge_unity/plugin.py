"""The adapters for Unity 2021.3 and for Unity 2022.1 and later; the plugin's entry point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.version import Version

from bridge.api import (
    Adapter,
    Addon,
    AddonInstaller,
    GpuFormat,
    ImageFacts,
    Kind,
    OptionLabel,
    Platform,
    ProjectSupport,
    Remark,
    TextureAsset,
    TextureIntent,
    TextureUses,
    UserError,
    VersionScheme,
    file_error,
    hookimpl,
)
from bridge_unity import assets, gpu_memory, projects, texture_intent
from bridge_unity.importer_settings import platform_options
from bridge_unity.labels import LABELS
from bridge_unity.remarks import remarks
from bridge_unity.support import UnityInstaller, addon
from bridge_unity.usage import texture_usage

# f and p are releases (f1 < f2 < p1), which PEP 440 can only express as post-releases.
SCHEME = VersionScheme(engine="unity", stages={"a": "a", "b": "b", "f": ".post", "p": ".post1000"})
"""Unity's version strings, such as `2022.3.62f1` or `6000.5.0b4`: alpha < beta < final < patch."""


class UnityProjects:
    """Reads and changes projects and packages without an editor.

    Versions differ only in single keys of their files, so one class serves all of them.
    """

    def project_version(self, project: Path) -> str | None:
        return projects.version(project)

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return assets.textures(project)

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        return assets.texture(project, file)

    def uses(self, project: Path) -> Mapping[str, TextureUses]:
        return texture_usage(project)

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        before, after = [], []
        errors: list[dict[str, Any]] = []
        names = projects.AssetPaths(project)
        for change in changes:
            path = str(change.get("path"))
            try:
                old, new, rejected = assets.change(project, names, path, change)
            except UserError as error:
                errors.append(file_error(path, error.text))
                continue
            errors += [file_error(path, message) for message in rejected]
            if new or not rejected:
                before.append({"path": path, "options": old})
                after.append({"path": path, "options": new})
        return {"before": before, "after": after, "errors": errors}


class _Unity(Adapter):
    """What all versions have in common."""

    engine = "unity"
    scheme = SCHEME
    srgb_kinds = frozenset({"specular"})
    """Specular maps are colours in Unity's shaders; metallic maps are sRGB too, like the slider."""
    resizes = True
    """Textures other than sprites are resized unless `npotScale` is None."""
    can_flip_green: bool

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return texture_intent.compile_intent(intent, present, can_flip_green=self.can_flip_green)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return texture_intent.read_intent(options, can_flip_green=self.can_flip_green)

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return texture_intent.expressible(intent, can_flip_green=self.can_flip_green)

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        return gpu_memory.gpu_format(intent, facts, platform)

    def gpu_memory(
        self, options: Mapping[str, Any], facts: ImageFacts, platform: Platform, version: Version
    ) -> int | None:
        return gpu_memory.gpu_memory(options, facts, platform)

    def platform_options(
        self, options: Mapping[str, Any], version: Version
    ) -> Mapping[str, Mapping[str, Any]]:
        return platform_options(options)

    def remarks(
        self, options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind], version: Version
    ) -> Iterable[Remark]:
        return remarks(options, facts, used_as)

    def option_labels(self, version: Version, locale: str) -> Mapping[str, OptionLabel]:
        return LABELS

    @property
    def project(self) -> ProjectSupport:
        return UnityProjects()

    @property
    def installer(self) -> AddonInstaller:
        return UnityInstaller()

    @cached_property
    def addon(self) -> Addon | None:
        return addon()


class Unity2021(_Unity):
    """Unity 2021.3, which has no setting to flip a normal map's green channel."""

    name = "unity2021"
    versions = ">=2021.3,<2022.1"
    older_versions = ">=5.0,<2021.3"
    texture_fields = texture_intent.FIELDS
    can_flip_green = False


class Unity2022(_Unity):
    """Unity 2022.1 and later, Unity 6 (6000) included."""

    name = "unity2022"
    versions = ">=2022.1,<6001"
    texture_fields = texture_intent.FIELDS | {texture_intent.GREEN}
    can_flip_green = True


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Unity2021(), Unity2022()]
