"""Test vectors for every message: frames with what must become of them, in both subprotocols.

Made from the types, and written by other codecs than the daemon's, so that they check it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
from msgspec import Struct, inspect

from bridge.core import errors
from bridge.core.messages import CLIENT_MESSAGES, MAX_DEPTH, SERVER_MESSAGES
from tools.generators import _examples

FOLDER = Path("tests/vectors/messages")


class Case(Struct, omit_defaults=True):
    """One frame. `close` is 0 where it must be accepted; a frame that a subprotocol can't say is None."""

    name: str
    receivers: list[str]
    msgpack: str | None
    """The binary frame, hex."""
    json: str | None
    """The text frame."""
    close: int = 0
    field: str = ""
    """What the reason must name."""


def files() -> dict[Path, str]:
    every = dict.fromkeys(CLIENT_MESSAGES + SERVER_MESSAGES)
    infos = [inspect.type_info(message) for message in every]
    texts = {str(info.tag): list(_cases(info)) for info in infos if isinstance(info, inspect.StructType)}
    texts["frame"] = list(_frames())
    return {FOLDER / f"{name}.json": _text(cases) for name, cases in texts.items()}


def _cases(info: inspect.StructType) -> Iterator[Case]:
    receivers = _receivers(info.cls)
    tag = str(info.tag)
    yield accept("minimal", receivers, _examples.minimal(info))
    yield accept("full", receivers, _examples.full(info))
    yield accept("unknown-field", receivers, _examples.minimal(info) | {"added_later": [1]})
    if "server" not in receivers:
        yield reject("wrong-direction", ["server"], _examples.minimal(info), errors.UNKNOWN_TYPE, "type")
    for mistake in _examples.mistakes(info):
        label = f"{mistake.kind.name.replace('_', '-')}-{mistake.path}{mistake.note}"
        yield reject(label, receivers, mistake.value, mistake.kind, mistake.path)
    if tag == "event":
        yield accept("free-values", receivers, {"type": "event", "name": "n", "data": _examples.FREE_VALUES})


def _receivers(message: type) -> list[str]:
    sides = {"server": CLIENT_MESSAGES, "client": SERVER_MESSAGES}
    return [side for side, messages in sides.items() if message in messages]


def accept(label: str, receivers: list[str], value: Any) -> Case:
    return Case(f"accept-{label}", receivers, _packed(value), _text_frame(value))


def reject(label: str, receivers: list[str], value: Any, close: errors.CloseCode, field: str) -> Case:
    return Case(f"reject-{label}", receivers, _packed(value), _text_frame(value), close.code, field)


def _frames() -> Iterator[Case]:
    """What is wrong with a frame before it is any message."""
    server, both = ["server"], ["server", "client"]
    cancel = {"type": "cancel", "id": 1}
    yield reject("no-type", both, {"id": 1}, errors.MISSING_FIELD, "type")
    yield reject("type-of-wrong-type", both, {"type": 1}, errors.WRONG_TYPE, "type")
    yield reject("unknown-type", both, {"type": "teleport", "id": 1}, errors.UNKNOWN_TYPE, "type")
    yield reject("array", both, [cancel], errors.WRONG_TYPE, "message")
    yield reject("number", both, 1, errors.WRONG_TYPE, "message")
    whole = msgpack.packb(cancel)
    for label, frame in {"empty": b"", "truncated": whole[:-1], "two-messages": whole * 2}.items():
        yield Case(f"reject-{label}", both, frame.hex(), None, errors.UNDECODABLE.code)
    for name, text in {
        "empty": "",
        "truncated": '{"type":"cancel"',
        "two-messages": '{"type":"cancel","id":1}{}',
    }.items():
        yield Case(f"reject-{name}-text", both, None, text, errors.UNDECODABLE.code)
    for name, (value, close) in _bad_free_values().items():
        event = {"type": "event", "name": "n", "data": {"a": value}}
        yield Case(f"reject-{name}", server, _packed(event), None, close.code)
    nested: Any = 1
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    yield accept("deepest", server, {"type": "event", "name": "n", "data": {"a": nested}})
    deeper = {"type": "event", "name": "n", "data": {"a": [nested]}}
    yield reject("too-deep", server, deeper, errors.UNDECODABLE, "data")
    huge = '{"type":"event","name":"n","data":{"a":18446744073709551616}}'
    yield Case("reject-integer-of-65-bits-text", server, None, huge, errors.WRONG_VALUE.code, "data")


def _bad_free_values() -> dict[str, tuple[Any, errors.CloseCode]]:
    return {
        "timestamp": (msgpack.Timestamp(1), errors.UNDECODABLE),
        "extension": (msgpack.ExtType(5, b""), errors.UNDECODABLE),
        "not-a-number": (float("nan"), errors.WRONG_VALUE),
        "infinity": (float("inf"), errors.WRONG_VALUE),
        "key-of-wrong-type": ({1: 2}, errors.WRONG_TYPE),
    }


def _packed(value: Any) -> str:
    packed: bytes = msgpack.packb(value)
    return packed.hex()


def _text_frame(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_base64)


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


def _text(cases: list[Case]) -> str:
    lines = ",\n".join(json.dumps(_as_map(case), ensure_ascii=False) for case in cases)
    return f"[\n{lines}\n]\n"


def _as_map(case: Case) -> dict[str, Any]:
    return {name: getattr(case, name) for name in case.__struct_fields__}
