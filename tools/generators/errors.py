"""docs/reference/errors.md: every error code and close code."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.core.errors import CLOSE_CODES, ERROR_CODES
from tools.generators import _markdown

TARGET = Path("docs/reference/errors.md")


def files() -> dict[Path, str]:
    values = {
        "notice": _markdown.NOTICE.format(source="bridge/core/errors.py"),
        "errors": _markdown.table(("code", "number", "retryable", "sentence", "hint"), _errors()),
        "closes": _markdown.table(("code", "name", "meaning"), _closes()),
    }
    return {TARGET: _markdown.fill("errors.md", values)}


def _errors() -> list[tuple[str, ...]]:
    return [
        (
            f"`{code.name}`",
            str(code.number),
            "yes" if code.retryable else "no",
            _plain(code.text),
            _plain(code.hint),
        )
        for code in ERROR_CODES
    ]


def _plain(template: str) -> str:
    """`{deadline_ms} ms` as people read it: `<deadline> ms`."""
    return re.sub(r"\{(\w+?)(?:_ms)?(?:!r)?\}", lambda found: f"\\<{found[1]}\\>", template)


def _closes() -> list[tuple[str, ...]]:
    return [(str(close.code), f"`{close.name}`", close.text) for close in CLOSE_CODES]
