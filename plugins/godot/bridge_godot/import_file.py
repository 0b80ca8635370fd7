"""A project's textures and their `.import` files, which hold the import settings."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.api import (
    AnyText,
    ProjectFolder,
    Text,
    TextureAsset,
    UserError,
    checkout_problem,
    is_hidden,
    text,
    walk,
)
from bridge_godot.config_file import ConfigFile, Raw, Value, parse, render

RES = "res://"
SUFFIX = ".import"
PARAMS = "params"
TEXTURE = "texture"
"""The importer of textures."""
IMAGES = (".bmp", ".dds", ".exr", ".hdr", ".jpeg", ".jpg", ".ktx", ".png", ".tga", ".webp")
"""The extensions of textures in lower case. SVG files have no pixels to check."""
NOT_IMPORTED = (".dds", ".ktx")
"""Godot loads these files without importing them."""
CACHES = (".import", ".godot/imported")
"""The folders in which Godot 3 and 4 store what they imported."""
SECOND_NS = 1_000_000_000


class ImportFile:
    """The `.import` file of one texture."""

    def __init__(self, path: Path, config: ConfigFile) -> None:
        self.path = path
        self._config = config

    @classmethod
    def of(cls, asset: Path) -> ImportFile:
        """Returns the import file of `asset`. Raises UserError if Godot hasn't imported it as a texture."""
        path = asset.with_name(asset.name + SUFFIX)
        try:
            file = cls(path, ConfigFile.read(path))
        except FileNotFoundError:
            raise UserError(
                text("{asset} isn't imported: open the project in Godot once.", asset=asset.name)
            ) from None
        except OSError as error:
            raise UserError(
                text("{path} can't be read: {strerror}.", path=path.name, strerror=error.strerror)
            ) from None
        if problem := file.checkout_problem:
            raise UserError(text("{problem}.", problem=problem))
        if file.importer != TEXTURE:
            raise UserError(
                text(
                    "{asset} is imported as {importer}, not as a texture.",
                    asset=asset.name,
                    importer=file.importer or "nothing",
                )
            )
        return file

    @property
    def importer(self) -> str:
        return self._remap("importer")

    @property
    def uid(self) -> str:
        """Godot 4's id of the texture, `uid://...`; empty if it has none."""
        return self._remap("uid")

    @property
    def checkout_problem(self) -> AnyText:
        """A merge conflict or Git LFS pointer, which Godot can't read either; empty without."""
        found = checkout_problem(self._config.text)
        return found.fill(path=self.path.name) if isinstance(found, Text) else found

    def problem(self) -> AnyText:
        """Returns why the file can't be used or changed, or an empty string."""
        if problem := self.checkout_problem:
            return problem
        if (line := self._config.unknown_line()) is not None:
            return text(
                "{path} has syntax in line {line} that isn't known here", path=self.path.name, line=line
            )
        if key := self._config.duplicate_key(PARAMS):
            # Godot uses the last one, but after a merge the first may be meant.
            return text("{path} has {key} twice", path=self.path.name, key=key)
        if self.importer not in ("", TEXTURE) or PARAMS in self._config.sections():
            return ""
        # Files with the importer "keep" have no such section either.
        return text("{path} has no [{params}]", path=self.path.name, params=PARAMS)

    def options(self) -> dict[str, Value]:
        """Returns all import settings with Godot's names and types."""
        return {name: parse(literal) for name, literal in self._config.section(PARAMS).items()}

    def plain_options(self) -> dict[str, Any]:
        """Returns the same for a message: literals of other types are strings."""
        return {k: str(v) if isinstance(v, str) else v for k, v in self.options().items()}

    def change(self, options: Mapping[str, Any]) -> None:
        """Sets these options; None removes one. Raises UserError."""
        if problem := self.problem():
            raise UserError(text("{problem}: correct it, or reimport the texture in Godot.", problem=problem))
        present = self.options()
        for name, value in options.items():
            self._change(name, present.get(name), value)

    def write(self, project: Path) -> None:
        """Raises UserError, also for a link out of the project."""
        try:
            self._config.write(project, self.path.relative_to(project).as_posix())
        except OSError as error:
            raise UserError(
                text("{path} can't be written: {strerror}.", path=self.path.name, strerror=error.strerror)
            ) from None

    def _remap(self, key: str) -> str:
        literal = self._config.raw("remap", key)
        return str(parse(literal)) if literal else ""

    def _change(self, name: str, present: Value, value: Any) -> None:
        if isinstance(present, Raw):
            raise UserError(text("{name} is of a type that only Godot itself can change.", name=name))
        if value is None:
            self._config.remove(PARAMS, name)
            return
        if present is not None and not _has_same_type(present, value):
            raise UserError(
                text(
                    "{name} is {render} here, and {value} isn't of that type.",
                    name=name,
                    render=render(present),
                    value=repr(value),
                )
            )
        # Numbers keep Godot's type: to Godot, 1 is another setting than 1.0.
        if isinstance(present, int | float) and not isinstance(present, bool):
            value = type(present)(value)
        try:
            self._config.set(PARAMS, name, render(value))
        except TypeError:
            raise UserError(
                text(
                    "{name} can't be set to a value of the type {type}.",
                    name=name,
                    type=type(value).__name__,
                )
            ) from None


