"""A `.meta` file's YAML: single values looked up and changed, every other byte left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bridge.api import UserError, read_text, text, write_text

SUFFIX = ".meta"
BOM = "\ufeff"
PLATFORMS = "platformSettings"
PLATFORM = "buildTarget"
"""Of the list `platformSettings`, what tells its elements apart."""

VERSION = "serializedVersion"
VERSIONS = {"textureSettings": 2}
"""Of groups whose values Unity reads by a version of their own; of 2021.3 to 6000."""

Place = tuple[str, ...]
"""Keys from the importer's own down to a value; an element of `platformSettings` goes by its platform."""
Edit = tuple[int, int, str]
"""What comes in the place of the text from the first index up to the second."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnknownSyntaxError(Exception):
    """The text isn't what Unity writes; says where, without the file's name."""


class MetaFile:
    """One `.meta` file's text."""

    def __init__(self, text: str) -> None:
        """Raises UnknownSyntaxError."""
        # libyaml counts characters from behind it.
        self._mark = BOM if text.startswith(BOM) else ""
        self.text = text.removeprefix(BOM)
        self._root = _mapping(_compose(self.text))
        self.importer = next((key for key in self._root if key.endswith("Importer")), "")
        """Unity's name for how the file is imported, for example `TextureImporter`; empty for none."""
        self._settings = _mapping(self._root[self.importer][1]) if self.importer else {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError as `read_text` does, and UnknownSyntaxError."""
        return cls(read_text(path))

    def write(self, path: Path, was: Self | None = None) -> None:
        """In one step; `was` is the file as it was read, over which alone this is to be written.

        Raises OSError, as `write_text` does.
        """
        write_text(path, self._mark + self.text, None if was is None else was._mark + was.text)

    @property
    def platforms(self) -> list[str]:
        """The platforms that have settings, `DefaultTexturePlatform` among them, in the file's order."""
        return [name for name, _ in self._platforms()]

    def value(self, place: Place) -> str | None:
        """A single value's text; None where there is none."""
        found = self._find(place)
        return found[1].value if found and isinstance(found[1], ScalarNode) else None

    def changed(self, values: Sequence[tuple[Place, str | None]]) -> Self:
        """The same file with other single values; None takes one away, and what isn't there is added.

        Raises UserError where it can't be added, and UnknownSyntaxError where it couldn't be read then.
        """
        edits = [*self._all_edits(values)]
        text = self.text
        for start, end, new in sorted(edits, key=lambda edit: edit[0], reverse=True):
            text = text[:start] + new + text[end:]
        return type(self)(self._mark + text)

    def _all_edits(self, values: Sequence[tuple[Place, str | None]]) -> Iterator[Edit]:
        """Groups that come or go once with all of their values, and the values of others one by one."""
        groups: dict[str, dict[str, str | None]] = {}
        for place, value in values:
            if len(place) == 2:
                groups.setdefault(place[0], {})[place[1]] = value
        new = {name: wanted for name, wanted in groups.items() if name not in self._settings}
        gone = {name for name, wanted in groups.items() if self._is_emptied(name, wanted)}
        for name, wanted in new.items():
            yield from self._new_group(name, wanted)
        for name in gone:
            # The end of a group itself is where the next one begins.
            last = max(node.end_mark.index for _, node in (self._around((name,)) or {}).values())
            yield self._line_start(self._settings[name][0]), self._next_line(last), ""
        for place, value in values:
            if len(place) != 2 or place[0] not in {*new, *gone}:
                yield from self._edits(place, value)

    def _new_group(self, name: str, wanted: Mapping[str, str | None]) -> Iterator[Edit]:
        lines = [f"  {key}: {value}" for key, value in wanted.items() if value is not None]
        version = [f"  {VERSION}: {VERSIONS[name]}"] if name in VERSIONS else []
        if lines:
            yield self._behind_the_first(self._settings, name, [f"{name}:", *version, *lines])

    def _is_emptied(self, name: str, wanted: Mapping[str, str | None]) -> bool:
        """Whether nothing is left of a group but its version, when `wanted` is done."""
        there = self._around((name,)) or {}
        gone = {key for key in there if key in wanted and wanted[key] is None}
        plain = all(isinstance(node, ScalarNode) for _, node in there.values())
        rest = there.keys() - gone
        return bool(gone) and plain and (not rest or (rest == {VERSION} and self._may_be_new(name)))

    def _may_be_new(self, name: str) -> bool:
        """Whether a group with a version lies where `_new_group` puts one, so that it goes with its values.

        Elsewhere its version was there before them.
        """
        before = list(self._settings).index(name)
        above = [node for _, node in self._settings.values()][1:before]
        return name in VERSIONS and before > 0 and all(isinstance(node, MappingNode) for node in above)

    def _edits(self, place: Place, value: str | None) -> Iterator[Edit]:
        found = self._find(place)
        if found is not None:
            key, node = found
            # An alias (`*a`) stands before its key: what it names would change everywhere.
            if not isinstance(node, ScalarNode) or node.start_mark.index < key.end_mark.index:
                raise UserError(
                    text(
                        "{place} holds more than one value: only Unity itself can change it.", place=place[-1]
                    )
                )
            if value is None:
                yield self._line_start(key), self._next_line(node.end_mark.index), ""
            else:
                yield self._replacement(node, value)
        elif value is not None:
            yield self._addition(place, value)

    def _replacement(self, node: Node, value: str) -> Edit:
        start, end = node.start_mark.index, node.end_mark.index
        if start < end:
            return start, end, value
        # Nothing begins right behind the colon, before the space that Unity writes all the same.
        rest = self.text[start : self._next_line(start)]
        return start, start + len(rest) - len(rest.lstrip(" ")), f" {value}"

    def _addition(self, place: Place, value: str) -> Edit:
        return self._behind_the_first(self._around(place[:-1]), place[-1], [f"{place[-1]}: {value}"])

    def _behind_the_first(
        self, around: dict[str, tuple[Node, Node]] | None, name: str, lines: Sequence[str]
    ) -> Edit:
        """Behind the first of its future neighbours, which is the place where the least can be wrong."""
        first = next(iter(around.values()), None) if around else None
        if first is None or not self._is_one_line(*first):
            raise UserError(
                text("there is no place for {name}: change any setting in Unity, and apply it.", name=name)
            )
        at = self._next_line(first[1].end_mark.index)
        ends = self.text[at - 1 : at] == "\n"
        indented = [" " * first[0].start_mark.column + line for line in lines]
        new = self._newline.join(indented)
        return at, at, f"{new}{self._newline}" if ends else f"{self._newline}{new}"

    def _is_one_line(self, key: Node, value: Node) -> bool:
        """Whether a value has its line for itself, so that another can follow."""
        before = self.text[self._line_start(key) : key.start_mark.index]
        return not before.strip(" -") and bool(value.start_mark.line == value.end_mark.line)

    def _find(self, place: Place) -> tuple[Node, Node] | None:
        return (self._around(place[:-1]) or {}).get(place[-1])

    def _around(self, place: Place) -> dict[str, tuple[Node, Node]] | None:
        """The values beside which `place` leads."""
        if not place:
            return self._settings
        if place[0] == PLATFORMS:
            return next((found for name, found in self._platforms() if name == place[1]), None)
        found = self._settings.get(place[0])
        return _mapping(found[1]) if found and isinstance(found[1], MappingNode) else None

    def _platforms(self) -> Iterator[tuple[str, dict[str, tuple[Node, Node]]]]:
        listed = self._settings.get(PLATFORMS)
        for node in listed[1].value if listed and isinstance(listed[1], SequenceNode) else ():
            settings = _mapping(node)
            if PLATFORM in settings:
                yield str(settings[PLATFORM][1].value), settings

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _line_start(self, node: Node) -> int:
        return self.text.rfind("\n", 0, node.start_mark.index) + 1

    def _next_line(self, index: int) -> int:
        return (self.text.find("\n", index) + 1) or len(self.text)


def _compose(text: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        raise UnknownSyntaxError(_in_line(error.problem_mark)) from None
    except (yaml.YAMLError, UnicodeError, RecursionError):
        raise UnknownSyntaxError(_in_line(None)) from None


def _mapping(node: Node | None) -> dict[str, tuple[Node, Node]]:
    """Keys and values of a mapping, by key. Raises UnknownSyntaxError, also where a key comes twice."""
    if not isinstance(node, MappingNode):
        raise UnknownSyntaxError("no settings" if node is None else _in_line(node.start_mark))
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise UnknownSyntaxError(_in_line(key.start_mark))
        if key.value in found:
            # Whoever merged the two may have meant the first.
            raise UnknownSyntaxError(f"{key.value} twice")
        found[key.value] = (key, value)
    return found


def _in_line(mark: yaml.Mark | None) -> str:
    where = f" in line {mark.line + 1}" if mark else ""
    return f"syntax{where} that isn't known here"
