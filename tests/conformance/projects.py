"""Projects of simulated editors: the engine's own files where PopBridge reads them, else in memory."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from bridge.api import Adapter, EditorSupport, ProjectSupport, UserError
from tests.unity.projects import imported, meta

FUTURE = "popbridgeTest/newInAFutureVersion"
"""A setting of an engine that is newer than all that the adapters know."""


class Project(Protocol):
    """The textures of one project, by the engine's names for them."""

    root: Path
    files: Mapping[str, str]
    """Each texture's file below `root`, by the engine's name for it."""

    def options(self, path: str) -> dict[str, Any]:
        """The import settings as they are now."""

    def write(self, path: str, options: Mapping[str, Any]) -> str:
        """Sets options, or removes those that are None; why the engine's files don't allow it, or nothing."""

    def snapshot(self, path: str) -> object:
        """All that there is of the texture's settings, to be compared."""

    def has_future_setting(self, path: str) -> bool:
        """Whether the setting that nobody knows is still there."""


class SettingsInMemory:
    """As of Unreal, whose settings are in `.uasset` files."""

    def __init__(self, root: Path, files: Mapping[str, str], defaults: Mapping[str, Any]) -> None:
        self.root, self.files = root, files
        self._options: dict[str, dict[str, Any]] = {path: {**defaults, FUTURE: 7} for path in files}

    def options(self, path: str) -> dict[str, Any]:
        return dict(self._options[path])

    def write(self, path: str, options: Mapping[str, Any]) -> str:
        changed = self._options[path] | options
        self._options[path] = {name: value for name, value in changed.items() if value is not None}
        return ""

    def snapshot(self, path: str) -> object:
        return self.options(path)

    def has_future_setting(self, path: str) -> bool:
        return self._options[path].get(FUTURE) == 7


class SettingsInFiles:
    """As of Godot and Unity, which keep a texture's settings in a file beside it."""

    def __init__(self, root: Path, files: Mapping[str, str], support: ProjectSupport, suffix: str) -> None:
        self.root, self.files = root, files
        self._support, self._suffix = support, suffix

    def options(self, path: str) -> dict[str, Any]:
        texture = self._support.texture(self.root, self.files[path])
        assert texture is not None and texture.options is not None and texture.path == path
        return dict(texture.options)

    def write(self, path: str, options: Mapping[str, Any]) -> str:
        try:
            done = self._support.apply(self.root, [{"path": path, "options": options}])
        except UserError as error:
            return str(error)
        return " ".join(str(error["message"]) for error in done["errors"])

    def snapshot(self, path: str) -> object:
        return (self.root / f"{self.files[path]}{self._suffix}").read_bytes()

    def has_future_setting(self, path: str) -> bool:
        return FUTURE.encode() in (self.root / f"{self.files[path]}{self._suffix}").read_bytes()


def create(adapter: Adapter, version: str, root: Path, pictures: Mapping[str, Path]) -> Project:
    """A project of this engine version with `pictures` by their names, all imported with its defaults."""
    defaults = default_options(adapter, version)
    if adapter.engine == "unity":
        return _unity(adapter, version, root, pictures)
    if adapter.engine == "unreal":
        files = {f"/Game/{name}.{PurePosixPath(name).name}": f"SourceArt/{name}.png" for name in pictures}
        _copy(root, {f"SourceArt/{name}.png": picture for name, picture in pictures.items()})
        (root / "Game.uproject").write_text('{"FileVersion": 3}\n', encoding="utf-8")
        return SettingsInMemory(root, files, defaults)
    editor: EditorSupport | None = adapter.editor
    assert editor is not None
    names = {f"{name}.png": picture for name, picture in pictures.items()}
    _copy(root, names)
    editor.create_project(root, {name: {**defaults, FUTURE: 7} for name in names})
    files = {texture.path: texture.file for texture in editor.textures(root)}
    return SettingsInFiles(root, files, editor, ".import")


def default_options(adapter: Adapter, version: str) -> Mapping[str, Any]:
    """The options of a new texture; of a version that is newer than all known ones, those of the newest."""
    parsed = adapter.scheme.parse(version)
    known = [own for one, own in adapter.default_options.items() if adapter.scheme.parse(one) <= parsed]
    return known[-1] if known else {}


def _unity(adapter: Adapter, version: str, root: Path, pictures: Mapping[str, Path]) -> Project:
    layout = {"2021": "2021.3.45f1", "2022": "2022.3.62f1"}.get(version[:4], "6000.0.76f1")
    (root / "ProjectSettings").mkdir(parents=True)
    named = f"m_EditorVersion: {version}\n"
    (root / "ProjectSettings/ProjectVersion.txt").write_text(named, encoding="utf-8")
    files = {f"Assets/{name}.png": picture for name, picture in pictures.items()}
    _copy(root, files)
    future = {"  userData:": f"  {FUTURE}: 7\n  userData:"}
    for file in files:
        imported(root, file, meta(file, layout, future))
    assert adapter.project is not None
    return SettingsInFiles(root, {file: file for file in files}, adapter.project, ".meta")


def _copy(root: Path, pictures: Mapping[str, Path]) -> None:
    for file, picture in pictures.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, root / file)
