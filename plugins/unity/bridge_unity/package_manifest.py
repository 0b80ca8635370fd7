"""Edits the dependencies in `Packages/manifest.json`; everything else keeps its order and formatting."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from bridge.api import is_merged

FILE = "Packages/manifest.json"
DEPENDENCIES = "dependencies"

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"(?:\s|//[^\n]*(?=\n|\Z)|/\*.*?\*/)*", re.DOTALL)
"""White space and comments. Unity writes none, but people do, and some versions read them."""
_SCALAR = re.compile(r"(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])")
_CLOSING = {"{": "}", "[": "]"}
_MAX_DEPTH = 64


class _Member(NamedTuple):
    """Where a member of an object stands in the text."""

    key: str
    start: int
    """Of the key."""
    value: int
    end: int
    """Of the value."""


class MergeConflict(ValueError):
    """The file has the marks of a merge conflict."""


class PackageManifest:
    """A `manifest.json` as text. Raises ValueError, also for JSON of another shape."""

    def __init__(self, content: bytes) -> None:
        self._mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        self._text = content[len(self._mark) :].decode("utf-8")
        if is_merged(self._text):
            raise MergeConflict
        at = _skip(self._text, 0)
        if self._text[at : at + 1] != "{" or _skip(self._text, _end(self._text, at)) != len(self._text):
            raise ValueError("it isn't a JSON object")
        for member in self._dependencies()[1]:
            if self._text[member.value] != '"':
                raise ValueError(f"the version of {member.key} isn't a text")

    @property
    def content(self) -> bytes:
        return self._mark + self._text.encode("utf-8")

    def get(self, name: str) -> str | None:
        """Returns the version of a package: a number, an URL or `file:` and a path. None without one."""
        # Unity's parser takes the last of several.
        found = [member for member in self._dependencies()[1] if member.key == name]
        return str(_DECODER.raw_decode(self._text, found[-1].value)[0]) if found else None

    def set(self, name: str, version: str) -> None:
        """Sets a package's version; a new one is inserted by its name if the packages are sorted."""
        value = json.dumps(version, ensure_ascii=False)
        place, members = self._dependencies()
        if old := [member for member in members if member.key == name]:
            self._replace(old[-1].value, old[-1].end, value)
            return
        entry = f"{json.dumps(name, ensure_ascii=False)}: {value}"
        line = "\r\n" if "\r\n" in self._text else "\n"
        indent = self._indent()
        if place is None:
            inside = f"{line}{indent * 2}{entry}{line}{indent}" if indent else entry
            root = list(_members(self._text, _skip(self._text, 0)))
            at = root[-1].end if root else self._text.index("{") + 1
            before = (line + indent) if indent else " " if root else ""
            self._replace(at, at, f'{"," if root else ""}{before}"{DEPENDENCIES}": {{{inside}}}')
        elif not members:
            at = _skip(self._text, place + 1)
            self._replace(place + 1, at, f"{line}{indent * 2}{entry}{line}{indent}" if indent else entry)
        else:
            keys = [member.key for member in members]
            index = next((i for i, key in enumerate(keys) if key > name), -1) if keys == sorted(keys) else -1
            if index < 0:
                last = members[-1]
                self._replace(last.end, last.end, f",{self._gap(last.start)}{entry}")
            else:
                at = members[index].start
                self._replace(at, at, f"{entry},{self._gap(at)}")

    def remove(self, name: str) -> None:
        """Removes a package; undoes `set` to the byte if it was new and others are there."""
        while True:
            place, members = self._dependencies()
            index = next((i for i, member in enumerate(members) if member.key == name), -1)
            if place is None or index < 0:
                return
            start, _, _, end = members[index][1], *members[index][1:]
            if index + 1 < len(members):
                comma = self._text.index(",", _skip(self._text, end)) + 1
                # A comment after the entry stays.
                space = re.compile(r"\s*").match(self._text, comma)
                self._replace(start, space.end() if space else comma, "")
            elif index:
                comma = _skip(self._text, members[index - 1].end)
                between = self._text[comma + 1 : start]
                self._replace(comma, end, between.rstrip() if between.strip() else "")
            else:
                inside = self._text[place + 1 : _end(self._text, place) - 1]
                kept = inside.replace(self._text[start:end], "", 1)
                comma = kept.find(",") if not kept.strip().strip(",") else -1
                kept = kept.replace(",", "", 1) if comma >= 0 else kept
                self._replace(place + 1, place + 1 + len(inside), kept if kept.strip() else "")

    def _dependencies(self) -> tuple[int | None, list[_Member]]:
        """Returns where the object begins, or None, and its members. Raises ValueError."""
        found = [m for m in _members(self._text, _skip(self._text, 0)) if m.key == DEPENDENCIES]
        if not found:
            return None, []
        place = found[-1].value
        if self._text[place] != "{":
            raise ValueError(f"{DEPENDENCIES} isn't an object")
        return place, list(_members(self._text, place))

    def _gap(self, start: int) -> str:
        """Returns the line break and indentation before a member, or a space if it doesn't begin a line."""
        line = self._text.rfind("\n", 0, start)
        before = self._text[line + 1 : start]
        if line < 0 or before.strip():
            return " "
        return ("\r\n" if self._text[line - 1 : line] == "\r" else "\n") + before

    def _indent(self) -> str:
        """Returns the white space of one level; empty if everything is on one line."""
        found = re.search(r'\{\r?\n([ \t]+)"', self._text)
        return found[1] if found else ""

    def _replace(self, start: int, end: int, new: str) -> None:
        self._text = self._text[:start] + new + self._text[end:]


def _members(text: str, at: int) -> Iterator[_Member]:
    """Yields the members of the object at this place, of which `_end` has been found."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, after = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, after) + 1)
        end = _end(text, value)
        yield _Member(key, at, value, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _end(text: str, at: int, depth: int = 0) -> int:
    """Returns where the value at this place ends. Raises ValueError if it isn't one."""
    mark = text[at : at + 1]
    if mark == '"':
        return int(_DECODER.raw_decode(text, at)[1])
    if mark not in _CLOSING:
        found = _SCALAR.match(text, at)
        if found is None:
            raise _unexpected(text, at)
        return found.end()
    if depth == _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    at = _skip(text, at + 1)
    while text[at : at + 1] != _CLOSING[mark]:
        if mark == "{":
            if text[at : at + 1] != '"':
                raise _unexpected(text, at)
            at = _skip(text, int(_DECODER.raw_decode(text, at)[1]))
            if text[at : at + 1] != ":":
                raise _unexpected(text, at)
            at = _skip(text, at + 1)
        at = _skip(text, _end(text, at, depth + 1))
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != _CLOSING[mark]:
            raise _unexpected(text, at)
    return at + 1


def _unexpected(text: str, at: int) -> ValueError:
    return json.JSONDecodeError("unexpected text", text, min(at, len(text)))


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
