"""What networks do to connections, and what clients and daemon make of it: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.client import transfer
from bridge.client.client import Client
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Answer, Event, Popup, PopupClose
from bridge.paths import ConnectionFile
from bridge.server.uvicorn_protocols import BridgeProtocol
from tests.faults.proxy import FaultProxy, Faults
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import dial, identity, resume, session

BLOB = os.urandom(1 << 20)
NAME = hashlib.sha256(BLOB).hexdigest()


class Editor:
    """A client that comes back through a proxy, and what its handlers saw."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.client: Client | None = None
        self.titles: list[str] = []
        self.closed: list[int] = []

    async def connect(self) -> Client:
        """Takes its session up again, as often as it takes."""
        previous, self.client = self.client, None
        self.client = await Client.connect(
            self._file,
            kind="editor",
            previous=previous,
            on_popup=self._show,
            on_popup_close=self._close,
        )
        return self.client

    async def _show(self, popup: Popup) -> Answer:
        self.titles.append(popup.title)
        return Answer(id=popup.id, state="answered", action="yes")

    async def _close(self, closing: PopupClose) -> None:
        self.closed.append(closing.id)

    async def seen(self, count: int) -> None:
        """Waits until so many popups were shown and their answers confirmed."""

        async def wait() -> None:
            while len(self.titles) < count or len(set(self.closed)) < count:
                await asyncio.sleep(0.01)

        await asyncio.wait_for(wait(), 30)


def titles(count: int) -> list[str]:
    return [f"popup {n}" for n in range(count)]


async def gone(client: Client) -> None:
    await asyncio.wait_for(client.wait_closed(), 30)


