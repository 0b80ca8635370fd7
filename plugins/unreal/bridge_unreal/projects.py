"""Reads Unreal projects without the editor; only the editor changes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.api import TextureAsset, TextureUses, UserError, text
from bridge_unreal import assets, engines


class UnrealProjects:
    """Reads a project's textures from the headers of its assets, its source art and its configuration."""

    def project_version(self, project: Path) -> str | None:
        return engines.project_version(project)

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return assets.textures(project)

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        return assets.texture(file)

    def uses(self, project: Path) -> Mapping[str, TextureUses]:
        return {}

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        raise needs_editor()


def needs_editor() -> UserError:
    """Returns the error for what only the editor can do."""
    return UserError(text("Unreal's textures can be changed in its editor only. Open the project there."))
