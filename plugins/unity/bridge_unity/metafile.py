"""Reads and changes single values in the YAML of a `.meta` file; every other byte stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bridge.api import AnyText, ProjectFolder, Text, UserError, checkout_problem, read_text, text

SUFFIX = ".meta"
BOM = "\ufeff"
PLATFORMS = "platformSettings"
OLD_PLATFORMS = "buildTargetSettings"
"""Up to Unity 5.4."""
PLATFORM = "buildTarget"
"""The key that identifies the elements of `platformSettings`."""

VERSION = "serializedVersion"
GROUP_VERSIONS = {"textureSettings": 2}
"""Versions of groups that have their own, in Unity 2021.3 to 6000."""

Place = tuple[str, ...]
"""Keys from the importer's level down to a value; `platformSettings` is keyed by platform."""
Edit = tuple[int, int, str]
"""Start, end, and the text that replaces what is between."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnknownSyntaxError(Exception):
    """The text isn't what Unity writes. `text` says where; its `path` is the file's name."""

    def __init__(self, text: AnyText) -> None:
        super().__init__(text)
        self.text = text if isinstance(text, Text) else Text(text)


class CheckoutError(UnknownSyntaxError):
    """The text is a merge conflict or a Git LFS pointer; `text` has the remedy."""


class MetaFile:
    """The text of one `.meta` file."""

    def __init__(self, text: str) -> None:
        """Raises UnknownSyntaxError; CheckoutError for what version control left."""
        if problem := checkout_problem(text.removeprefix(BOM)):
            raise CheckoutError(problem)
        # libyaml counts characters from after the mark.
        self._mark = BOM if text.startswith(BOM) else ""
        self.text = text.removeprefix(BOM)
        self._root = _mapping(_compose(self.text))
        self.importer = next((key for key in self._root if key.endswith("Importer")), "")
        """Unity's importer of the file, such as `TextureImporter`; empty if there is none."""
        self._settings = _mapping(self._root[self.importer][1]) if self.importer else {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError as `read_text` does, and UnknownSyntaxError."""
        return cls(read_text(path))

    def write(self, project: Path, file: str, was: Self) -> None:
        """Writes a project's file atomically, only over the contents of `was`.

        Raises OSError and UserError as `ProjectFolder.write_text` does.
        """
        with ProjectFolder(project) as folder:
            folder.write_text(file, self._mark + self.text, was._mark + was.text)

    @property
    def platforms(self) -> list[str]:
        """The platforms that have settings, `DefaultTexturePlatform` included, in the file's order."""
        return [name for name, _ in self._platforms()]

    def value(self, place: Place) -> str | None:
        """Returns the text of a single value; None if there is none."""
        found = self._find(place)
        return found[1].value if found and isinstance(found[1], ScalarNode) else None

    def changed(self, values: Sequence[tuple[Place, str | None]]) -> Self:
        """Returns a copy with single values replaced or added; None removes a value.

        Raises UserError if a value can't be added, and UnknownSyntaxError if the result would be unreadable.
        """
        edits = [*self._all_edits(values)]
        text = self.text
        for start, end, new in sorted(edits, key=lambda edit: edit[0], reverse=True):
            text = text[:start] + new + text[end:]
        return type(self)(self._mark + text)

    def _all_edits(self, values: Sequence[tuple[Place, str | None]]) -> Iterator[Edit]:
        """Yields edits that add or remove whole groups, and edits of single values in other groups."""
        groups: dict[str, dict[str, str | None]] = {}
        for place, value in values:
            if len(place) == 2:
                groups.setdefault(place[0], {})[place[1]] = value
        added = {name: changes for name, changes in groups.items() if name not in self._settings}
        removed = {name for name, changes in groups.items() if self._is_emptied(name, changes)}
        for name, changes in added.items():
            yield from self._new_group(name, changes)
        for name in removed:
            # The end mark of a group is the start of the next one.
            last = max(node.end_mark.index for _, node in (self._group((name,)) or {}).values())
            yield self._line_start(self._settings[name][0]), self._next_line(last), ""
        for place, value in values:
            if len(place) != 2 or place[0] not in {*added, *removed}:
                yield from self._edits(place, value)

    def _new_group(self, name: str, changes: Mapping[str, str | None]) -> Iterator[Edit]:
        lines = [f"  {key}: {value}" for key, value in changes.items() if value is not None]
        version = [f"  {VERSION}: {GROUP_VERSIONS[name]}"] if name in GROUP_VERSIONS else []
        if lines:
            yield self._insertion(self._settings, name, [f"{name}:", *version, *lines])

    def _is_emptied(self, name: str, changes: Mapping[str, str | None]) -> bool:
        """Whether `changes` leave nothing of a group except its version."""
        present = self._group((name,)) or {}
        removed = {key for key in present if key in changes and changes[key] is None}
        scalars = all(isinstance(node, ScalarNode) for _, node in present.values())
        rest = present.keys() - removed
        return bool(removed) and scalars and (not rest or (rest == {VERSION} and self._may_be_added(name)))

    def _may_be_added(self, name: str) -> bool:
        """Whether a group is where `_new_group` adds one, so that its version is removed with its values.

        Elsewhere, the version was there before the values.
        """
        index = list(self._settings).index(name)
        between = [node for _, node in self._settings.values()][1:index]
        return name in GROUP_VERSIONS and index > 0 and all(isinstance(node, MappingNode) for node in between)

    def _edits(self, place: Place, value: str | None) -> Iterator[Edit]:
        found = self._find(place)
        if found is not None:
            key, node = found
            # An alias (`*a`) is marked before its key; changing its anchor would change other values too.
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
            yield self._insertion(self._group(place[:-1]), place[-1], [f"{place[-1]}: {value}"])

    def _replacement(self, node: Node, value: str) -> Edit:
        start, end = node.start_mark.index, node.end_mark.index
        if start < end:
            return start, end, value
        # An empty value starts right after the colon, before the space that Unity writes.
        rest = self.text[start : self._next_line(start)]
        return start, start + len(rest) - len(rest.lstrip(" ")), f" {value}"

    def _insertion(self, group: dict[str, tuple[Node, Node]] | None, name: str, lines: Sequence[str]) -> Edit:
        """Returns an edit that adds lines after the group's first value, where the least can go wrong."""
        first = next(iter(group.values()), None) if group else None
        if first is None or not self._is_one_line(*first):
            raise UserError(
                text("there is no place for {name}: change any setting in Unity, and apply it.", name=name)
            )
        at = self._next_line(first[1].end_mark.index)
        complete = self.text[at - 1 : at] == "\n"
        indented = [" " * first[0].start_mark.column + line for line in lines]
        new = self._newline.join(indented)
        return at, at, f"{new}{self._newline}" if complete else f"{self._newline}{new}"

    def _is_one_line(self, key: Node, value: Node) -> bool:
        """Whether a value is alone on its line, so that another can follow."""
        before = self.text[self._line_start(key) : key.start_mark.index]
        return not before.strip(" -") and bool(value.start_mark.line == value.end_mark.line)

    def _find(self, place: Place) -> tuple[Node, Node] | None:
        return (self._group(place[:-1]) or {}).get(place[-1])

    def _group(self, place: Place) -> dict[str, tuple[Node, Node]] | None:
        """Returns the keys and values of the mapping at `place`."""
        if not place:
            return self._settings
        if place[0] == PLATFORMS:
            return next((found for name, found in self._platforms() if name == place[1]), None)
        found = self._settings.get(place[0])
        return _mapping(found[1]) if found and isinstance(found[1], MappingNode) else None

    def _platforms(self) -> Iterator[tuple[str, dict[str, tuple[Node, Node]]]]:
        listed = self._settings.get(PLATFORMS) or self._settings.get(OLD_PLATFORMS)
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
    """Returns the key and value nodes of a mapping. Raises UnknownSyntaxError, also for a repeated key."""
    if not isinstance(node, MappingNode):
        raise UnknownSyntaxError(
            text("{path} has no settings") if node is None else _in_line(node.start_mark)
        )
    found: dict[str, tuple[Node, Node]] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            raise UnknownSyntaxError(_in_line(key.start_mark))
        if key.value in found:
            # After a merge, either may be the intended one.
            raise UnknownSyntaxError(text("{path} has {key} twice", key=key.value))
        found[key.value] = (key, value)
    return found


def _in_line(mark: yaml.Mark | None) -> Text:
    if mark is None:
        return text("{path} has syntax that isn't known here")
    return text("{path} has syntax in line {line} that isn't known here", line=mark.line + 1)
