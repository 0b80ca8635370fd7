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

`error.code` holds one of these names, `error.message` a sentence for people, and `error.hint` what to do. The table
shows the usual sentence, with placeholders in angle brackets; programs should only compare the code. A retryable
error may go away by itself: retry after `retry_after_ms`. The number never changes. It is for logs and lists, and
isn't sent.

{errors}

## Close codes

The daemon closes the connection with one of these codes when it can't answer a frame.

{closes}

[After a connection is closed](protocol.md#after-a-connection-is-closed) says what a client does next.
"""


def files() -> dict[Path, str]:
    return {
        TARGET: TEXT.format(
            notice=_markdown.NOTICE.format(source="bridge/core/errors.py"),
            errors=_markdown.table(("code", "number", "retryable", "sentence", "hint"), _errors()),
            closes=_markdown.table(("code", "name", "meaning"), _closes()),
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
