"""What a request is answered with where it wasn't done."""

from __future__ import annotations

from msgspec import UNSET

from bridge.core.errors import RequestError
from bridge.core.messages import Error, Translatable


def as_message(error: RequestError, request_id: int, outcome: str = "") -> Error:
    """The `error` message for what was raised; `outcome` where its own doesn't say it."""
    return Error(
        id=request_id,
        code=error.code.name,
        message=error.message[:4096],
        hint=error.hint or UNSET,
        message_text=Translatable.of(error.text),
        hint_text=Translatable.of(error.hint_text),
        retryable=error.code.retryable,
        retry_after_ms=error.retry_after_ms or UNSET,
        outcome=outcome or error.outcome,  # type: ignore[arg-type]
    )
