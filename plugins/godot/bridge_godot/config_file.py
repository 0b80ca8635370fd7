"""Godot's ConfigFile format (`project.godot`, `*.import`): literals, and edits that touch nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bridge.api import ProjectFolder, read_text

_SECTION = re.compile(r"\[([^\]\r\n]*)\][ \t]*(?:\r\n|\r|\n|$)")
_KEY = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\s;\["=](?:[^\r\n="]*[^ \t\r\n="])?))[ \t]*=')
_BLANK_LINE = r"[ \t]*(?:;[^\r\n]*)?(?:\r\n|\r|\n|$)"
_BLANK = re.compile(rf"(?:{_BLANK_LINE})*")
"""Empty lines and comments."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_SIMPLE = re.compile(r'[^"()\[\]{}\r\n]*(?=[\r\n]|\Z)')
"""Most literals have no brackets and quotes."""
_OPENING, _CLOSING = "([{", ")]}"

_INT = re.compile(r"-?\d{1,19}\Z", re.ASCII)
_FLOAT = re.compile(r"-?(?:\d+\.\d*|\.\d+|\d+(?:\.\d*)?[eE][+-]?\d+|\d+\.\d*[eE][+-]?\d+)\Z", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"\Z', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{6})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}
_WORDS: dict[str, bool | float | None] = {
    "true": True,
    "false": False,
    "null": None,
    "nil": None,
    "inf": math.inf,
    "inf_neg": -math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}

MAX_INT = 2**63 - 1
"""The largest integer of Godot and of MessagePack."""

Value = bool | int | float | str | None


class Raw(str):
    """A literal of another type, as written in the file."""


@dataclass(frozen=True)
class Span:
    """A part of the text: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """One `key=value`. `line` includes the line break; `value` is the literal alone."""

    section: str
    key: str
    line: Span
    value: Span


class ConfigFile:
    """The text of one file. Invalid UTF-8 is preserved."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._read: str | None = None
        """The content of the file when it was read."""
        self._parsed: tuple[str, list[Entry | tuple[str, Span]]] | None = None
        """A text and its items. Audits read several values of each of thousands of files."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a file. Raises OSError."""
        config = cls(read_text(path))
        config._read = config.text
        return config

    def write(self, project: Path, file: str) -> None:
        """Replaces a project's file in one step, unless it has changed since it was read.

        Raises OSError; UserError for a link out of the project.
        """
        with ProjectFolder(project) as folder:
            folder.write_text(file, self.text, self._read)
        self._read = self.text

    @property
    def newline(self) -> str:
        found = re.search(r"\r\n|\n|\r", self.text)
        return found.group() if found else "\n"

    def raw(self, section: str, key: str) -> str | None:
        """Returns a value's literal, or None."""
        entry = self._find(section, key)
        return None if entry is None else self.text[entry.value.start : entry.value.end]

    def section(self, section: str) -> dict[str, str]:
        """Returns the literals of a section by key."""
        return self.sections().get(section, {})

    def sections(self) -> dict[str, dict[str, str]]:
        """Returns all literals by section and key."""
        found: dict[str, dict[str, str]] = {}
        for item in self._items():
            if isinstance(item, Entry):
                literal = self.text[item.value.start : item.value.end]
                found.setdefault(item.section, {})[item.key] = literal
            else:
                found.setdefault(item[0], {})
        return found

    def duplicate_key(self, section: str) -> str:
        """Returns the first key that a section has twice, or an empty string."""
        keys: set[str] = set()
        for entry in self._entries():
            if entry.section == section:
                if entry.key in keys:
                    return entry.key
                keys.add(entry.key)
        return ""

    def unknown_line(self) -> int | None:
        """Returns the number of the first line with unknown syntax, counted from 1, or None.

        A bracket or quote that isn't closed, as in an incomplete file, is unknown syntax, too.
        """
        at = 1 if self.text.startswith("\ufeff") else 0
        for item in self._items():
            head = item.line if isinstance(item, Entry) else item[1]
            if not _BLANK.fullmatch(self.text, at, head.start):
                return _line_number(self.text, at + _blank_end(self.text[at : head.start]))
            if isinstance(item, Entry) and not _is_complete(self.text[item.value.start : item.value.end]):
                return _line_number(self.text, head.start)
            at = head.end
        return (
            None
            if _BLANK.fullmatch(self.text, at)
            else _line_number(self.text, at + _blank_end(self.text[at:]))
        )

    def set(self, section: str, key: str, literal: str) -> None:
        """Sets a value. Appends the key or the section if it is missing."""
        entry = self._find(section, key)
        if entry is not None:
            self._replace(entry.value, literal)
            return
        line = f"{key}={literal}"
        at = self._end_of_section(section)
        if at is None:
            self._append_section(section, line)
        else:
            ended = self.text[at - 1] in "\r\n"
            self._replace(Span(at, at), line + self.newline if ended else self.newline + line)

    def remove(self, section: str, key: str) -> None:
        """Removes a key, and the section with its last key."""
        entry = self._find(section, key)
        if entry is None:
            return
        if len(self.section(section)) > 1:
            self._remove_line(entry.line)
        else:
            self._remove_section(section)

    def _replace(self, span: Span, by: str) -> None:
        self.text = self.text[: span.start] + by + self.text[span.end :]

    def _remove_line(self, line: Span) -> None:
        ended = self.text[line.end - 1] in "\r\n"
        self._replace(line, "")
        if not ended:
            self.text = _without_line_end(self.text)

    def _append_section(self, section: str, line: str) -> None:
        # The text ends with a line break only if it did before: `remove` then restores it exactly.
        ended = not self.text or self.text[-1] in "\r\n"
        eol = self.newline
        block = f"{eol}[{section}]{eol}{eol}{line}"
        self.text += block + eol if ended else eol + block

    def _remove_section(self, section: str) -> None:
        starts = list(self._sections())
        at, head_end = next((s.start, s.end) for name, s in starts if name == section)
        end = next((s.start for _, s in starts if s.start >= head_end), None)
        if end is not None:
            self._replace(Span(at, end), "")
            return
        ended = self.text[-1] in "\r\n"
        before = _without_line_end(self.text[:at])
        self.text = before if ended else _without_line_end(before)

    def _find(self, section: str, key: str) -> Entry | None:
        return next((e for e in self._entries() if e.section == section and e.key == key), None)

    def _end_of_section(self, section: str) -> int | None:
        """Returns where to insert a key into the section: after its last key, or after its head."""
        last = [e.line.end for e in self._entries() if e.section == section]
        if last:
            return last[-1]
        head = next((span.end for name, span in self._sections() if name == section), None)
        if head is None:
            return None
        blank = re.compile(r"[ \t]*(?:\r\n|\r|\n)").match(self.text, head)
        return blank.end() if blank else head

    def _sections(self) -> Iterator[tuple[str, Span]]:
        return (item for item in self._items() if not isinstance(item, Entry))

    def _entries(self) -> Iterator[Entry]:
        return (item for item in self._items() if isinstance(item, Entry))

    def _items(self) -> list[Entry | tuple[str, Span]]:
        """Returns section heads and entries in the order of the text, without comments and empty lines."""
        if self._parsed is None or self._parsed[0] is not self.text:
            self._parsed = (self.text, list(self._scan()))
        return self._parsed[1]

    def _scan(self) -> Iterator[Entry | tuple[str, Span]]:
        at, section = (1 if self.text.startswith("\ufeff") else 0), ""
        while at < len(self.text):
            if head := _SECTION.match(self.text, at):
                section = head.group(1)
                yield section, Span(*head.span())
                at = head.end()
            elif key := _KEY.match(self.text, at):
                value_end = _value_end(self.text, key.end())
                line_end = _line_end(self.text, value_end)
                name = key.group(2) if key.group(1) is None else key.group(1)
                yield Entry(section, name, Span(at, line_end), _stripped(self.text, key.end(), value_end))
                at = line_end
            else:
                at = _line_end(self.text, at)


def _value_end(text: str, at: int) -> int:
    """Returns the end of the literal at `at`: the first line break outside brackets and quotes."""
    if simple := _SIMPLE.match(text, at):
        return simple.end()
    depth = 0
    while at < len(text):
        character = text[at]
        if character == '"':
            at = _string_end(text, at)
            continue
        if character in "\r\n" and depth <= 0:
            return at
        depth += (character in _OPENING) - (character in _CLOSING)
        at += 1
    return at


def _is_complete(literal: str) -> bool:
    """Whether the literal isn't empty and all its brackets and quotes are closed."""
    depth, at = 0, 0
    while at < len(literal):
        if literal[at] == '"':
            end = _string_end(literal, at)
            if end - at < 2 or literal[end - 1] != '"' or _escaped(literal, end - 1):
                return False
            at = end
            continue
        depth += (literal[at] in _OPENING) - (literal[at] in _CLOSING)
        at += 1
    return depth == 0 and literal != ""


def _escaped(text: str, at: int) -> bool:
    """Whether the character at `at` follows an odd number of backslashes."""
    return (at - len(text[:at].rstrip("\\"))) % 2 == 1


def _blank_end(text: str) -> int:
    found = _BLANK.match(text)
    return found.end() if found else 0


def _line_number(text: str, at: int) -> int:
    return len(re.findall(r"\r\n|\r|\n", text[:at])) + 1


def _string_end(text: str, at: int) -> int:
    at += 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))


