"""Translatable sentences: an English template with named placeholders, and their values.

As in gettext, the template is the id of its translations in a catalogue (`bridge.locale`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w+)\}")

_VALUE_ENDS = ("}.", "}。")
_DOUBLE_ENDS = (*(f"{mark}." for mark in "?!…。？！."), *(f"{mark}。" for mark in "…。？！"))

MAX_DEPTH = 32
"""Maximum nesting depth of rendered texts."""


class Text(Struct, frozen=True, omit_defaults=True):
    """A sentence or part of one; `str()` renders it in English.

    It can be encoded as msgpack or JSON, including nested texts.
    """

    id: str
    """English template, for example `{name} is {size}`; literal braces are doubled."""
    plural: str = ""
    """English template used unless `n` is 1; empty if the sentence has no count."""
    values: dict[
        str, str | int | float | bool | Text | list[str | int | float | bool | Text | None] | None
    ] = {}
    """Values by placeholder. Nested texts are translated; lists are joined in the language's way."""

    def fill(self, **values: object) -> Text:
        """Returns the text with additional values."""
        return Text(self.id, self.plural, {**self.values, **plain_values(values)})

    def map(self, change: Callable[[str], str]) -> Text:
        """Returns the text with `change` applied to every string among its values, including nested ones."""
        return Text(
            self.id, self.plural, {name: _mapped(value, change) for name, value in self.values.items()}
        )

    def __str__(self) -> str:
        return render(self)

    def __eq__(self, other: object) -> bool:
        """A text equals the same text, and its English rendering."""
        if isinstance(other, str):
            return str(self) == other
        if not isinstance(other, Text):
            return NotImplemented
        return (self.id, self.plural, self.values) == (other.id, other.plural, other.values)

    def __hash__(self) -> int:
        return hash(str(self))

    def __contains__(self, words: str) -> bool:
        """Whether the English rendering contains `words`."""
        return words in str(self)


_SENT = frozenset((str, int, float, bool, Text))

AnyText = Text | str
"""A text, or an untranslated sentence from a plugin or the system."""


class TextError(Exception):
    """An error with a sentence for people; `str()` renders it in English."""

    def __init__(self, text: AnyText) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return str(self.text)


def text(template: str, /, **values: object) -> Text:
    return Text(template, "", plain_values(values))


def plural(one: str, several: str, n: int, /, **values: object) -> Text:
    """Returns a text for a count: `one` if `n` is 1, otherwise `several`. Both may contain `{n}`."""
    return Text(one, several, {"n": n, **plain_values(values)})


def sentences(several: Iterable[AnyText]) -> AnyText:
    """Joins sentences, skipping empty ones."""
    return joined(several, text("{head} {rest}"))


def clauses(several: Iterable[AnyText]) -> AnyText:
    """Joins clauses with semicolons, skipping empty ones."""
    return joined(several, text("{head}; {rest}"))


def joined(several: Iterable[AnyText], template: Text) -> AnyText:
    """Joins texts pairwise with a template of `head` and `rest`, skipping empty ones."""
    result: AnyText = ""
    for part in several:
        if part:
            result = template.fill(head=result, rest=part) if result else part
    return result


def readable(value: object) -> AnyText:
    """Converts a decoded value to a text or a plain sentence."""
    if isinstance(value, Mapping) and isinstance(value.get("id"), str):
        try:
            return msgspec.convert(value, Text)
        except msgspec.ValidationError:
            return str(value["id"])
    return value if isinstance(value, Text | str) else "" if value is None else str(value)


def plain_values(values: Mapping[str, object]) -> dict[str, Any]:
    """Converts values to the types of `Text.values`; others become strings."""
    return {name: _plain(value) for name, value in values.items()}


def render(
    text: Text,
    template: Callable[[Text], str] | None = None,
    separator: str = ", ",
    within: int = 0,
) -> str:
    """Renders a text. `template` returns the template to use, by default the English one.

    Placeholders without a value are left as they are.
    """
    found = english(text) if template is None else template(text)
    if "{" not in found and "}" not in found:
        return found

    def shown(value: object) -> str:
        if isinstance(value, Text):
            return render(value, template, separator, within + 1) if within < MAX_DEPTH else value.id
        if isinstance(value, list | tuple):
            return separator.join(map(shown, value))
        return str(value)

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        return shown(text.values[name]) if name in text.values else match[0]

    rendered = _PLACEHOLDER.sub(replaced, found)
    return without_double_end(rendered) if found.endswith(_VALUE_ENDS) else rendered


def without_double_end(sentence: str) -> str:
    """Removes a full stop that follows other punctuation, with which an inserted value may end."""
    return sentence[:-1] if sentence.endswith(_DOUBLE_ENDS) else sentence


def english(text: Text) -> str:
    """Returns the English template, singular or plural."""
    return text.plural if text.plural and text.values.get("n") != 1 else text.id


def placeholders(template: str) -> frozenset[str]:
    """Returns the names of a template's placeholders."""
    return frozenset(name for name in _PLACEHOLDER.findall(template) if name)


def literal(words: str) -> str:
    """Escapes `words` for use as a template, by doubling braces."""
    return words.replace("{", "{{").replace("}", "}}")


def _plain(value: object) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    # Subclasses such as numpy's float64 can't be encoded.
    return value if value is None or type(value) in _SENT else str(value)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Text):
        return value.map(change)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    return value
