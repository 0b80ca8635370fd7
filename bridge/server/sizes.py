"""How much messages take, and what is said of those that take too much."""

from __future__ import annotations

import msgspec

from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Numbered

SPARE = 1024
"""Bytes of a frame that are left for a message's id and number."""


def size_of(message: Numbered) -> int:
    """About what it takes, bytes: an advisor's answer may hold what can't be encoded."""
    return len(msgspec.msgpack.encode(message, enc_hook=repr))


def too_large(name: str, size: int, limit: int) -> RequestError:
    """What is said where something doesn't fit into a frame."""
    hint = text("Ask for less in one request.")
    return RequestError(
        errors.TOO_LARGE, hint, name=name, size=f"{size} bytes", limit=f"{limit} bytes", setting=""
    )
