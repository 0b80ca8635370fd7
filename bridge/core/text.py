"""Helpers for text: printable forms, option values, joined sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

UNPRINTABLE_LETTERS = frozenset("\u00a0\u200c\u200d\u3000")
"""Characters that Python considers unprintable but that Chinese, Persian and Hindi names contain."""


def is_chinese(locale: str) -> bool:
    """Whether a locale such as `zh-CN` or `zh_CN.UTF-8` is Chinese."""
    return locale.lower().startswith("zh")


def join_sentences(sentences: Iterable[str]) -> str:
    """Joins non-empty sentences, with a space after each that doesn't end with a Chinese full stop."""
    parts = filter(None, sentences)
    return "".join(each if each.endswith("。") else f"{each} " for each in parts).rstrip()


def value_text(value: Any) -> str:
    """Returns an option's value as JSON, or a dash for None."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def printable(text: str) -> str:
    """Escapes unprintable characters."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in UNPRINTABLE_LETTERS else c.encode("unicode_escape").decode()
        for c in text
    )


def printable_lines(text: str) -> str:
    """Like `printable`, but preserves line breaks."""
    return "\n".join(map(printable, text.split("\n")))


def is_unicode(text: str) -> bool:
    """Whether `text` has no surrogate escapes (bytes that aren't UTF-8), which messages can't contain."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def change_text(name: str, present: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Describes how an option changes, for example `name 0 → 2`."""
    return printable(f"{name} {value_text(present.get(name))} → {value_text(options[name])}")
