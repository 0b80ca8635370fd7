"""Who gets in, and what they are told."""

from __future__ import annotations

import hmac
import http.client
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.core import access, auth
from bridge.paths import ConnectionFile
from bridge.server.websocket import WebSocketEndpoint
from tests.server.daemons import ThreadDaemon
from tests.server.wire import dial, identity, proof, resume, session

MSGPACK = ["bridge.v1.msgpack"]
NONCE = "0a" * 16
PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "protocol.md").read_text("utf-8")


async def refused(file: ConnectionFile, **options: object) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(file.ws, proxy=None, **options):  # type: ignore[arg-type]
            pass
    return caught.value.response.status_code, bytes(caught.value.response.body or b"").decode()


async def test_a_client_that_asks_for_no_subprotocol_is_told_which_there_are(file: ConnectionFile) -> None:
    status, body = await refused(file)
    assert status == 400
    assert "bridge.v1.msgpack" in body


async def test_each_refused_handshake_has_a_row_in_the_pages_table(
    start: Callable[..., ThreadDaemon],
) -> None:
    _, _, table = PAGE.partition("The server refuses a handshake with an HTTP status")
    rows = re.findall(r"^\| (\d{3}) \|", table.partition("\n## ")[0], re.MULTILINE)
    file = start(connections=1).file
    asks = {"subprotocols": MSGPACK}
    said = [await refused(file), await refused(file, origin="https://evil.example", **asks)]
    said.append(await refused(replace(file, ws=f"{file.ws}/2"), **asks))
    async with session(file):
        said.append(await refused(file, **asks))
    assert [str(status) for status, _ in said] == rows


async def test_a_client_that_asks_for_another_subprotocol_is_refused(file: ConnectionFile) -> None:
    assert (await refused(file, subprotocols=["mqtt"]))[0] == 400


async def test_a_rebound_dns_name_gets_no_socket(file: ConnectionFile) -> None:
    port = urlsplit(file.ws).port
    with pytest.raises(InvalidStatus) as caught:
        async with connect(
            f"ws://evil.example:{port}/ws", host="127.0.0.1", port=port, subprotocols=MSGPACK, proxy=None
        ):
            pass
    assert caught.value.response.status_code == 403


def test_a_rebound_dns_name_gets_no_page(file: ConnectionFile) -> None:
    client = http.client.HTTPConnection(urlsplit(file.http).netloc)
    client.request("GET", "/health", headers={"Host": "evil.example"})
    response = client.getresponse()
    assert response.status == 403
    response.read()
    client.close()


async def test_a_name_from_the_settings_gets_in(start: Callable[..., ThreadDaemon]) -> None:
    file = start(allowed_hosts=["bridge.example"]).file
    port = urlsplit(file.ws).port
    async with connect(
        f"ws://bridge.example:{port}/ws", host="127.0.0.1", port=port, subprotocols=MSGPACK, proxy=None
    ) as socket:
        assert socket.subprotocol == "bridge.v1.msgpack"


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:7757", "null"])
async def test_no_web_page_gets_a_socket(file: ConnectionFile, origin: str) -> None:
    status, _ = await refused(file, subprotocols=MSGPACK, origin=origin)
    assert status == 403


async def test_the_socket_is_nowhere_but_under_its_path(file: ConnectionFile) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(file.ws + "/more", subprotocols=MSGPACK, proxy=None):
            pass


async def test_hello_says_what_the_daemon_is_and_takes(file: ConnectionFile) -> None:
    async with dial(file) as wire:
        assert wire.hello["type"] == "hello"
        assert wire.hello["protocol"] == 1
        assert wire.hello["limits"] == {"frame": 262_144, "inline": 65_536, "inflight": 64}
        assert wire.hello["auth"]["methods"] == ["proof", "token"]


@pytest.mark.parametrize("subprotocol", ["bridge.v1.msgpack", "bridge.v1.json"])
async def test_both_subprotocols_say_the_same(file: ConnectionFile, subprotocol: str) -> None:
    async with session(file, subprotocol) as wire:
        assert {k: v for k, v in wire.ready["workloads"][-1].items() if k != "summary"} == {
            "name": "bridge.echo",
            "version": 1,
        }
        answer = await wire.request(1, "bridge.echo", {"value": ["ü", 1, None]})
        assert answer["value"] == ["ü", 1, None]


async def test_the_first_of_several_subprotocols_that_is_known_is_taken(file: ConnectionFile) -> None:
    async with connect(file.ws, subprotocols=["x", "bridge.v1.json", *MSGPACK], proxy=None) as socket:
        assert socket.subprotocol == "bridge.v1.json"


