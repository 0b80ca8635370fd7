"""Text from a project as it may be shown: names can hold anything, also what steers a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def plain(text: str) -> str:
    """`text` with escapes for what can't be printed."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def value_text(value: Any) -> str:
    """An option's value; a dash where there is none."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def change_text(name: str, present: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """`name 0 → 2`."""
    return plain(f"{name} {value_text(present.get(name))} → {value_text(options[name])}")
