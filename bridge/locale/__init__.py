"""Texts in the reader's language: a catalogue per language, compiled from its .po by `tools/messages.py`."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from accel.text import AnyText, Text, english, render

LANGUAGES = {"zh": "zh_CN"}
"""The catalogue for a locale, by the language that it begins with; everybody else reads English."""

Catalogue = dict[str, str | list[str]]
"""Translations by English template; a list where a count decides: the form for 1, and for others."""


def translate(text: AnyText, locale: str) -> str:
    """`text` in the language of `locale` (`zh`, `zh-CN`, `zh_CN.UTF-8`). What isn't translated stays English;
    a plain string, such as a plugin's own sentence, stays as it is."""
    if isinstance(text, str):
        return text
    known = catalogue(locale)
    if not known:
        return str(text)
    return render(text, functools.partial(_template, known), look_up(", ", locale))


def look_up(words: str, locale: str) -> str:
    """What is declared as a plain constant, such as a command's help, in the language of `locale`."""
    found = catalogue(locale).get(words, words)
    return found if isinstance(found, str) else found[0]


def catalogue(locale: str) -> Catalogue:
    """The translations for `locale`; empty for English."""
    language = language_of(locale)
    return _loaded(language) if language else {}


def language_of(locale: str) -> str:
    """The catalogue that `locale` reads, `zh_CN`; empty for English."""
    return LANGUAGES.get(locale.replace("-", "_").partition("_")[0].partition(".")[0].lower(), "")


def _template(known: Catalogue, text: Text) -> str:
    found = known.get(text.id)
    if found is None:
        return english(text)
    if isinstance(found, str):
        return found
    return found[0 if text.values.get("n") == 1 else len(found) - 1]


@functools.cache
def _loaded(language: str) -> Catalogue:
    file = Path(__file__).with_name(f"{language}.json")
    found: Catalogue = json.loads(file.read_bytes())
    return found
