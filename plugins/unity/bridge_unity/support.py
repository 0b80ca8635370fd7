"""Unity's projects on this machine, without an editor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.api import Kind, TextureAsset, UserError, file_error
from bridge_unity import assets, projects
from bridge_unity.uses import uses


class UnityProjects:
    """Reads projects and packages of every supported version: their files differ in single keys alone."""

    def project_version(self, project: Path) -> str | None:
        return projects.version(project)

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        return assets.textures(project)

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        return assets.texture(project, file)

    def uses(self, project: Path) -> Mapping[str, Sequence[Kind]]:
        return uses(project)

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        before, after, errors = [], [], []
        names = projects.Names(project)
        for change in changes:
            path = str(change.get("path"))
            try:
                were, are, left = assets.change(project, names, path, change)
            except UserError as error:
                errors.append(file_error(path, error.text))
                continue
            errors += [file_error(path, message) for message in left]
            if are or not left:
                before.append({"path": path, "options": were})
                after.append({"path": path, "options": are})
        return {"before": before, "after": after, "errors": errors}
