"""docs/reference/protocol.md: everything that a client in another language needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from bridge.core import access, auth, codec, errors, messages, session
from bridge.core.messages import CLIENT_MESSAGES, EVENT_DATA, SERVER_MESSAGES
from bridge.core.settings import SETTINGS
from bridge.server import blobs, commands, handshake, live_session
from bridge.server.scheduler import MAX_CRASHES, MAX_DEATHS
from bridge.server.uvicorn_protocols import BridgeProtocol, HttpProtocol
from tools.generators import _first_party, _markdown, _records

TARGET = Path("docs/reference/protocol.md")
SOURCE = "bridge/core (messages.py, parts.py, errors.py) or tools/generators/templates/protocol.md"
TOKEN = "local.Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHJlYWwgc2VjcmU"
CLIENT_NONCE, SERVER_NONCE = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
SIGNED = auth.signed_message("local", CLIENT_NONCE, SERVER_NONCE)
SERVER_PROOF = auth.server_proof(auth.verifier(TOKEN).server_key, SIGNED)
CLIENT_PROOF = auth.client_proof(TOKEN, SIGNED)
RECEIPTS_LIST = {
    "limit": "Maximum number of receipts.",
    "before": "Only receipts with lower ids; pass the last `id` to get the next page.",
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
        "peer_requests_s": defaults["limits.peer_requests_s"],
        "requests_s": defaults["limits.requests_s"],
        "failed_attempts": defaults["limits.failed_attempts"],
        "body_bytes_s": defaults["limits.body_bytes_s"],
        "body_grace_s": f"{blobs.GRACE_S:.0f}",
        "request_deadline_s": f"{HttpProtocol.request_deadline_s:.0f}",
        "read_deadline_s": f"{HttpProtocol.read_deadline_s:.0f}",
        "rest_deadline_s": f"{HttpProtocol.rest_deadline_s:.0f}",
        "proven_rest_deadline_s": f"{HttpProtocol.proven_rest_deadline_s:.0f}",
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
        "token": TOKEN,
        "client_nonce": CLIENT_NONCE,
        "server_nonce": SERVER_NONCE,
        "server_proof": SERVER_PROOF,
        "client_proof": CLIENT_PROOF,
        "receipts_list": _markdown.fields(_struct(commands.ListParams), RECEIPTS_LIST),
        "receipts_revert": _markdown.fields(
            _struct(commands.RevertParams),
            {
                "id": "The receipt's id.",
                "editor": "The session of the editor that does it. If several have the project open, "
                "`ambiguous_editor` lists them; if the project was moved, the hint of `editor_gone` does.",
            },
        ),
        "receipt": _fields(_struct(commands.ReceiptView)),
        "messages": "\n\n".join(map(_message, infos)),
        "parts": "\n\n".join(map(_part, _parts(infos))),
        "event_data": "\n\n".join(map(_part, [*(data := [*map(_struct, EVENT_DATA)]), *_parts(data)])),
        "close_codes": _markdown.table(
            ("code", "name", "meaning"),
            ((str(c.code), f"`{c.name}`", c.text) for c in errors.CLOSE_CODES),
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

    def add(info: inspect.StructType) -> None:
        for field in info.fields:
            for part in _within(field.type):
                if part.cls not in found:
                    found[part.cls] = part
                    add(part)

    for info in infos:
        add(info)
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
    return "\n\n".join(
        f"### {title}\n\n{text}\n\n" + "\n\n".join(_frame(sender, message) for sender, message in step)
        for title, text, step in _exchange()
    )


Step = tuple[str, str, list[tuple[str, Any]]]


def _exchange() -> Iterator[Step]:
    """Heading, explanation and frames of each step."""
    m = messages
    hello = m.Hello(
        protocol=m.PROTOCOL,
        features=["blobs"],
        server=m.ServerInfo(name="popbridge", version=_first_party.release(), instance="5f1c"),
        limits=m.Limits(frame=m.MAX_FRAME, inline=m.MAX_INLINE, inflight=64),
        heartbeat_s=20.0,
        auth=m.AuthOffer(methods=["proof", "token"], nonce=SERVER_NONCE, proof=SERVER_PROOF),
    )
    identify = m.Identify(
        protocol=m.PROTOCOL,
        client=m.ClientInfo(kind="editor", name="example", version="1"),
        instance="77aa",
        auth=m.AuthProof(id="local", nonce=CLIENT_NONCE, proof=CLIENT_PROOF),
        engine=m.EngineInfo(name="godot", version="4.6.stable"),
        project=m.ProjectInfo(id="9c2e", name="Game", root="/home/ada/game"),
    )
    path = "res://rock_normal.png"
    change = {"path": path, "options": {"compress/normal_map": 1}}
    before = {"path": path, "options": {"compress/normal_map": 0}}
    yield (
        "1. Open a session",
        "`ready` is shortened here: it also lists the workloads and describes the adapter.",
        [
            ("server", hello),
            ("client", identify),
            ("server", _ready(resume_token="r1", resumed=False)),
        ],
    )
    yield (
        "2. Event",
        "The editor reports an import. Events aren't acknowledged.",
        [
            (
                "client",
                m.Event(
                    name="asset.imported",
                    data={
                        "batch": 1,
                        "more": False,
                        "assets": [
                            {
                                "path": path,
                                "file": "rock_normal.png",
                                "type": "texture",
                                "options": {"compress/normal_map": 0},
                            }
                        ],
                    },
                ),
            )
        ],
    )
    yield (
        "3. Popup",
        "The popup is the session's first numbered message. The client shows it and acknowledges it.",
        [
            (
                "server",
                m.Popup(
                    id=7,
                    kind="texture.import",
                    title="Import settings to fix: 1 texture",
                    body="`rock_normal.png` is imported as colour.",
                    actions=[
                        m.Action(id="apply", label="Fix 1 texture", style="primary"),
                        m.Action(id="later", label="Not now"),
                    ],
                    severity="warning",
                    seq=1,
                ),
            ),
            ("client", m.Ack(seq=1)),
        ],
    )
    yield (
        "4. Answer",
        "The user presses the first button. The client keeps the answer until `popup_close` confirms it.",
        [
            ("client", m.Answer(id=7, state="answered", action="apply")),
            ("server", m.PopupClose(id=7, reason="answered")),
        ],
    )
    yield (
        "5. Command",
        "The editor changes the setting, imports the texture again and answers with what it observed. The "
        "answer has been sent, so the command is handled and acknowledged.",
        [
            (
                "server",
                m.Command(id=3, name="texture.apply", args={"changes": [change]}, deadline_ms=60_000, seq=2),
            ),
            ("client", m.Result(id=3, value={"before": [before], "after": [change], "errors": []})),
            ("client", m.Ack(seq=2)),
        ],
    )
    yield (
        "6. Resume",
        "The connection breaks before the next popup arrives. The client reads `connection.json`, connects, "
        "and names the session and the highest number that it handled. The missed message follows `ready`.",
        [
            ("server", hello),
            (
                "client",
                msgspec.structs.replace(identify, resume=m.Resume(session="s1", token="r1", last_seq=2)),
            ),
            (
                "server",
                _ready(resume_token="r2", resumed=True, popups=[8]),
            ),
            (
                "server",
                m.Popup(
                    id=8,
                    kind="texture.applied",
                    title="Fixed 1 texture",
                    body="",
                    actions=[m.Action(id="undo", label="Undo")],
                    expires_ms=120_000,
                    present="toast",
                    seq=3,
                ),
            ),
            ("client", m.Ack(seq=3)),
        ],
    )


def _ready(**fields: Any) -> messages.Ready:
    scopes = list(access.LOCAL_SCOPES)
    return messages.Ready(session="s1", workloads=[], http_token="h1", scopes=scopes, **fields)


def _frame(sender: str, message: Any) -> str:
    packed, text = msgspec.msgpack.encode(message), msgspec.json.encode(message).decode()
    return f"{sender.capitalize()} sends:\n\n```json\n{text}\n```\n\n```text\n{_hex_dump(packed)}\n```"


def _hex_dump(data: bytes) -> str:
    rows = (data[at : at + 16] for at in range(0, len(data), 16))
    return "\n".join(f"{row.hex(' '):<47}  {_printable(row)}" for row in rows)


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
