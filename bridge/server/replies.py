"""HTTP answers in JSON, and the status of each error that blobs can meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from accel.text import Text
from bridge.core import errors
from bridge.core.errors import ErrorCode, RequestError

STATUS: dict[ErrorCode, int] = {
    errors.BAD_INPUT: 400,
    errors.FORBIDDEN: 403,
    errors.NOT_FOUND: 404,
    errors.TOO_LARGE: 413,
    errors.STORAGE_FULL: 507,
}


def problem(error: RequestError, headers: Mapping[str, str] | None = None) -> Response:
    """What went wrong, with the wire's code."""
    body: dict[str, Any] = {"code": error.code.name, "message": error.message, "hint": error.hint}
    for name, text in (("message_text", error.text), ("hint_text", error.hint_text)):
        if isinstance(text, Text):
            body[name] = msgspec.to_builtins(text)
    return answer(STATUS.get(error.code, 500), body, headers)


def answer(status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
