"""Frames that can't be, each with its own close code, and nobody else noticing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from bridge.paths import ConnectionFile
from bridge.server.uvicorn_protocols import BridgeProtocol
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import deaf, dial, identity, session, stall

REQUEST = {"type": "request", "id": 1, "workload": "bridge.echo"}

BAD = {
    "no msgpack": (b"\xc1", 4002, "message"),
    "nothing": (b"", 4002, "message"),
    "text": ("{}", 4002, "binary"),
    "a list": (msgpack.packb([1]), 4004, "message"),
    "a missing field": (msgpack.packb({"type": "request", "id": 1}), 4003, "workload"),
    "no type": (msgpack.packb({"id": 1}), 4003, "type"),
    "a wrong type": (msgpack.packb({**REQUEST, "id": "one"}), 4004, "id"),
    "a wrong value": (msgpack.packb({**REQUEST, "priority": "soon"}), 4005, "priority"),
    "a negative id": (msgpack.packb({**REQUEST, "id": -1}), 4005, "id"),
    "an extension": (msgpack.packb({**REQUEST, "params": {"x": msgpack.ExtType(5, b"")}}), 4002, "extension"),
    "an unknown type": (msgpack.packb({"type": "teleport"}), 4006, "type"),
    "a server's message": (msgpack.packb({"type": "hello"}), 4006, "type"),
    "an ack of the future": (msgpack.packb({"type": "ack", "seq": 1000}), 4005, "seq"),
    "too much": (b"x" * 262_145, 1009, "262144"),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_frame_closes_with_its_code_and_another_session_goes_on(
    file: ConnectionFile, what: str
) -> None:
    frame, code, says = BAD[what]
    async with session(file) as good, session(file) as bad:
        await good.send("request", id=7, workload="test.sleep", params={"seconds": 0.05})
        await bad.socket.send(frame)
        closed, reason = await bad.closed()
        assert closed == code
        assert says in (reason or "")
        assert (await good.until("result", id=7))["value"] == "awake"


async def test_binary_on_the_json_subprotocol_is_refused(file: ConnectionFile) -> None:
    async with session(file, "bridge.v1.json") as wire:
        await wire.socket.send(b"{}")
        code, reason = await wire.closed()
        assert code == 4002
        assert "text" in (reason or "")


async def test_bytes_that_are_no_text_end_a_json_connection(file: ConnectionFile) -> None:
    async with session(file, "bridge.v1.json") as wire:
        await wire.socket.send(b"\xff\xfe", text=True)
        assert (await wire.closed())[0] == 1007


async def test_an_id_may_be_open_once(file: ConnectionFile) -> None:
    async with session(file) as wire:
        for _ in range(2):
            await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.3})
        code, reason = await wire.closed()
        assert code == 4005
        assert "id" in (reason or "")


async def test_unknown_fields_are_passed_over(file: ConnectionFile) -> None:
    async with session(file) as wire:
        assert (await wire.request(1, "bridge.echo", {"value": 1}, colour="red"))["value"] == 1


@pytest.mark.parametrize("subprotocol", ["bridge.v1.msgpack", "bridge.v1.json"])
async def test_answers_of_any_length_arrive_whole(file: ConnectionFile, subprotocol: str) -> None:
    async with session(file, subprotocol) as wire:
        for number, length in enumerate((1, 300, 30_000)):
            # Three bytes each, as UTF-8.
            value = "界" * length
            assert (await wire.request(number, "bridge.echo", {"value": value}))["value"] == value


async def test_a_message_may_come_in_a_few_pieces(file: ConnectionFile) -> None:
    async with session(file) as wire:
        whole = msgpack.packb({**REQUEST, "params": {"value": "x" * 100}})
        await wire.socket.send([whole[:10], whole[10:50], whole[50:]])
        assert (await wire.receive())["value"] == "x" * 100


async def test_a_message_in_too_many_pieces_is_refused(file: ConnectionFile) -> None:
    async with session(file) as wire:
        whole = msgpack.packb({**REQUEST, "params": {"value": "x" * 100}})

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(BridgeProtocol.max_fragments + 1):
                yield whole[at : at + 1]
            # More would meet a closed socket, whose reset may overtake the close frame.
            await wire.socket.wait_closed()

        with contextlib.suppress(ConnectionClosed):
            await wire.socket.send(pieces())
        code, reason = await wire.closed()
        assert code == 1008
        assert "fragments" in (reason or "")


async def test_many_small_messages_at_once_are_all_answered_in_order(file: ConnectionFile) -> None:
    async with session(file) as wire:
        for number in range(300):
            await wire.send("request", id=number, workload="bridge.echo", params={"value": number})
        assert [(await wire.receive())["value"] for _ in range(300)] == list(range(300))


async def test_a_connection_that_is_cut_leaves_its_session_waiting(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        wire.socket.transport.abort()
        await asyncio.to_thread(until, lambda: live.socket is None, "the daemon to notice")
        assert not live.session.attached


async def test_a_failure_of_the_daemon_closes_that_connection_with_4000(
    daemon: ThreadDaemon, caplog: pytest.LogCaptureFixture
) -> None:
    async with session(daemon.file) as good, session(daemon.file) as wire:
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        popups = live.session.popups
        del live.session.popups
        await wire.send("answer", id=1, state="dismissed")
        assert (await wire.closed())[0] == 4000
        # The daemon is others', too.
        live.session.popups = popups
        assert (await good.request(1, "bridge.echo", {"value": 2}))["value"] == 2
    assert "an internal error" in caplog.text


async def test_a_peer_that_stops_reading_is_dropped_and_the_others_dont_notice(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BridgeProtocol, "send_deadline_s", 0.2)
    daemon = start()
    async with session(daemon.file) as good, dial(daemon.file, sock=deaf(daemon.file)) as wire:
        await wire.send("identify", **identity(daemon.file))
        wire.ready = await wire.receive()
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        sending = asyncio.create_task(stall(wire))
        for number in range(20):
            assert (await good.request(number, "bridge.echo", {"value": number}))["value"] == number
        await asyncio.to_thread(until, lambda: live.socket is None, "the daemon to drop the deaf one")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        assert (await good.request(99, "bridge.echo", {"value": 1}))["value"] == 1
        wire.socket.transport.abort()


async def test_a_deaf_peer_to_whom_nothing_more_is_sent_is_dropped_by_its_heartbeat(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BridgeProtocol, "close_deadline_s", 0.1)
    daemon = start(heartbeat_s=0.2)
    async with dial(daemon.file, sock=deaf(daemon.file)) as wire:
        await wire.send("identify", **identity(daemon.file))
        wire.ready = await wire.receive()
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        sending = asyncio.create_task(stall(wire))
        await asyncio.to_thread(until, lambda: live.socket is None, "the daemon to drop the deaf one")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        wire.socket.transport.abort()


async def test_a_client_that_never_acknowledges_is_told_so_before_it_costs_too_much(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.live_session.MAX_UNACKED", 1_000_000)
    async with session(daemon.file) as wire:
        for number in range(10):
            await wire.send("request", id=number, workload="bridge.echo", params={"value": "x" * 150_000})
        code, reason = await wire.closed()
        assert code == 4013
        assert "ack" in (reason or "")


async def test_a_client_with_too_many_messages_unacknowledged_is_told_so(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.core.session.MAX_OUTBOX", 5)
    async with session(daemon.file) as wire:
        for number in range(6):
            await wire.send("request", id=number, workload="bridge.echo")
        assert (await wire.closed())[0] == 4013


async def test_a_client_that_acknowledges_may_go_on_for_ever(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.live_session.MAX_UNACKED", 1_000_000)
    async with session(daemon.file) as wire:
        for number in range(20):
            answer = await wire.request(number, "bridge.echo", {"value": "x" * 150_000})
            await wire.send("ack", seq=answer["seq"])


async def test_nothing_in_the_log_shows_a_token(
    file: ConnectionFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with session(file) as wire:
        await wire.request(1, "bridge.echo")
    assert file.token not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("bridge"))
