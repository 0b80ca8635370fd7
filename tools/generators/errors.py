"""docs/reference/errors.md: every error code and close code."""

from __future__ import annotations

import re
from pathlib import Path

from bridge.core.errors import CLOSE_CODES, ERROR_CODES
from tools.generators import _markdown

TARGET = Path("docs/reference/errors.md")
TEXT = """\
{notice}

# Errors

## Error codes

What `error.code` may be. The sentence is for people and comes filled in, in `error.message`; the hint in
`error.hint`; what stands in angle brackets is filled in. Whoever raises an error may say it in another
sentence. A code that is retryable may go away by itself. The number stays the same for good; it is for lists
and logs, and isn't sent: `error.code` holds the name.

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
        (
            f"`{code.name}`",
            str(code.number),
            "yes" if code.retryable else "no",
            _plain(code.says),
            _plain(code.hint),
        )
        for code in ERROR_CODES
    ]


def _plain(template: str) -> str:
    """`{deadline_ms} ms` as people read it: `<deadline> ms`."""
    return re.sub(r"\{(\w+?)(?:_ms)?(?:!r)?\}", lambda found: f"\\<{found[1]}\\>", template)


def _closes() -> list[tuple[str, ...]]:
    return [(str(close.code), f"`{close.name}`", close.says) for close in CLOSE_CODES]
