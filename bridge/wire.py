"""What a Python client sends and receives, as bytes: frames by `msgpack`'s own library, blobs over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import msgpack
import msgspec

from bridge.connection import ConnectionFile
from bridge.core.errors import ErrorCode, RequestError, UserError
from bridge.core.messages import ClientMessage, ServerMessage

HTTP_TIMEOUT_S = 60.0

# The daemon is never behind a proxy, and its token is none of a proxy's business.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def encode(message: ClientMessage) -> bytes:
    """One frame."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))
    return packed


def decode(frame: str | bytes) -> ServerMessage:
    """The message in a frame. Raises UserError where it holds none."""
    if isinstance(frame, str):
        raise UserError("The daemon sent text on a binary subprotocol: update the older side.")
    try:
        message: ServerMessage = msgspec.convert(msgpack.unpackb(frame), ServerMessage)
    except (ValueError, msgpack.UnpackException) as error:
        raise UserError(f"The daemon sent what is no message ({error}): update the older side.") from None
    return message


def blob(file: ConnectionFile, method: str, name: str, data: bytes | None = None) -> bytes:
    """PUTs or GETs a blob; blocks. Raises RequestError in the daemon's words, UserError where it is gone."""
    request = urllib.request.Request(f"{file.http}/blobs/{name}", data=data, method=method)
    request.add_header("Authorization", f"Bearer {file.token}")
    try:
        with _DIRECT.open(request, timeout=HTTP_TIMEOUT_S) as response:
            body: bytes = response.read()
    except urllib.error.HTTPError as error:
        with error:
            raise as_request_error(_problem(error)) from None
    except OSError as error:
        raise UserError(f"PopBridge doesn't answer at {file.http} ({error}).") from None
    return body


def as_request_error(error: Mapping[str, Any]) -> RequestError:
    """The daemon's words as an exception; a code that this client doesn't know stays as it is.

    How long the daemon asks to wait before the same again is `retry_after_ms` in its `fields`.
    """
    name, retryable = error.get("code", "internal"), error.get("retryable", False)
    code = ErrorCode(name, 0, "{message}", retryable, outcome=error.get("outcome", "failed"))
    asked = {name: error[name] for name in ("retry_after_ms",) if name in error}
    return RequestError(code, error.get("hint", ""), message=error.get("message", ""), **asked)


def _problem(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        return msgspec.json.decode(error.read(), type=dict[str, Any])
    except msgspec.DecodeError:
        return {"message": f"HTTP {error.code} {error.reason}"}
