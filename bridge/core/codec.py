"""Encodes and decodes wire messages with strict types, and a single kind of error for invalid data."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from math import isfinite
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from bridge.core import errors
from bridge.core.messages import (
    MAX_DEPTH,
    MAX_FRAME,
    MAX_INT,
    MIN_INT,
    SUBPROTOCOL_JSON,
    SUBPROTOCOL_MSGPACK,
    Answer,
    ClientMessage,
    Event,
    Request,
    Result,
    ServerMessage,
)

Received = TypeVar("Received")

# Match only the start: the rest may quote the peer's data.
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`(?: - at `(?P<at>[^`]*)`)?")
_WRONG_KIND = re.compile(r"Expected `[^`]*`(?: \| `[^`]*`)*(?:, got `[^`]*`)?$")
_PATH = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")

_FREE_FIELDS: dict[type, str] = {Request: "params", Result: "value", Event: "data", Answer: "values"}
"""Fields of client messages with arbitrary content, which is checked here."""
_PLAIN_TYPES = frozenset({str, bool, bytes, type(None)})


class Codec(Generic[Received]):
    """Encodes one side's messages and decodes the other's, for one subprotocol.

    `decode` raises only RemoteProtocolError, whatever the bytes.
    """

    def __init__(self, subprotocol: str, receives: Any, max_frame: int = MAX_FRAME) -> None:
        self.subprotocol = subprotocol
        self.is_text = subprotocol == SUBPROTOCOL_JSON
        self.max_frame = max_frame
        if self.is_text:
            self._decode: Callable[[Any], Received] = msgspec.json.Decoder(receives).decode
            self.encode = msgspec.json.Encoder().encode
        else:
            self._decode = msgspec.msgpack.Decoder(receives, ext_hook=_refuse_extension).decode
            self.encode = msgspec.msgpack.Encoder().encode

    def decode(self, frame: bytes | str) -> Received:
        """Decodes a frame, which is text for JSON and bytes for msgpack."""
        if isinstance(frame, str) != self.is_text:
            kind = "text" if self.is_text else "binary"
            raise errors.RemoteProtocolError(
                errors.UNDECODABLE, f"{self.subprotocol} uses {kind} frames: send {kind}"
            )
        size = _size(frame)
        if size > self.max_frame:
            raise errors.RemoteProtocolError(
                errors.TOO_BIG, f"{size} bytes in a frame, at most {self.max_frame}: use a blob"
            )
        try:
            message = self._decode(frame)
        except msgspec.ValidationError as error:
            _explain(str(error))
        except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
            raise errors.RemoteProtocolError(
                errors.UNDECODABLE, f"invalid {self.subprotocol} message: {error}"
            ) from None
        if field := _FREE_FIELDS.get(type(message)):
            _check_each(field, (getattr(message, field),), 0)
        return message


@functools.cache
def server_codec(subprotocol: str, max_frame: int = MAX_FRAME) -> Codec[ClientMessage]:
    """Returns the server's codec, shared by all connections."""
    return Codec(subprotocol, ClientMessage, max_frame)


@functools.cache
def client_codec(subprotocol: str, max_frame: int = MAX_FRAME) -> Codec[ServerMessage]:
    """Returns the client's codec."""
    return Codec(subprotocol, ServerMessage, max_frame)


SUBPROTOCOLS = (SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON)


def _size(frame: bytes | str) -> int:
    """Returns the size of a frame in UTF-8 bytes."""
    if isinstance(frame, str) and not frame.isascii():
        return len(frame.encode("utf-8", "surrogatepass"))
    return len(frame)


def _refuse_extension(code: int, data: memoryview) -> NoReturn:
    raise ValueError(f"msgpack extension type {code} isn't used here")


def _check_each(field: str, values: Iterable[Any], depth: int) -> None:
    """Rejects values that the other subprotocol, the store or an engine can't represent."""
    if depth > MAX_DEPTH:
        _refuse(errors.UNDECODABLE, field, f"nested deeper than {MAX_DEPTH}: flatten it")
    for value in values:
        kind = type(value)
        if kind in _PLAIN_TYPES:
            continue
        if kind is dict:
            _check_keys(field, value)
            _check_each(field, value.values(), depth + 1)
        elif kind is list:
            _check_each(field, value, depth + 1)
        elif kind is float and not isfinite(value):
            _refuse(errors.WRONG_VALUE, field, "number is not finite: send null")
        elif kind is int and not MIN_INT <= value <= MAX_INT:
            _refuse(errors.WRONG_VALUE, field, "integer exceeds 64 bits: send text")
        elif kind is datetime:
            # msgpack itself decodes extension -1, without `_refuse_extension`.
            _refuse(errors.UNDECODABLE, field, "msgpack extension type -1 isn't used here: send text")


def _check_keys(field: str, value: dict[Any, Any]) -> None:
    for key in value:
        if type(key) is not str:
            _refuse(errors.WRONG_TYPE, field, f"map keys must be `str`, not `{type(key).__name__}`")


def _refuse(code: errors.CloseCode, field: str, reason: str) -> NoReturn:
    raise errors.RemoteProtocolError(code, f"field {field!r}: {reason}")


def _explain(problem: str) -> NoReturn:
    """Converts msgspec's error to a close code and a reason that names the field."""
    path = _PATH.search(problem)
    field = path["path"] if path else ""
    if missing := _MISSING.match(problem):
        name = missing["field"]
        where = f"{field}.{name}" if field else name
        raise errors.RemoteProtocolError(
            errors.MISSING_FIELD, f"field {where!r} is missing: add it"
        ) from None
    sentence = problem[: path.start()] if path else problem
    if field == "type" and sentence.startswith("Invalid value"):
        raise errors.RemoteProtocolError(errors.UNKNOWN_TYPE, f"field 'type': {sentence}") from None
    code = errors.WRONG_TYPE if _WRONG_KIND.match(sentence) else errors.WRONG_VALUE
    raise errors.RemoteProtocolError(code, f"field {field or 'message'!r}: {sentence}") from None
