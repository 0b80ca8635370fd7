"""Godot's ConfigFile text (`project.godot`, `*.import`), edited without touching anything else in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bridge.api import read_text, write_text

_SECTION = re.compile(r"\[([^\]\r\n]*)\][ \t]*(?:\r\n|\r|\n|$)")
_KEY = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^\s;\["=](?:[^\r\n="]*[^ \t\r\n="])?))[ \t]*=')
_IDLE_LINE = r"[ \t]*(?:;[^\r\n]*)?(?:\r\n|\r|\n|$)"
_IDLE = re.compile(rf"(?:{_IDLE_LINE})*")
"""Blank lines and comments."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_SIMPLE = re.compile(r'[^"()\[\]{}\r\n]*(?=[\r\n]|\Z)')
"""A literal without brackets and quotes, as most are."""
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Span:
    """Where something stands in the text: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True)
class Entry:
    """One `key=value`; `line` takes in the line's end, `value` is the literal alone."""

    section: str
    key: str
    line: Span
    value: Span


class ConfigText:
    """The text of one file. Bytes that are no UTF-8 survive as they are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._read: str | None = None
        """What its file held."""
        self._known: tuple[str, list[Entry | tuple[str, Span]]] | None = None
        """A text and what is in it: thousands of files are asked for several values each."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises OSError, as `read_text` does."""
        found = cls(read_text(path))
        found._read = found.text
        return found

    def write(self, path: Path) -> None:
        """In one step, over what was read. Raises OSError, as `write_text` does."""
        write_text(path, self.text, self._read)
        self._read = self.text

    @property
    def newline(self) -> str:
        found = re.search(r"\r\n|\n|\r", self.text)
        return found.group() if found else "\n"

    def raw(self, section: str, key: str) -> str | None:
        """A value's literal text; None where there is none."""
        entry = self._find(section, key)
        return None if entry is None else self.text[entry.value.start : entry.value.end]

    def section(self, section: str) -> dict[str, str]:
        """The literal texts of a section's values."""
        return self.sections().get(section, {})

    def sections(self) -> dict[str, dict[str, str]]:
        """The literal texts of all values, by section and key, in one reading."""
        found: dict[str, dict[str, str]] = {}
        for item in self._items():
            if isinstance(item, Entry):
                literal = self.text[item.value.start : item.value.end]
                found.setdefault(item.section, {})[item.key] = literal
            else:
                found.setdefault(item[0], {})
        return found

    def repeated(self, section: str) -> str:
        """The first key that stands twice in a section; empty for none."""
        keys: set[str] = set()
        for entry in self._entries():
            if entry.section == section:
                if entry.key in keys:
                    return entry.key
                keys.add(entry.key)
        return ""

    def strange_line(self) -> int | None:
        """The number of the first line, from 1, whose syntax isn't known here; None if there is none.

        Half a file is strange too: a bracket or quote that is open at its end.
        """
        at = 1 if self.text.startswith("\ufeff") else 0
        for item in self._items():
            head = item.line if isinstance(item, Entry) else item[1]
            if not _IDLE.fullmatch(self.text, at, head.start):
                return _line_number(self.text, at + _idle_end(self.text[at : head.start]))
            if isinstance(item, Entry) and not _whole(self.text[item.value.start : item.value.end]):
                return _line_number(self.text, head.start)
            at = head.end
        return (
            None
            if _IDLE.fullmatch(self.text, at)
            else _line_number(self.text, at + _idle_end(self.text[at:]))
        )

    def set(self, section: str, key: str, literal: str) -> None:
        """Puts `literal` in the place of the value; a key or section that isn't there is appended."""
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
        """Takes the key away, and the section with its last key."""
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
        # What ends without a line's end is to end so afterwards, or `remove` couldn't tell.
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
        kept = _without_line_end(self.text[:at])
        self.text = kept if ended else _without_line_end(kept)

    def _find(self, section: str, key: str) -> Entry | None:
        return next((e for e in self._entries() if e.section == section and e.key == key), None)

    def _end_of_section(self, section: str) -> int | None:
        """Where another key of the section belongs: after its last one, else after its head."""
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
        """Section heads and entries, in the order of the text; comments and blank lines are passed over."""
        if self._known is None or self._known[0] is not self.text:
            self._known = (self.text, list(self._scan()))
        return self._known[1]

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
    """The end of the literal that starts at `at`: of the line, where no bracket or quote is open."""
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


def _whole(literal: str) -> bool:
    """Whether every bracket and quote of a literal is closed, and there is one at all."""
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
    """Whether an odd number of backslashes stands before `at`."""
    return (at - len(text[:at].rstrip("\\"))) % 2 == 1


def _idle_end(text: str) -> int:
    found = _IDLE.match(text)
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