def _line_end(text: str, at: int) -> int:
    found = _LINE.match(text, at)
    assert found is not None
    return found.end()


def _stripped(text: str, start: int, end: int) -> Span:
    literal = text[start:end]
    return Span(end - len(literal.lstrip()), start + len(literal.rstrip()))


def _without_line_end(text: str) -> str:
    return re.sub(r"(?:\r\n|\r|\n)\Z", "", text)


def parse(literal: str) -> Value:
    """Returns the value of a literal; a `Raw` for other types."""
    if literal in _WORDS:
        return _WORDS[literal]
    if _INT.match(literal) and -MAX_INT - 1 <= int(literal) <= MAX_INT:
        return int(literal)
    if _FLOAT.match(literal):
        return float(literal)
    if _STRING.match(literal):
        return _ESCAPE.sub(_unescape, literal[1:-1])
    return Raw(literal)


def render(value: Value) -> str:
    """Returns the literal of a value as Godot writes it. Raises TypeError for other types."""
    if isinstance(value, Raw):
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _render_float(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    raise TypeError(f"{type(value).__name__} isn't a simple type of Godot")


def _render_float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def _unescape(found: re.Match[str]) -> str:
    if code := found.group(1) or found.group(2):
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else "\ufffd"
    letter: str = found.group(3)
    return _ESCAPED.get(letter, letter)
