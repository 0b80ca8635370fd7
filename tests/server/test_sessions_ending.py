"""Clients that are done: their sessions end with them, unless something is owed to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.api import UserError
from bridge.client.client import Client
from bridge.core.messages import DONE_CODE, DONE_REASON
from tests.server.advised import APPLIED, answered, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, resume, session


async def lost(daemon: ThreadDaemon, session_id: str) -> None:
    """Waits until the daemon has seen the end of the connection."""

    def gone() -> bool:
        live = daemon.bridge.sessions.by_id.get(session_id)
        return live is None or live.socket is None

    await asyncio.to_thread(until, lambda: daemon.look(gone), "the end of the connection")


async def stays(daemon: ThreadDaemon, wire: Wire) -> bool:
    """Whether the session is there after its client said that it is done."""
    await wire.socket.close(DONE_CODE, DONE_REASON)
    await lost(daemon, wire.ready["session"])
    return wire.ready["session"] in daemon.bridge.sessions.by_id


async def test_the_session_of_a_client_that_is_done_is_over_at_once(daemon: ThreadDaemon) -> None:
    where = daemon.paths.connection_file
    client = await Client.connect(where)
    assert (await client.request("bridge.echo", {"value": 1}, key="leaving")).value == 1
    await client.close(done=True)
    name = client.ready.session
    await asyncio.to_thread(until, lambda: name not in daemon.bridge.sessions.by_id, "its end")
    with pytest.raises(UserError, match="4011"):
        await Client.connect(where, previous=client)


async def test_it_is_over_for_the_next_daemon_too(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start("first")
    client = await Client.connect(daemon.paths.connection_file)
    await client.close(done=True)
    stored = "SELECT closed FROM sessions"

    def closed() -> bool:
        return bool(daemon.call(daemon.bridge.store.read(lambda c: c.execute(stored).fetchall() == [(1,)])))

    await asyncio.to_thread(until, closed, "its end in the database")


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, DONE_REASON), (4000, DONE_REASON)])
async def test_a_client_that_doesnt_say_so_may_come_back(
    daemon: ThreadDaemon, code: int, reason: str
) -> None:
    async with session(daemon.file) as wire:
        await wire.socket.close(code, reason)
    await lost(daemon, wire.ready["session"])
    async with session(daemon.file, resume=resume(wire)) as again:
        assert again.ready["resumed"]


async def test_an_answer_that_isnt_acknowledged_waits_for_who_said_to_be_done(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "bridge.echo", {"value": 5}, key="unread")
        assert await stays(daemon, wire)
    async with session(daemon.file, resume=resume(wire)) as again:
        assert await again.receive() == answer
        await again.send("ack", seq=answer["seq"])
        assert not await stays(daemon, again)


async def test_a_job_that_goes_on_keeps_its_session(daemon: ThreadDaemon, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    params = {"log": str(tmp_path / "log"), "hold": str(hold)}
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.moment", params=params, key="goes on")
        await wire.until("accepted")
        assert await stays(daemon, wire)
    hold.unlink()
    async with session(daemon.file, resume=resume(wire)) as again:
        assert (await again.until("result", id=1))["value"]


async def test_what_an_answer_asks_for_waits_for_who_said_to_be_done_before(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    async with session(daemon.file) as wire:
        shown = await popup(wire, state={"hold": str(hold), "commands": 1})
        await wire.send("ack", seq=shown["seq"])
        assert await answered(wire, shown) == "answered"
        assert await stays(daemon, wire)
    hold.unlink()
    async with session(daemon.file, resume=resume(wire, shown["seq"])) as again:
        command = await again.until("command")
        await again.send("result", id=command["id"], value=APPLIED)
        await again.send("ack", seq=command["seq"])
        await acted(daemon, again)
        assert not await stays(daemon, again)


async def test_what_an_answer_asks_for_outlasts_the_keep_time_of_its_session(
    start: Callable[..., ThreadDaemon], tmp_path: Path
) -> None:
    daemon = start(session__keep_s=0.3)
    hold = tmp_path / "hold"
    hold.touch()
    async with session(daemon.file) as wire:
        shown = await popup(wire, state={"hold": str(hold), "commands": 1})
        assert await answered(wire, shown) == "answered"
    await lost(daemon, wire.ready["session"])
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    # Its time was over, and has begun anew.
    first = live.session._detached_at
    await asyncio.to_thread(until, lambda: live.ended or live.session._detached_at != first, "its time")
    hold.unlink()
    await asyncio.to_thread(until, lambda: daemon.receipt(1), "the command")


async def acted(daemon: ThreadDaemon, wire: Wire) -> None:
    """Waits until nothing is owed to a client any more, be it by an advisor that acts on its answer."""
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    await asyncio.to_thread(until, lambda: not daemon.look(lambda: live.is_owed), "the end of what is owed")


async def test_a_popup_on_the_screen_keeps_its_session(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        shown = await popup(wire)
        await wire.send("ack", seq=shown["seq"])
        assert await stays(daemon, wire)
    async with session(daemon.file, resume=resume(wire, shown["seq"])) as again:
        await again.send("answer", id=shown["id"], state="dismissed")
        await again.until("popup_close")
        await acted(daemon, again)
        assert not await stays(daemon, again)
