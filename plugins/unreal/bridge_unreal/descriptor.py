"""Edits the list of plugins in a `.uproject`; everything else keeps its order and formatting."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"\s*")
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""Unreal writes UTF-16 if a text isn't ASCII."""


class Descriptor:
    """A `.uproject` as text. Raises ValueError, also for JSON of another shape."""

    def __init__(self, content: bytes) -> None:
        self._mark, self._encoding = next(
            (each for each in _ENCODINGS if content.startswith(each[0])), (b"", "utf-8")
        )
        self.text = content[len(self._mark) :].decode(self._encoding)
        self.root: dict[str, Any] = _DECODER.decode(self.text)
        if not isinstance(self.root, dict) or not isinstance(self.root.get("Plugins", []), list):
            raise ValueError("it isn't a project descriptor")

    @property
    def content(self) -> bytes:
        return self._mark + self.text.encode(self._encoding)

    def is_enabled(self, name: str) -> bool:
        found = [plugin for _, _, plugin in self._plugins() if _is_named(plugin, name)]
        return bool(found) and found[0].get("Enabled") is True

    def enable(self, name: str) -> None:
        """Adds the plugin, or enables it."""
        for begin, end, plugin in self._plugins():
            if isinstance(plugin, dict) and plugin.get("Name") == name:
                if plugin.get("Enabled") is not True:
                    self._set_enabled(begin, end)
                return
        line = "\r\n" if "\r\n" in self.text else "\n"
        indent = self._indent()
        entry = f'{{"Name": {json.dumps(name)}, "Enabled": true}}'
        if indent:
            inner = line + indent * 3
            entry = f'{{{inner}"Name": {json.dumps(name)},{inner}"Enabled": true{line}{indent * 2}}}'
        step, close = (line + indent * 2, line + indent) if indent else ("", "")
        members = list(_members(self.text, _skip(self.text, 0)))
        place = next((place for key, *place in members if key == "Plugins"), None)
        if place is None:
            at = members[-1][2] if members else self.text.index("{") + 1
            comma = "," if members else ""
            before = line + indent if indent else " " if members else ""
            self._insert(at, at, f'{comma}{before}"Plugins": [{step}{entry}{close}]')
            return
        begin, end = place
        plugins = list(self._plugins())
        if plugins:
            last = plugins[-1][1]
            self._insert(last, last, f",{step or ' '}{entry}")
        else:
            self._insert(begin, end, f"[{step}{entry}{close}]")

    def disable(self, name: str) -> None:
        """Removes the plugin, and the list if it is the only one."""
        plugins = list(self._plugins())
        at = next((n for n, (_, _, one) in enumerate(plugins) if _is_named(one, name)), None)
        if at is None:
            return
        if len(plugins) > 1:
            begin = plugins[at - 1][1] if at else plugins[0][0]
            end = plugins[at][1] if at else plugins[1][0]
            self._insert(begin, end, "")
            return
        members = list(_members(self.text, _skip(self.text, 0)))
        at = next(n for n, (key, _, _) in enumerate(members) if key == "Plugins")
        if at:
            self._insert(members[at - 1][2], members[at][2], "")
        else:
            start = self.text.index("{") + 1
            following = self.text.find(",", members[0][2])
            self._insert(start, following + 1 if len(members) > 1 else members[0][2], "")

    def _plugins(self) -> Iterator[tuple[int, int, Any]]:
        """Yields where each entry of the list begins and ends, and its value."""
        for key, begin, end in _members(self.text, _skip(self.text, 0)):
            if key == "Plugins":
                at = _skip(self.text, begin + 1)
                while at < end - 1:
                    value, after = _DECODER.raw_decode(self.text, at)
                    yield at, after, value
                    at = _skip(self.text, _skip(self.text, after) + 1)

    def _set_enabled(self, begin: int, end: int) -> None:
        members = list(_members(self.text, begin))
        place = next(((start, stop) for key, start, stop in members if key == "Enabled"), None)
        if place is not None:
            self._insert(*place, "true")
        else:
            self._insert(members[-1][2], members[-1][2], ', "Enabled": true')

    def _insert(self, begin: int, end: int, new: str) -> None:
        self.text = self.text[:begin] + new + self.text[end:]
        self.root = _DECODER.decode(self.text)

    def _indent(self) -> str:
        """Returns the white space of one level; empty if everything is on one line."""
        found = re.search(r'\{\r?\n([ \t]+)"', self.text)
        return found[1] if found else ""


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Yields key, begin and end of each value of the object at this place."""
    at = _skip(text, at + 1)
    while at < len(text) and text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, begin)
        yield key, begin, end
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _is_named(plugin: Any, name: str) -> bool:
    return isinstance(plugin, dict) and plugin.get("Name") == name
