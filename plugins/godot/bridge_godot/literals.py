"""Godot's Variant literals: int, float, bool, String and null; all others stay text."""

from __future__ import annotations

import math
import re

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

LARGEST = 2**63 - 1
"""Of Godot's integers, and of a message's."""

Value = bool | int | float | str | None


class Raw(str):
    """A literal of another type, as it stands in the file."""


def parse(literal: str) -> Value:
    """The value of a literal; a `Raw` for types that aren't known here."""
    if literal in _WORDS:
        return _WORDS[literal]
    if _INT.match(literal) and -LARGEST - 1 <= int(literal) <= LARGEST:
        return int(literal)
    if _FLOAT.match(literal):
        return float(literal)
    if _STRING.match(literal):
        return _ESCAPE.sub(_unescape, literal[1:-1])
    return Raw(literal)


def render(value: Value) -> str:
    """The literal of a value, as Godot writes it. Raises TypeError for what no option can be."""
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
    raise TypeError(f"{type(value).__name__} is none of Godot's simple types")


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
