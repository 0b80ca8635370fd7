"""docs/protocol.md: all that a client in another language has to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from bridge.core import auth, codec, errors, messages, session
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES
from bridge.core.router import MAX_CRASHES, MAX_DEATHS
from bridge.core.settings import SETTINGS
from bridge.server import blobs, commands, handshake, live_session
from bridge.server.uvicorn_protocols import BridgeProtocol
from tools.generators import _markdown, _records

TARGET = Path("docs/protocol.md")
SOURCE = "bridge/core (messages.py, parts.py, errors.py) or tools/generators/templates/protocol.md"
RECEIPTS_LIST = {
    "limit": "How many at most.",
    "before": "Only those with lower ids: the last one's `id` gives those that follow it.",
}


def files() -> dict[Path, str]:
    return {TARGET: _markdown.fill("protocol.md", _facts())}


def _facts() -> dict[str, object]:
    infos = [_struct(message) for message in dict.fromkeys(_in_order())]
    defaults = {setting.name: setting.default for setting in SETTINGS}
    return {
        "notice": _markdown.NOTICE.format(source=SOURCE),
        "protocol": messages.PROTOCOL,
        "subprotocols": _markdown.table(("subprotocol", "frames", "bytes"), _subprotocols()),
        "max_frame": messages.MAX_FRAME,
        "max_inline": defaults["inline"],
        "max_depth": messages.MAX_DEPTH,
        "max_fragments": BridgeProtocol.max_fragments,
        "done_code": messages.DONE_CODE,
        "done_reason": messages.DONE_REASON,
        "max_outbox": session.MAX_OUTBOX,
        "max_unacked": live_session.MAX_UNACKED >> 20,
        "send_deadline_s": f"{BridgeProtocol.send_deadline_s:.0f}",
        "identify_timeout_s": f"{messages.IDENTIFY_TIMEOUT_S:.0f}",
        "connections": defaults["connections"],
        "connections_unidentified": defaults["connections_unidentified"],
        "inflight": defaults["session.inflight"],
        "journal_keep_h": f"{defaults['journal.keep_s'] / 3600:.0f}",
        "max_crashes": MAX_CRASHES,
        "max_deaths": MAX_DEATHS,
        "keep_s": f"{defaults['session.keep_s']:.0f}",
        "heartbeat_s": f"{defaults['heartbeat_s']:.0f}",
        "blob_max": defaults["blobs.max_size"],
        "blob_quota": defaults["blobs.quota"],
        "blob_keep_s": f"{defaults['blobs.keep_s']:.0f}",
        "upload_idle_s": f"{blobs.IDLE_S:.0f}",
        "upload_stall_s": f"{blobs.STALL_S:.0f}",
        "features": ", ".join(f"`{feature}`" for feature in sorted(handshake.FEATURES)),
        "proof": auth.proof("token", "0a1b", "2c3d"),
        "receipts_list": _markdown.fields(_struct(commands.ListParams), RECEIPTS_LIST),
        "receipts_revert": _markdown.fields(
            _struct(commands.RevertParams),
            {
                "id": "The receipt's.",
                "editor": "The session of the editor to do it: where several have the project open, the "
                "error `ambiguous_editor` lists them; where it was moved since, the hint of `editor_gone` "
                "does.",
            },
        ),
        "receipt": _fields(_struct(commands.Shown)),
        "messages": "\n\n".join(map(_message, infos)),
        "parts": "\n\n".join(map(_part, _parts(infos))),
        "close_codes": _markdown.table(
            ("code", "name", "what it means"),
            ((str(c.code), f"`{c.name}`", c.says) for c in errors.CLOSE_CODES),
        ),
        "example": _example(),
    }


def _subprotocols() -> Iterator[tuple[str, str, str]]:
    for name in codec.SUBPROTOCOLS:
        is_text = name == messages.SUBPROTOCOL_JSON
        yield (
            f"`{name}`",
            "text, JSON" if is_text else "binary, msgpack",
            "base64 (RFC 4648 §4)" if is_text else "bin",
        )


def _in_order() -> Iterator[type[messages.Message]]:
    """As they are declared, which is the order in which a session meets them."""
    either = set(CLIENT_MESSAGES + SERVER_MESSAGES)
    for value in vars(messages).values():
        if isinstance(value, type) and issubclass(value, messages.Message) and value in either:
            yield value


def _struct(cls: type) -> inspect.StructType:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info


def _message(info: inspect.StructType) -> str:
    sides = {"client": CLIENT_MESSAGES, "server": SERVER_MESSAGES}
    source = " and ".join(side for side, own in sides.items() if info.cls in own)
    return f"### {info.tag}\n\nSent by the {source}. {_markdown.summary(info.cls)}\n\n{_fields(info)}"


def _fields(info: inspect.StructType) -> str:
    own = [cls for cls in reversed(info.cls.__mro__) if cls.__module__.startswith("bridge.")]
    return _markdown.fields(info, {a.name: a.says for cls in own for a in _records.attributes(cls)})


def _part(info: inspect.StructType) -> str:
    says = _markdown.summary(info.cls)
    return "\n\n".join(filter(None, (f"### {info.cls.__name__}", says, _fields(info))))


def _parts(infos: Iterable[inspect.StructType]) -> list[inspect.StructType]:
    """Every struct inside of messages, each once, in the order in which it is met."""
    found: dict[type, inspect.StructType] = {}
    for info in infos:
        for field in info.fields:
            for part in _within(field.type):
                found.setdefault(part.cls, part)
                found.update({inner.cls: inner for inner in _parts([part]) if inner.cls not in found})
    return list(found.values())


def _within(info: inspect.Type) -> Iterator[inspect.StructType]:
    match info:
        case inspect.StructType():
            yield info
        case inspect.Metadata():
            yield from _within(info.type)
        case inspect.ListType():
            yield from _within(info.item_type)
        case inspect.UnionType():
            for option in info.types:
                yield from _within(option)


def _example() -> str:
    return "\n\n".join(_frame(sender, message) for sender, message in _exchange())


def _exchange() -> Iterator[tuple[str, Any]]:
    m = messages
    yield (
        "server",
        m.Hello(
            protocol=m.PROTOCOL,
            features=["blobs"],
            server=m.ServerInfo(name="popbridge", version="0.1.0", instance="5f1c"),
            limits=m.Limits(frame=m.MAX_FRAME, inline=m.MAX_INLINE, inflight=64),
            heartbeat_s=20.0,
            auth=m.AuthOffer(methods=["token", "proof"], nonce="0a1b"),
        ),
    )
    yield (
        "client",
        m.Identify(
            protocol=m.PROTOCOL,
            client=m.ClientInfo(kind="tool", name="example", version="1"),
            instance="77aa",
            auth=m.AuthProof(token="token"),
        ),
    )
    yield "server", m.Ready(session="s1", resume_token="r1", resumed=False, workloads=[])
    yield "client", m.Request(id=1, workload="bridge.echo", params={"value": "hi"})
    yield "server", m.Result(id=1, value="hi", seq=1)
    yield "client", m.Ack(seq=1)


def _frame(sender: str, message: Any) -> str:
    packed, text = msgspec.msgpack.encode(message), msgspec.json.encode(message).decode()
    return f"{sender.capitalize()} sends:\n\n```json\n{text}\n```\n\n```text\n{_hex_dump(packed)}\n```"


def _hex_dump(data: bytes) -> str:
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join(f"{row.hex(' '):<47}  {_printable(row)}" for row in rows)


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
