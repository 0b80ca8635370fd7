"""Translates texts. Each language has a catalogue, compiled from its .po file by `tools/messages.py`."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from accel.text import AnyText, Text, english, render

LANGUAGES = {"zh": "zh_CN"}
"""Catalogues by the first part of a locale; other locales use English."""

Catalogue = dict[str, str | list[str]]
"""Translations by English template. A text with a count has a list: the forms for 1 and for others."""


def translate(text: AnyText, locale: str) -> str:
    """Renders `text` in the language of `locale` (`zh`, `zh-CN`, `zh_CN.UTF-8`), else in English.

    Strings, such as a plugin's sentences, are returned unchanged.
    """
    if isinstance(text, str):
        return text
    translations = catalogue(locale)
    if not translations:
        return str(text)
    return render(text, functools.partial(_template, translations), look_up(", ", locale))


def look_up(words: str, locale: str) -> str:
    """Translates a constant without placeholders, such as the help of a command."""
    found = catalogue(locale).get(words, words)
    return found if isinstance(found, str) else found[0]


def catalogue(locale: str) -> Catalogue:
    """Returns the translations for `locale`; empty for English."""
    language = language_of(locale)
    return _loaded(language) if language else {}


def language_of(locale: str) -> str:
    """Returns the name of the catalogue for `locale`, such as `zh_CN`; empty for English."""
    return LANGUAGES.get(locale.replace("-", "_").partition("_")[0].partition(".")[0].lower(), "")


def _template(translations: Catalogue, text: Text) -> str:
    found = translations.get(text.id)
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
