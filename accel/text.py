"""Sentences for people: an English template with named placeholders, and their values.

The template is the id by which a catalogue of another language has its translation (`bridge.locale`), as in
gettext: whoever makes a `Text` knows of no language.
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

DEEPEST = 32
"""Texts within one another that are rendered; none that is meant for people has as many."""


class Text(Struct, frozen=True, omit_defaults=True):
    """One sentence or a part of one; `str()` renders it in English.

    It can be sent and stored as msgpack or JSON: texts among its values come back as such.
    """

    id: str
    """The English template, `{name} is {size}`; braces that aren't placeholders are doubled."""
    plural: str = ""
    """The English template for any `n` among the values but 1; empty where it doesn't depend on that."""
    values: dict[
        str, str | int | float | bool | Text | list[str | int | float | bool | Text | None] | None
    ] = {}
    """By placeholder. Texts are translated in their turn; lists are joined as the language does."""

    def fill(self, **values: object) -> Text:
        """The same with further values."""
        return Text(self.id, self.plural, {**self.values, **plain_values(values)})

    def map(self, change: Callable[[str], str]) -> Text:
        """The same with each string among its values changed, in texts and lists within it, too."""
        return Text(
            self.id, self.plural, {name: _mapped(value, change) for name, value in self.values.items()}
        )

    def __str__(self) -> str:
        return render(self)

    def __eq__(self, other: object) -> bool:
        """A text is equal to the same text, and to the English that it renders to."""
        if isinstance(other, str):
            return str(self) == other
        if not isinstance(other, Text):
            return NotImplemented
        return (self.id, self.plural, self.values) == (other.id, other.plural, other.values)

    def __hash__(self) -> int:
        return hash(str(self))

    def __contains__(self, words: str) -> bool:
        """Whether its English has these words."""
        return words in str(self)


_SENT = frozenset((str, int, float, bool, Text))

AnyText = Text | str
"""A text, or a sentence that has no translation: a plugin's own, or the system's."""


class TextError(Exception):
    """What happened, in a sentence for people; `str()` gives it in English."""

    def __init__(self, text: AnyText) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return str(self.text)


def text(template: str, /, **values: object) -> Text:
    """A text of that template."""
    return Text(template, "", plain_values(values))


def plural(one: str, several: str, n: int, /, **values: object) -> Text:
    """A text for a count: `one` where `n` is 1, else `several`; both may have `{n}`."""
    return Text(one, several, {"n": n, **plain_values(values)})


def sentences(several: Iterable[AnyText]) -> AnyText:
    """Several sentences in a row, without empty ones."""
    return joined(several, text("{head} {rest}"))


def clauses(several: Iterable[AnyText]) -> AnyText:
    """Several parts of one sentence, without empty ones; semicolons stand between them."""
    return joined(several, text("{head}; {rest}"))


def joined(several: Iterable[AnyText], template: Text) -> AnyText:
    """`several` put into `template` pair by pair, as `head` and `rest`, without empty ones."""
    made: AnyText = ""
    for one in several:
        if one:
            made = template.fill(head=made, rest=one) if made else one
    return made


def readable(value: object) -> AnyText:
    """What was sent or stored as a text, or as a sentence of plain words."""
    if isinstance(value, Mapping) and isinstance(value.get("id"), str):
        try:
            return msgspec.convert(value, Text)
        except msgspec.ValidationError:
            return str(value["id"])
    return value if isinstance(value, Text | str) else "" if value is None else str(value)


def plain_values(values: Mapping[str, object]) -> dict[str, Any]:
    """As `Text.values` has them: what is of another type becomes a string."""
    return {name: _plain(value) for name, value in values.items()}


def render(
    text: Text,
    template: Callable[[Text], str] | None = None,
    separator: str = ", ",
    within: int = 0,
) -> str:
    """`text` with its values. `template` finds the template to use; without it, it is English.

    A placeholder without a value stays as it is: a sentence with a flaw is of more use than none.
    """
    found = english(text) if template is None else template(text)
    if "{" not in found and "}" not in found:
        return found

    def shown(value: object) -> str:
        if isinstance(value, Text):
            return render(value, template, separator, within + 1) if within < DEEPEST else value.id
        if isinstance(value, list | tuple):
            return separator.join(map(shown, value))
        return str(value)

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return match[0][0]
        return shown(text.values[name]) if name in text.values else match[0]

    made = _PLACEHOLDER.sub(replaced, found)
    return without_double_end(made) if found.endswith(_VALUE_ENDS) else made


def without_double_end(sentence: str) -> str:
    """`sentence` without the full stop behind what ends a sentence already: values may be questions."""
    return sentence[:-1] if sentence.endswith(_DOUBLE_ENDS) else sentence


def english(text: Text) -> str:
    """The English template for its values."""
    return text.plural if text.plural and text.values.get("n") != 1 else text.id


def placeholders(template: str) -> frozenset[str]:
    """The names of a template's placeholders."""
    return frozenset(name for name in _PLACEHOLDER.findall(template) if name)


def literal(words: str) -> str:
    """`words` as a template: their braces doubled."""
    return words.replace("{", "{{").replace("}", "}}")


def _plain(value: object) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    # What is of a subclass, such as numpy's float64, can't be sent.
    return value if value is None or type(value) in _SENT else str(value)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Text):
        return value.map(change)
    if isinstance(value, list):
        return [_mapped(one, change) for one in value]
    return value
