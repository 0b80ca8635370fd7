"""What a Python client sends and receives, as bytes: frames by `msgpack`'s own library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack
import msgspec

from accel.text import AnyText, readable, text
from bridge.core.errors import ErrorCode, RequestError, UserError
from bridge.core.messages import SERVER_MESSAGES, ClientMessage, ServerMessage

_KINDS: Mapping[object, type[ServerMessage]] = {kind.__struct_config__.tag: kind for kind in SERVER_MESSAGES}


def encode(message: ClientMessage) -> bytes:
    """One frame."""
    packed: bytes = msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,)))
    return packed


def decode(frame: str | bytes) -> ServerMessage:
    """The message in a frame. Raises UserError where it holds none."""
    if isinstance(frame, str):
        raise UserError(text("The daemon sent text on a binary subprotocol: update the older side."))
    try:
        plain = msgpack.unpackb(frame)
        message: ServerMessage = msgspec.convert(plain, _kind(plain))
    except (ValueError, msgpack.UnpackException) as error:
        raise UserError(
            text("The daemon sent what is no message ({error}): update the older side.", error=error)
        ) from None
    return message


def _kind(plain: Any) -> Any:
    """Which message it says it is; where that is none, all that there are, for what is said of it then."""
    # The union would do for all, but `convert` takes it apart each time, which takes longer than the rest.
    kind = plain.get("type") if isinstance(plain, dict) else None
    return _KINDS.get(kind, ServerMessage) if isinstance(kind, str) else ServerMessage


def _readable(translatable: object, english: str) -> AnyText:
    """A sentence that can be translated, where the daemon sent one."""
    return readable(translatable) if translatable else english


def as_request_error(error: Mapping[str, Any]) -> RequestError:
    """The daemon's words as an exception; a code that this client doesn't know stays as it is.

    How long the daemon asks to wait before the same again is `retry_after_ms` in its `fields`.
    """
    name, retryable = error.get("code", "internal"), error.get("retryable", False)
    code = ErrorCode(name, 0, "{message}", retryable, outcome=error.get("outcome", "failed"))
    asked = {name: error[name] for name in ("retry_after_ms",) if name in error}
    message, hint = (
        _readable(error.get(f"{each}_text"), error.get(each, "")) for each in ("message", "hint")
    )
    return RequestError(code, hint, message=message, **asked)
