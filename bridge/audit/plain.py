"""Text from a project as it may be shown: names can hold anything, also what steers a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.core.texts import value_text

WRITTEN = frozenset("\u00a0\u200c\u200d\u3000")
"""What Python calls unprintable, and Chinese, Persian and Hindi names have: wide spaces, joiners."""


def plain(text: str) -> str:
    """`text` with escapes for what can't be printed."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in WRITTEN else c.encode("unicode_escape").decode() for c in text
    )


def plain_lines(text: str) -> str:
    """The same for text of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def is_unicode(text: str) -> bool:
    """Whether no byte of a name or a file stands in it that was no UTF-8: messages and receipts hold none."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def change_text(name: str, present: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """`name 0 → 2`."""
    return plain(f"{name} {value_text(present.get(name))} → {value_text(options[name])}")
