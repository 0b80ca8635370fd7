"""docs/errors.md: every error code and close code."""

from __future__ import annotations

from pathlib import Path

from bridge.core.errors import CLOSE_CODES, ERROR_CODES
from tools.generators import _markdown

TARGET = Path("docs/errors.md")
TEXT = """\
{notice}

# Errors

## Error codes

What `error.code` may be. The sentence is for people and comes filled in, in `error.message`; the hint in
`error.hint`. A code that is retryable may go away by itself.

{errors}

## Close codes

What a connection closes with, where a frame can't be answered.

{closes}
"""


def files() -> dict[Path, str]:
    return {
        TARGET: TEXT.format(
            notice=_markdown.NOTICE.format(source="bridge/core/errors.py"),
            errors=_markdown.table(("code", "number", "retryable", "sentence", "hint"), _errors()),
            closes=_markdown.table(("code", "name", "what it means"), _closes()),
        )
    }


def _errors() -> list[tuple[str, ...]]:
    return [
        (f"`{code.name}`", str(code.number), "yes" if code.retryable else "no", code.says, code.hint)
        for code in ERROR_CODES
    ]


def _closes() -> list[tuple[str, ...]]:
    return [(str(close.code), f"`{close.name}`", close.says) for close in CLOSE_CODES]
