"""Bytes to message and back: strict, typed, and with one kind of error for whatever a peer may send."""

from __future__ import annotations

import re
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from bridge.core import errors
from bridge.core.messages import (
    MAX_FRAME,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    ClientMessage,
    ServerMessage,
)

Received = TypeVar("Received")

_MISSING = re.compile(r"missing required field `(?P<field>[^`]*)`(?: - at `(?P<at>[^`]*)`)?")
_WRONG_KIND = re.compile(r"Expected `[^`]*`(?: \| `[^`]*`)*, got `[^`]*`")
_PATH = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")


class Codec(Generic[Received]):
    """Encodes what one side sends and decodes what it receives, for one subprotocol.

    Raises `RemoteProtocolError` from `decode`, and nothing else, whatever the bytes are.
    """

    def __init__(self, subprotocol: str, receives: Any, max_frame: int = MAX_FRAME) -> None:
        self.subprotocol = subprotocol
        self.is_text = subprotocol == SUBPROTOCOL_JSON
        self.max_frame = max_frame
        if self.is_text:
            self._decode = msgspec.json.Decoder(receives).decode
            self.encode = msgspec.json.Encoder().encode
        else:
            self._decode = msgspec.msgpack.Decoder(receives, ext_hook=_refuse_extension).decode
            self.encode = msgspec.msgpack.Encoder().encode

    def decode(self, frame: bytes | str) -> Received:
        """The message in `frame` (text for JSON, binary for msgpack)."""
        if isinstance(frame, str) != self.is_text:
            kind = "text" if self.is_text else "binary"
            raise errors.RemoteProtocolError(
                errors.UNDECODABLE, f"{self.subprotocol} takes {kind} frames: send {kind}"
            )
        if len(frame) > self.max_frame:
            raise errors.RemoteProtocolError(
                errors.TOO_BIG, f"{len(frame)} bytes in a frame, at most {self.max_frame}: use a blob"
            )
        try:
            message: Received = self._decode(frame)
        except msgspec.ValidationError as error:
            _explain(str(error))
        except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
            raise errors.RemoteProtocolError(
                errors.UNDECODABLE, f"no {self.subprotocol} message: {error}"
            ) from None
        return message


def server_codec(subprotocol: str, max_frame: int = MAX_FRAME) -> Codec[ClientMessage]:
    """What the server uses: decodes what clients send."""
    return Codec(subprotocol, ClientMessage, max_frame)


def client_codec(subprotocol: str, max_frame: int = MAX_FRAME) -> Codec[ServerMessage]:
    """What a client in this process uses: decodes what the server sends."""
    return Codec(subprotocol, ServerMessage, max_frame)


SUBPROTOCOLS = (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)


def _refuse_extension(code: int, data: memoryview) -> NoReturn:
    raise ValueError(f"msgpack extension type {code} isn't used here")


def _explain(problem: str) -> NoReturn:
    """Turns msgspec's sentence into a close code and a reason that names the field."""
    path = _PATH.search(problem)
    field = path["path"] if path else ""
    if missing := _MISSING.search(problem):
        name = missing["field"]
        where = f"{field}.{name}" if field else name
        raise errors.RemoteProtocolError(errors.MISSING_FIELD, f"field {where!r} is missing: add it") from None
    sentence = problem[: path.start()] if path else problem
    if field == "type" and sentence.startswith("Invalid value"):
        raise errors.RemoteProtocolError(errors.UNKNOWN_TYPE, f"field 'type': {sentence}") from None
    code = errors.WRONG_TYPE if _WRONG_KIND.search(sentence) else errors.WRONG_VALUE
    raise errors.RemoteProtocolError(code, f"field {field or 'message'!r}: {sentence}") from None