def _has_same_type(present: Value, value: Any) -> bool:
    if isinstance(present, bool) or isinstance(value, bool):
        return isinstance(present, bool) and isinstance(value, bool)
    if isinstance(present, int):
        return isinstance(value, int | float) and value == int(value)
    if isinstance(present, float):
        return isinstance(value, int | float)
    return isinstance(value, str)


def textures(project: Path) -> Iterator[TextureAsset]:
    """Yields the project's textures folder by folder, without files that have another importer."""
    for item in walk(project, is_ignored):
        if item.problem:
            yield TextureAsset(RES + item.file, item.file, problem=item.problem)
        elif item.file.lower().endswith(IMAGES) and (asset := texture(project, item.file)):
            yield asset


def is_ignored(folder: str, names: Collection[str]) -> bool:
    """Whether Godot ignores a folder: it is hidden, has a `.gdignore`, or is a project of its own."""
    return is_hidden(folder, names) or ".gdignore" in names or "project.godot" in names


def texture(project: Path, file: str) -> TextureAsset | None:
    """Returns one texture, or None if it has another importer. Without an import file it has no options."""
    path = project / (file + SUFFIX)
    try:
        settings = ImportFile(path, ConfigFile.read(path))
    except FileNotFoundError:
        return TextureAsset(RES + file, file, as_is=file.lower().endswith(NOT_IMPORTED))
    except OSError as error:
        return TextureAsset(
            RES + file,
            file,
            problem=text("{path} can't be read ({strerror})", path=path.name, strerror=error.strerror),
        )
    if problem := settings.problem():
        broken = bool(settings.checkout_problem)
        return TextureAsset(RES + file, file, problem=problem, broken=broken, settings=file + SUFFIX)
    if settings.importer != TEXTURE:
        return None
    return TextureAsset(RES + file, file, settings.plain_options(), settings=file + SUFFIX)


def modified_at(project: Path, file: str) -> int:
    """Returns when a texture's import file was written, in seconds since 1970; 0 if there is none."""
    try:
        return (project / (file + SUFFIX)).stat().st_mtime_ns // SECOND_NS
    except (OSError, ValueError):
        return 0


def invalidate_import(project: Path, file: str, modified_before: int) -> None:
    """Makes Godot reimport a texture when it opens the project.

    `modified_before` is what `modified_at` returned before the settings were changed. Godot compares whole
    seconds, so a change in the second of the import would be missed. And it stores a digest of the texture,
    not of the settings. Raises UserError if that is behind a link out of the project.
    """
    digest = hashlib.md5((RES + file).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    name = f"{file.rpartition('/')[2]}-{digest}.md5"
    with contextlib.suppress(OSError), ProjectFolder(project) as folder:
        if modified_at(project, file) <= modified_before:
            with contextlib.suppress(OSError):
                folder.set_modified(file + SUFFIX, (modified_before + 1) * SECOND_NS)
        for cache in CACHES:
            if (project / cache / name).exists():
                folder.remove(f"{cache}/{name}")
