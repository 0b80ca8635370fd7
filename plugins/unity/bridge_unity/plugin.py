"""The adapters for Unity 2021.3, 2022.1 to 2023, 6000.0 to 6000.2, and 6000.3 and later; the entry point."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.version import Version

from bridge.api import (
    Adapter,
    Addon,
    AddonInstaller,
    BatchEditor,
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
    file_error,
    hookimpl,
)
from bridge_unity import assets, gpu_memory, labels, projects, texture_intent
from bridge_unity.batch import UnityBatch
from bridge_unity.default_options import DEFAULT_OPTIONS
from bridge_unity.importer_settings import platform_options
from bridge_unity.remarks import remarks
from bridge_unity.support import UnityInstaller, addon
from bridge_unity.usage import texture_usage
from bridge_unity.versions import SCHEME, UNITY6, UNITY6_3, UNITY2021, UNITY2022, UnityVersion


class UnityProjects:
    """Reads and changes projects and packages without an editor.

    Versions differ only in single keys and values of their files, so one class serves all of them.
    """

    def __init__(self, version: UnityVersion = UNITY6_3) -> None:
        self._version = version

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
            wanted = change.get("options") or {}
            refused = [found for name in wanted if (found := self._version.refusal(name, wanted[name]))]
            if refused:
                errors.append(file_error(path, refused[0]))
                continue
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
    default_options = DEFAULT_OPTIONS
    srgb_kinds = frozenset({"specular"})
    """Specular maps are colours in Unity's shaders; metallic maps are sRGB too, like the slider."""
    resizes = True
    """Textures other than sprites are resized unless `npotScale` is None."""
    can_flip_green: bool
    unity: UnityVersion
    words: Mapping[str, labels.Option]

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
        return chain(remarks(options, facts, used_as), self.unity.remarks(options))

    def option_labels(self, version: Version, locale: str) -> Mapping[str, OptionLabel]:
        return labels.option_labels(self.words, locale)

    @property
    def project(self) -> ProjectSupport:
        return UnityProjects(self.unity)

    @property
    def installer(self) -> AddonInstaller:
        return UnityInstaller()

    @property
    def batch_editor(self) -> BatchEditor:
        return UnityBatch()

    @cached_property
    def addon(self) -> Addon | None:
        return addon()


class Unity2021(_Unity):
    """Unity 2021.3, which has no setting to flip a normal map's green channel."""

    name = "unity2021"
    versions = ">=2021.3,<2022.1"
    older_versions = ">=5.0,<2021.3"
    texture_fields = texture_intent.FIELDS - texture_intent.SINCE_2022
    can_flip_green = False
    unity = UNITY2021
    words = labels.UNITY2021


class Unity2022(_Unity):
    """Unity 2022.1 to 2023: `flipGreenChannel` and `swizzle`; from 2022.2 on, limits of mipmaps."""

    name = "unity2022"
    versions = ">=2022.1,<6000.0"
    texture_fields = texture_intent.FIELDS | {texture_intent.GREEN}
    can_flip_green = True
    unity = UNITY2022
    words = labels.UNITY2022


class Unity6(_Unity):
    """Unity 6000.0 to 6000.2: signed formats, other labels, Switch 2."""

    name = "unity6"
    versions = ">=6000.0,<6000.3"
    texture_fields = texture_intent.FIELDS | {texture_intent.GREEN}
    can_flip_green = True
    unity = UNITY6
    words = labels.UNITY6


class Unity6_3(_Unity):
    """Unity 6000.3 to 6000.7: PVRTC is obsolete. Also for Unity 7 (7000.0), which was 6.8 before."""

    name = "unity6_3"
    versions = ">=6000.3,<6000.8"
    texture_fields = texture_intent.FIELDS | {texture_intent.GREEN}
    can_flip_green = True
    unity = UNITY6_3
    words = labels.UNITY6


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Unity2021(), Unity2022(), Unity6(), Unity6_3()]
