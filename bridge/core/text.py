"""Message catalogues; text made safe to show."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

DEEPEST = 32
"""Sentences within one another that are looked up; none that is meant for people has as many."""


class Text(Struct, frozen=True):
    """One sentence; both languages have the same placeholders."""

    en: str
    zh: str

    def read(self, locale: str) -> str:
        """In the language of `locale` (BCP 47): Chinese for zh, else English."""
        return self.zh if is_chinese(locale) else self.en


def is_chinese(locale: str) -> bool:
    """Whether whoever reads in `locale`, `zh-CN` or `zh_CN.UTF-8`, reads Chinese."""
    return locale.lower().startswith("zh")


def join_sentences(sentences: Iterable[str]) -> str:
    """Several in one line, without empty ones; no space stands behind one that ends in Chinese."""
    said = filter(None, sentences)
    return "".join(each if each.endswith("。") else f"{each} " for each in said).rstrip()


def value_text(value: Any) -> str:
    """An option's value; a dash where there is none."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False, default=str)


class Phrases:
    """Patterns of what parts of the program say in English that know of no language, each with its Chinese,
    in which `{0}` is what its first group matches."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        """The first that matches counts. What a group matches is looked up in its turn, unless the group has
        a name: then it is what the system or a library says in its own words."""
        self._patterns = tuple(patterns)

    @functools.cached_property
    def _known(self) -> list[tuple[re.Pattern[str], str]]:
        # Costly, and for nothing where all reads English.
        return [(re.compile(pattern, re.DOTALL), chinese) for pattern, chinese in self._patterns]

    def in_chinese(self, said: str, within: int = 0) -> str:
        """`said` in Chinese; as it is where it isn't known. It stands `within` so many sentences."""
        for pattern, chinese in self._known if within < DEEPEST else ():
            if found := pattern.fullmatch(said):
                own = set(pattern.groupindex.values())
                parts = enumerate(found.groups(""), start=1)
                return chinese.format(
                    *(part if number in own else self.in_chinese(part, within + 1) for number, part in parts)
                )
        return said


WRITTEN = frozenset("\u00a0\u200c\u200d\u3000")
"""What Python calls unprintable, and Chinese, Persian and Hindi names have: wide spaces, joiners."""


def printable(text: str) -> str:
    """`text` with escapes for what can't be printed."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in WRITTEN else c.encode("unicode_escape").decode() for c in text
    )


def printable_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def is_unicode(text: str) -> bool:
    """Whether no byte of a name or a file stands in it that was no UTF-8: messages and receipts hold none."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def change_text(name: str, present: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """`name 0 → 2`."""
    return printable(f"{name} {value_text(present.get(name))} → {value_text(options[name])}")
