"""A project's files together with what its editor has read of its textures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast, get_args

from msgspec.structs import replace

from accel.text import text
from bridge.api import EditorReport, EditorTexture, ProjectSupport, TextureAsset, TextureUse, TextureUses
from bridge.core.errors import UserError
from bridge.core.textures import NO_USES, Kind

KINDS = frozenset(get_args(Kind))
EDITOR_ONLY = text("only the engine's editor can change them")
"""Completes the notice about settings that are read but not changed."""


class EditorTextures(ProjectSupport):
    """Adds settings, uses and textures of an editor's report to those of a project's files.

    Settings that the editor tells replace those of files, which may lack defaults.
    """

    def __init__(
        self, support: ProjectSupport | None, root: Path, report: EditorReport, pictures: Path
    ) -> None:
        """`pictures` is the folder of the report's images, which must stay as long as this is used."""
        self._support = support
        self._root = root
        self._pictures = pictures
        self.version = report.engine
        self.platform = report.platform
        self._by_path = {each.path: each for each in report.textures}
        self._by_image: dict[str, list[EditorTexture]] = {}
        for each in report.textures:
            if each.file:
                self._by_image.setdefault(each.file, []).append(each)
        self.known: dict[str, EditorTexture] = {}
        """What the editor knows by `TextureAsset.file`; complete once `textures` has yielded all."""
        self.images: dict[str, Path] = {}
        """The images of textures whose own file isn't one."""

    def project_version(self, project: Path) -> str | None:
        return self._support.project_version(project) if self._support else None

    def textures(self, project: Path) -> Iterator[TextureAsset]:
        taken: set[str] = set()
        for asset in self._support.textures(project) if self._support else ():
            found = self._by_path.get(asset.path)
            if found is None and asset.options is None:
                # Engines whose files name only images.
                found = next(iter(self._by_image.get(asset.file, ())), None)
            if asset.gone:
                yield from self._present(asset, found, taken)
                continue
            if found is not None:
                taken.add(found.path)
                self.known[asset.file] = found
                asset = _merged(asset, found)
            yield asset
        for found in self._by_path.values():
            if found.path not in taken and found.options is not None and (file := self._place(found)):
                self.known[file] = found
                yield _merged(TextureAsset(found.path, file), found)

    def _present(
        self, asset: TextureAsset, found: EditorTexture | None, taken: set[str]
    ) -> Iterator[TextureAsset]:
        """Yields what is left to say of a texture that the files tell without pixels."""
        if found is not None and (file := self._place(found)):
            taken.add(found.path)
            self.known[file] = found
            yield replace(_merged(asset, found), file=file, gone=False, header_only="")
        # Of a whole folder: that its textures couldn't be checked without the editor.
        elif not (self._root / asset.file).is_dir():
            yield asset

    def texture(self, project: Path, file: str) -> TextureAsset | None:
        asset = self._support.texture(project, file) if self._support else None
        found = self.known.get(file)
        if found is None:
            return asset
        return _merged(asset or TextureAsset(found.path, file), found)

    def uses(self, project: Path) -> Mapping[str, TextureUses]:
        merged = {}
        for file, uses in (self._support.uses(project) if self._support else {}).items():
            # Plugins for 0.1.0 return lists of kinds.
            if not isinstance(uses, TextureUses):
                uses = TextureUses(tuple(TextureUse(kinds=(kind,)) for kind in uses))
            merged[file] = uses
        for file, found in self.known.items():
            present = merged.get(file, NO_USES)
            slots = {use.slot for use in present.uses}
            new = [
                TextureUse(kinds=(cast(Kind, each.kind),) if each.kind in KINDS else (), slot=each.slot)
                for each in found.used_as
                # What the project's files say of a slot is more precise.
                if each.slot not in slots
            ]
            if new:
                merged[file] = replace(present, uses=(*present.uses, *dict.fromkeys(new)))
        return merged

    def apply(self, project: Path, changes: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        if self._support is None:
            raise UserError(text("Only the editor changes these textures: open the project there."))
        return self._support.apply(project, changes)

    def _place(self, found: EditorTexture) -> str:
        """Returns the file of a texture that the project's files don't tell; empty without an image."""
        image = self._root / found.file if _is_below(self._root, found.file) else None
        name = found.picture
        if image is None and name and name == os.path.basename(name) and (self._pictures / name).is_file():
            image = self._pictures / name
        if image is None:
            return ""
        file = found.asset if _is_below(self._root, found.asset) else found.file
        if file and self._root / file != image:
            self.images[file] = image
        return file if file not in self.known else ""


def _is_below(root: Path, file: str) -> bool:
    """Whether `file` is a relative path to a file, without `..`; a report may have anything."""
    path = PurePosixPath(file)
    odd = not file or path.is_absolute() or ".." in path.parts or not {"\0", "\\", ":"}.isdisjoint(file)
    return not odd and (root / file).is_file()


def _merged(asset: TextureAsset, found: EditorTexture) -> TextureAsset:
    if found.options is None:
        return asset
    return replace(
        asset,
        path=found.path,
        options=found.options,
        problem="",
        broken=False,
        as_is=False,
        read_only=asset.read_only or EDITOR_ONLY,
    )
