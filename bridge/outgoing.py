"""What a Python client may send: refused here, in words, where the daemon would end the connection for it."""

from __future__ import annotations

from accel.text import text
from bridge import wire
from bridge.core import errors
from bridge.core.codec import server_codec
from bridge.core.errors import RemoteProtocolError, RequestError
from bridge.core.messages import MAX_KEY, SUBPROTOCOL_MSGPACK, ClientMessage


def frame(message: ClientMessage, name: str, limit: int) -> bytes:
    """One frame, which the daemon's own rules take; `limit` is `hello.limits.frame`, in bytes.

    Raises RequestError, never retryable, that begins with `name`: `too_large`, or `bad_params` for what can't
    be encoded, isn't finite, or has a value that the daemon doesn't take.
    """
    packed = _packed(message, name)
    if len(packed) > limit:
        raise RequestError(
            errors.TOO_LARGE,
            text("Send what is large as an input: `put_blob` gives its name."),
            name=name,
            size=f"{len(packed):,} bytes",
            limit=f"{limit:,} bytes",
        )
    try:
        server_codec(SUBPROTOCOL_MSGPACK, limit).decode(packed)
    except RemoteProtocolError as error:
        raise _refused(name, error.reason) from None
    return packed


def checked_key(key: str) -> str:
    """`key`, if it can be sent. Raises RequestError."""
    if not 1 <= len(key) <= MAX_KEY:
        reason = text("is {count} characters, not 1 to {max_key}", count=len(key), max_key=MAX_KEY)
        raise RequestError(
            errors.BAD_INPUT, text("Choose another key."), name=text("field 'key'"), reason=reason
        )
    return key


def _packed(message: ClientMessage, name: str) -> bytes:
    try:
        return wire.encode(message)
    except OverflowError:
        raise _refused(name, "an integer of more than 64 bits can't be sent: send text") from None
    except UnicodeEncodeError:
        raise _refused(name, "text with half a surrogate pair can't be sent: it is no Unicode") from None
    except RecursionError:
        raise _refused(name, "what is nested too deep can't be sent: flatten it") from None
    except (TypeError, ValueError) as error:
        raise _refused(name, f"what is no plain data can't be sent ({error})") from None


def _refused(name: str, reason: str) -> RequestError:
    return RequestError(errors.BAD_PARAMS, "", workload=name, reason=reason)
