"""`.import` files: a texture's import settings, read and changed key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.api import AnyText, UserError, is_merged, text
from bridge_godot.configfile import ConfigText
from bridge_godot.literals import Raw, Value, parse, render

PARAMS = "params"
SUFFIX = ".import"
TEXTURE = "texture"
"""The importer of what is audited."""


class ImportFile:
    """The `.import` file beside one texture."""

    def __init__(self, path: Path, config: ConfigText) -> None:
        self.path = path
        self._config = config

    @classmethod
    def of(cls, asset: Path) -> ImportFile:
        """The one of `asset`. Raises UserError where Godot hasn't imported it, or not as a texture."""
        path = asset.with_name(asset.name + SUFFIX)
        try:
            found = cls(path, ConfigText.read(path))
        except FileNotFoundError:
            raise UserError(
                text("{asset} isn't imported: open the project in Godot once.", asset=asset.name)
            ) from None
        except OSError as error:
            raise UserError(
                text("{path} can't be read: {strerror}.", path=path.name, strerror=error.strerror)
            ) from None
        if found.importer != TEXTURE:
            raise UserError(
                text(
                    "{asset} is imported as {importer}, not as a texture.",
                    asset=asset.name,
                    importer=found.importer or "nothing",
                )
            )
        return found

    @property
    def importer(self) -> str:
        return self._remap("importer")

    @property
    def uid(self) -> str:
        """Godot 4's other name for the texture, `uid://...`; empty where it has none."""
        return self._remap("uid")

    @property
    def is_merged(self) -> bool:
        """Whether version control has left two versions in it, which Godot can't read."""
        return is_merged(self._config.text)

    def problem(self) -> AnyText:
        """Why nothing may be concluded from this file, or changed in it; empty where all of it is known."""
        if (line := self._config.strange_line()) is not None:
            return text(
                "{path} has syntax in line {line} that isn't known here", path=self.path.name, line=line
            )
        if key := self._config.repeated(PARAMS):
            # Godot takes the last; whoever merged the two may have meant the first.
            return text("{path} has {key} twice", path=self.path.name, key=key)
        if self.importer not in ("", TEXTURE) or PARAMS in self._config.sections():
            return ""
        # What isn't imported at all ("keep") has none either.
        return text("{path} has no [{params}]", path=self.path.name, params=PARAMS)

    def _remap(self, key: str) -> str:
        literal = self._config.raw("remap", key)
        return str(parse(literal)) if literal else ""

    def options(self) -> dict[str, Value]:
        """All import settings, in Godot's own names and types."""
        return {name: parse(literal) for name, literal in self._config.section(PARAMS).items()}

    def change(self, options: Mapping[str, Any]) -> None:
        """Sets these options, None takes one away; everything else stays. Raises UserError."""
        if problem := self.problem():
            raise UserError(
                text("{problem}: correct it, or import the texture anew in Godot.", problem=problem)
            )
        present = self.options()
        for name, value in options.items():
            self._change(name, present.get(name), value)

    def write(self) -> None:
        """Raises UserError."""
        try:
            self._config.write(self.path)
        except OSError as error:
            raise UserError(
                text("{path} can't be written: {strerror}.", path=self.path.name, strerror=error.strerror)
            ) from None

    def _change(self, name: str, present: Value, value: Any) -> None:
        if isinstance(present, Raw):
            raise UserError(text("{name} is of a type that only Godot itself can change.", name=name))
        if value is None:
            self._config.remove(PARAMS, name)
            return
        if present is not None and not _alike(present, value):
            raise UserError(
                text(
                    "{name} is {render} here, and {value} isn't of that type.",
                    name=name,
                    render=render(present),
                    value=repr(value),
                )
            )
        # A number keeps the type that Godot wrote: to it, 1 for 1.0 is another setting.
        if isinstance(present, int | float) and not isinstance(present, bool):
            value = type(present)(value)
        try:
            self._config.set(PARAMS, name, render(value))
        except TypeError as error:
            raise UserError(f"{name}: {error}.") from None


def _alike(present: Value, value: Any) -> bool:
    if isinstance(present, bool) or isinstance(value, bool):
        return isinstance(present, bool) and isinstance(value, bool)
    if isinstance(present, int):
        return isinstance(value, int | float) and value == int(value)
    if isinstance(present, float):
        return isinstance(value, int | float)
    return isinstance(value, str)


def textures(project: Path) -> Iterator[Path]:
    """The project's textures that Godot has imported, as files, in the order of their names."""
    for found in sorted(project.rglob("*" + SUFFIX)):
        asset = found.with_name(found.name.removesuffix(SUFFIX))
        hidden = any(part.startswith(".") for part in found.relative_to(project).parts)
        if hidden or not asset.is_file():
            continue
        try:
            ImportFile.of(asset)
        except UserError:
            continue
        yield asset