@pytest.mark.parametrize("after", [1, 30, 200, 777, 2500])
async def test_a_cut_in_the_middle_of_a_popup_loses_and_doubles_none(
    daemon: ThreadDaemon, tmp_path: Path, after: int
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        editor = Editor(proxy.connection_file)
        client = await editor.connect()
        proxy.down.cut_after = after
        await client.event("test.popup", {"count": 20, "body": "b" * 200})
        await gone(client)
        async with await editor.connect():
            await editor.seen(20)
        assert sorted(editor.titles) == sorted(titles(20))


@pytest.mark.parametrize("after", [1, 3, 40, 80])
async def test_a_cut_in_the_middle_of_a_request_leaves_the_session_whole(
    daemon: ThreadDaemon, tmp_path: Path, after: int
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        editor = Editor(proxy.connection_file)
        client = await editor.connect()
        proxy.up.cut_after = after
        with pytest.raises(RequestError, match="daemon"):
            await client.request("bridge.echo", {"value": "x" * 100})
        async with await editor.connect() as again:
            assert again.ready.resumed
            assert (await again.request("bridge.echo", {"value": 2})).value == 2


async def test_a_cut_in_the_middle_of_an_answer_has_it_sent_again_and_acted_on_once(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    acted = tmp_path / "acted"
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        editor = Editor(proxy.connection_file)
        client = await editor.connect()
        await client.event("test.popup", {"state": {"log": str(acted)}})
        await asyncio.to_thread(until, lambda: editor.titles, "the popup")
        proxy.up.cut_after = 5
        await client.event("test.popup", {"title": "never arrives"})
        await gone(client)
        async with await editor.connect() as again:
            await editor.seen(1)
            await again.request("bridge.echo")
    assert acted.read_text().splitlines() == ["answered yes -"]
    assert editor.titles == ["popup 0"]


async def test_a_reset_is_survived_by_what_was_asked_for(daemon: ThreadDaemon, tmp_path: Path) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        async with session(proxy.file) as wire:
            await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.2})
            await wire.send("request", id=2, workload="bridge.echo")
            await wire.until("result", id=2)
            proxy.reset()
            await wire.closed()
        async with session(proxy.file, resume=resume(wire, 1)) as again:
            assert (await again.receive())["id"] == 1
            assert await again.quiet()


@pytest.mark.parametrize("subprotocol", ["bridge.v1.msgpack", "bridge.v1.json"])
async def test_a_byte_at_a_time_is_as_good_as_all_at_once(
    daemon: ThreadDaemon, tmp_path: Path, subprotocol: str
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        proxy.up.piece = proxy.down.piece = 1
        async with session(proxy.file, subprotocol) as wire:
            await wire.send("event", name="test.popup", data={"count": 3})
            assert [(await wire.until("popup"))["title"] for _ in range(3)] == titles(3)
            assert (await wire.request(1, "bridge.echo", {"value": "é" * 500}))["value"] == "é" * 500


async def test_on_a_slow_line_everything_comes_in_order(daemon: ThreadDaemon, tmp_path: Path) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        proxy.up.delay_s = proxy.down.delay_s = 0.03
        async with session(proxy.file) as wire:
            for number in range(50):
                await wire.send("request", id=number, workload="bridge.echo", params={"value": number})
            found = [await wire.receive() for _ in range(50)]
            assert [m["value"] for m in found] == list(range(50))
            assert [m["seq"] for m in found] == list(range(1, 51))


async def test_a_half_open_connection_is_dropped_by_its_heartbeat_and_resumed(
    start: Callable[..., ThreadDaemon], tmp_path: Path
) -> None:
    daemon = start(heartbeat_s=0.2)
    async with FaultProxy(daemon.file, tmp_path) as proxy, session(proxy.file) as wire:
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        proxy.up.silent = proxy.down.silent = True
        await asyncio.to_thread(until, lambda: live.socket is None, "the daemon to drop it")
        proxy.up, proxy.down = Faults(), Faults()
        daemon.look(lambda: daemon.bridge.flows.event(live, Event(name="test.popup", data={"count": 2})))
        async with session(proxy.file, resume=resume(wire)) as again:
            assert [(await again.until("popup"))["title"] for _ in range(2)] == titles(2)
            assert await again.quiet()
        wire.socket.transport.abort()


async def test_a_client_that_hears_nothing_takes_its_session_over_from_its_dead_connection(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        editor = Editor(proxy.connection_file)
        first = await editor.connect()
        proxy.down.silent = True
        await first.event("test.popup", {"count": 3})
        live = daemon.bridge.sessions.by_id[first.ready.session]
        await asyncio.to_thread(until, lambda: live.session.seq == 3, "the popups")
        proxy.up, proxy.down = Faults(), Faults()
        async with await editor.connect():
            await editor.seen(3)
        assert editor.titles == titles(3)
        proxy.reset()
        await gone(first)


async def test_a_peer_behind_a_line_that_stalls_is_dropped_and_gets_all_when_it_comes_back(
    start: Callable[..., ThreadDaemon], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        async with session(proxy.file) as wire:
            live = daemon.bridge.sessions.by_id[wire.ready["session"]]
            proxy.down.stall()
            # Not for what follows: on a busy machine a peer may be as slow as that.
            with monkeypatch.context() as impatient:
                impatient.setattr(BridgeProtocol, "send_deadline_s", 0.3)
                for number in range(60):
                    await wire.send("request", id=number, workload="test.make", params={"bytes": 200_000})
                await asyncio.to_thread(until, lambda: live.socket is None, "the daemon to drop it")
            await asyncio.to_thread(until, lambda: live.session.seq == 60, "the answers")
            wire.socket.transport.abort()
        proxy.heal()
        async with session(proxy.file, resume=resume(wire)) as again:
            found = [await again.receive() for _ in range(60)]
            assert [m["seq"] for m in found] == list(range(1, 61))
            assert {m["id"] for m in found} == set(range(60))


def test_a_peer_that_stops_reading_is_given_ten_seconds_at_most() -> None:
    assert BridgeProtocol.send_deadline_s + BridgeProtocol.close_deadline_s <= 12
    assert BridgeProtocol.send_deadline_s <= 10


async def test_a_handshake_that_never_ends_costs_a_connection_and_nothing_else(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        for after in (0, 1, 40, 150, 250):
            proxy.up.cut_after = after
            with pytest.raises(UserError):
                await Client.connect(proxy.connection_file)
            proxy.heal()
        async with session(proxy.file) as wire:
            assert (await wire.request(1, "bridge.echo"))["type"] == "result"


async def test_an_identify_that_is_cut_leaves_no_session(daemon: ThreadDaemon, tmp_path: Path) -> None:
    before = len(daemon.bridge.sessions)
    async with FaultProxy(daemon.file, tmp_path) as proxy, dial(proxy.file) as wire:
        proxy.up.cut_after = 20
        await wire.send("identify", **identity(proxy.file))
        await wire.closed()
    assert len(daemon.bridge.sessions) == before


# Bytes.


def put(file: ConnectionFile, data: bytes = BLOB) -> str:
    return transfer.put(file, data, threading.Event())


def get(file: ConnectionFile, name: str = NAME) -> bytes:
    return transfer.get(file, name, None, threading.Event())


@pytest.mark.parametrize("after", [10, 1000, 500_000, len(BLOB)])
async def test_an_upload_that_is_cut_goes_on_where_it_broke(
    daemon: ThreadDaemon, tmp_path: Path, after: int
) -> None:
    data = BLOB + after.to_bytes(4, "big")
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        proxy.up.cut_after = after
        name = await asyncio.to_thread(put, proxy.file, data)
        assert await asyncio.to_thread(get, daemon.file, name) == data


@pytest.mark.parametrize("after", [1, 100, 600_000])
async def test_a_download_that_is_cut_is_whole_in_the_end(
    daemon: ThreadDaemon, tmp_path: Path, after: int
) -> None:
    await asyncio.to_thread(put, daemon.file)
    async with FaultProxy(daemon.file, tmp_path) as proxy:
        proxy.down.cut_after = after
        assert await asyncio.to_thread(get, proxy.file) == BLOB


async def test_bytes_come_whole_over_a_slow_line_while_messages_go_on(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with FaultProxy(daemon.file, tmp_path) as proxy, session(daemon.file) as wire:
        proxy.up.delay_s = proxy.down.delay_s = 0.002
        moving = asyncio.create_task(asyncio.to_thread(lambda: (put(proxy.file), get(proxy.file))[1]))
        number = 0
        while not moving.done():
            number += 1
            assert (await wire.request(number, "bridge.echo"))["type"] == "result"
            await wire.send("ack", seq=number)
        assert await moving == BLOB