async def test_both_sides_prove_that_they_know_the_token(file: ConnectionFile) -> None:
    async with dial(file, nonce=NONCE) as wire:
        offer = wire.hello["auth"]
        message = auth.signed_message("local", NONCE, offer["nonce"])
        assert auth.server_proof_matches(offer["proof"], file.token, message)
        await wire.send("identify", **identity(file, auth=proof(file, wire, NONCE)))
        assert (await wire.receive())["type"] == "ready"


async def test_the_one_sided_proof_of_older_clients_opens_the_door(file: ConnectionFile) -> None:
    async with dial(file) as wire:
        assert "proof" not in wire.hello["auth"]
        signed = f"{wire.hello['auth']['nonce']}mine".encode()
        mine = hmac.digest(file.token.encode(), signed, "sha256").hex()
        await wire.send("identify", **identity(file, auth={"proof": mine, "nonce": "mine"}))
        assert (await wire.receive())["type"] == "ready"


async def test_each_session_has_an_http_token_and_the_scopes_of_its_token(file: ConnectionFile) -> None:
    async with session(file) as one, session(file) as two:
        assert one.ready["scopes"] == [*access.LOCAL_SCOPES]
        assert len({one.ready["http_token"], two.ready["http_token"], file.token}) == 3


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"auth": {"token": "wrong"}}, 4009, "auth"),
        ({"auth": {"token": "ü"}}, 4009, "auth"),
        ({"auth": {}}, 4009, "auth"),
        ({"protocol": 2}, 4010, "update the daemon"),
        ({"protocol": 0}, 4010, "update the client"),
        ({"features": ["telepathy"]}, 4012, "telepathy"),
        ({"engine": {"name": "fake", "version": "soon"}}, 4005, "engine.version"),
        ({"project": {"id": "p", "name": "P", "root": "not/absolute"}}, 4005, "project.root"),
        ({"client": {"kind": "toaster", "name": "x", "version": "1"}}, 4005, "client.kind"),
        ({"instance": 7}, 4004, "instance"),
    ],
)
async def test_an_identify_that_cant_be_is_refused_with_its_code(
    file: ConnectionFile, changes: dict[str, object], code: int, says: str
) -> None:
    async with dial(file) as wire:
        await wire.send("identify", **identity(file, **changes))
        closed, reason = await wire.closed()
        assert closed == code
        assert says in (reason or "")


async def test_nothing_may_come_before_identify(file: ConnectionFile) -> None:
    async with dial(file) as wire:
        await wire.send("request", id=1, workload="bridge.echo")
        assert await wire.closed() == (4007, "send 'identify' before anything else")


async def test_a_client_that_doesnt_identify_in_time_is_sent_away(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebSocketEndpoint, "identify_timeout_s", 0.05)
    async with dial(start().file) as wire:
        code, reason = await wire.closed()
        assert code == 4007
        assert "identify" in (reason or "")


async def test_identify_may_be_sent_once(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await wire.send("identify", **identity(file))
        assert (await wire.closed())[0] == 4008


async def test_a_door_that_fails_leaves_no_session_attached(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(daemon.file) as wire:
        pass
    monkeypatch.setattr("bridge.server.handshake.Ready", None)
    async with dial(daemon.file) as again:
        await again.send("identify", **identity(daemon.file, resume=resume(wire)))
        assert (await again.closed())[0] == 4000
    assert not daemon.bridge.sessions.by_id[wire.ready["session"]].session.attached


async def test_a_known_engine_gets_its_adapter(file: ConnectionFile, tmp_path: Path) -> None:
    project = {"id": "p", "name": "p", "root": str(tmp_path)}
    async with session(file, engine={"name": "fake", "version": "2.1"}, project=project) as wire:
        assert wire.ready["adapter"] == {
            "engine": "fake", "range": ">=2,<3", "exact": True,
        }  # fmt: skip
        assert "notice" not in wire.ready


async def test_an_editor_without_a_project_root_is_told_that_advice_is_off(file: ConnectionFile) -> None:
    async with session(file, engine={"name": "fake", "version": "2.1"}) as wire:
        assert "project.root" in wire.ready["notice"]


async def test_an_unknown_engine_is_told_that_advice_is_off(file: ConnectionFile) -> None:
    async with session(file, engine={"name": "quake", "version": "3"}) as wire:
        assert "adapter" not in wire.ready
        assert "quake 3" in wire.ready["notice"]
        assert "fake" in wire.ready["notice"]


async def test_an_engine_older_than_all_adapters_is_told_so(file: ConnectionFile) -> None:
    async with session(file, engine={"name": "fake", "version": "1.0"}) as wire:
        assert "adapter" not in wire.ready
        assert "fake 1.0" in wire.ready["notice"]


async def test_an_engine_newer_than_all_adapters_is_served_by_the_newest(file: ConnectionFile) -> None:
    async with session(file, engine={"name": "fake", "version": "4.0"}) as wire:
        assert wire.ready["adapter"]["exact"] is False
        assert "fake 4.0" in wire.ready["notice"]
