"""More than the daemon can do at once: what goes first, what is refused and until when, what is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from bridge.client.client import Client
from bridge.core.router import MAX_RETRY_MS, MIN_RETRY_MS
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, dial, identity, resume, session

pytestmark = pytest.mark.own_workers

Start = Callable[..., ThreadDaemon]


async def ask(wire: Wire, numbers: range, priority: str, seconds: float = 0.02) -> None:
    for number in numbers:
        await wire.send(
            "request", id=number, workload="test.sleep", params={"seconds": seconds}, priority=priority
        )


@asynccontextmanager
async def occupied(daemon: ThreadDaemon, **fields: Any) -> AsyncIterator[Wire]:
    """A session whose request 1 holds the only worker until it is cancelled."""
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 60}, **fields)
        await asyncio.to_thread(until, lambda: doing(daemon) == ["test.sleep"], "the worker to begin")
        yield wire


def doing(daemon: ThreadDaemon) -> list[str]:
    pool = daemon.bridge._executor.queues[0].pool
    assert pool is not None
    return [state.doing for state in daemon.look(lambda: pool.states) if state.busy]


# What goes first.


async def test_a_popups_work_overtakes_bulk_and_bulk_is_done_all_the_same(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_bytes(b"seen")
    async with session(start().file, project={"id": "p", "name": "P", "root": str(tmp_path)}) as wire:
        await ask(wire, range(40), "bulk")
        await wire.send("event", name="test.run", data={"path": str(tmp_path / "in.txt")})
        came = [message for _ in range(81) if (message := await wire.receive())["type"] != "accepted"]
    shown = next(at for at, message in enumerate(came) if message["type"] == "popup")
    assert "seen" in came[shown]["body"]
    assert shown < 10
    assert sum(message["type"] == "result" for message in came) == 40


async def test_bulk_moves_while_more_and_more_urgent_work_comes(start: Start) -> None:
    async with session(start(session__inflight=64).file) as wire:
        await ask(wire, range(1), "normal", 0.2)
        await ask(wire, range(1, 3), "bulk")
        await ask(wire, range(3, 60), "interactive")
        order = [(await wire.until("result"))["id"] for _ in range(60)]
    assert order.index(3) < order.index(1)
    assert order.index(1) < order.index(30)
    assert order.index(2) < 59


# What is refused, and until when.


async def test_a_refusal_says_when_to_ask_again_by_what_is_ahead(start: Start) -> None:
    daemon = start(session__inflight=2)
    async with session(daemon.file) as wire:
        await wire.request(1, "test.sleep", {"seconds": 0.5})
        took = daemon.look(lambda: daemon.bridge.dispatch._router.load.means["test.sleep"])
        await ask(wire, range(2, 5), "normal", 0.5)
        refused = await wire.until("error")
        assert (refused["code"], refused["outcome"], refused["id"]) == ("overloaded", "not_started", 4)
        # Half of what two take.
        assert refused["retry_after_ms"] == round(took * 1000) >= 500
        # Nothing that goes before it is open.
        bulk = await wire.request(5, "test.sleep", priority="interactive")
        assert bulk["retry_after_ms"] == MIN_RETRY_MS


@pytest.mark.usefixtures("impatient")
async def test_bulk_cant_take_what_is_left_for_editors(start: Start) -> None:
    async with AsyncExitStack() as open_:
        daemon = start(requests__inflight=4)
        one, other = [await open_.enter_async_context(session(daemon.file)) for _ in range(2)]
        await ask(one, range(3), "bulk", 60)
        refused = await one.until("error")
        assert "The daemon has 2 open requests of priority bulk" in refused["message"]
        assert MIN_RETRY_MS <= refused["retry_after_ms"] <= MAX_RETRY_MS
        for number in range(2):
            answer = await other.request(number, "test.ask", priority="interactive")
            assert answer["type"] == "result"
        await ask(other, range(2, 5), "interactive", 60)
        assert (await other.until("error"))["id"] == 4


async def test_a_stopping_daemon_says_when_another_may_be_there(start: Start) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.5})
        await wire.request(2, "bridge.echo")
        daemon.server.should_exit = True
        await asyncio.to_thread(until, lambda: daemon.bridge.dispatch.stopping, "the daemon to stop")
        refused = await wire.request(3, "bridge.echo")
        assert (refused["code"], refused["retry_after_ms"]) == ("shutting_down", 2000)
        assert "retry_after_ms" not in await wire.until("result", id=1)


async def test_a_client_that_may_retries_until_there_is_room(start: Start) -> None:
    daemon = start(session__inflight=1)
    async with await Client.connect(daemon.paths.connection_file) as client:
        asked = [client.request("test.sleep", {"seconds": 0.1}, retries=50) for _ in range(4)]
        assert [answer.value for answer in await asyncio.gather(*asked)] == ["awake"] * 4
    counted = daemon.look(lambda: dict(daemon.bridge.dispatch._counts.of("test.sleep").outcomes))
    assert counted["ok"] == 4
    assert counted["overloaded"] >= 3


# What is given up.


async def test_what_is_too_late_before_a_worker_is_free_is_never_begun(start: Start, tmp_path: Path) -> None:
    daemon = start()
    async with occupied(daemon) as wire:
        late = await wire.request(2, "test.touch", {"path": str(tmp_path / "late")}, deadline_ms=50)
        assert (late["code"], late["outcome"]) == ("deadline_exceeded", "not_started")
        await wire.send("cancel", id=1)
        assert (await wire.request(3, "test.touch", {"path": str(tmp_path / "next")}))["value"] == "touched"
    assert not (tmp_path / "late").exists()


async def test_what_is_too_late_on_a_worker_may_have_been_done(start: Start) -> None:
    async with occupied(start()) as wire:
        await wire.send("cancel", id=1)
        late = await wire.request(2, "test.sleep", {"seconds": 60}, deadline_ms=1000)
        assert (late["code"], late["outcome"]) == ("deadline_exceeded", "unknown")


@pytest.mark.usefixtures("impatient")
async def test_an_advisor_whose_work_never_began_has_begun_itself(start: Start) -> None:
    async with occupied(start(deadline_ms=100), deadline_ms=60_000) as wire:
        late = await wire.request(2, "test.ask", {"do": "run"}, deadline_ms=50_000)
        assert (late["code"], late["outcome"]) == ("deadline_exceeded", "unknown")


async def test_what_is_cancelled_before_a_worker_is_free_was_never_begun(
    start: Start, tmp_path: Path
) -> None:
    async with occupied(start()) as wire:
        for number, workload in ((2, "test.touch"), (3, "test.note"), (4, "test.moment")):
            params = {"path" if workload == "test.touch" else "log": str(tmp_path / "early")}
            await wire.send("request", id=number, workload=workload, params=params)
            await wire.send("cancel", id=number)
            early = await wire.receive()
            assert (early["id"], early["code"], early["outcome"]) == (number, "cancelled", "not_started")
        await wire.send("cancel", id=1)
        late = await wire.receive()
        assert (late["id"], late["code"], late["outcome"]) == (1, "cancelled", "unknown")
        assert (await wire.request(5, "test.sleep"))["value"] == "awake"
    assert not (tmp_path / "early").exists()


@pytest.mark.usefixtures("impatient")
async def test_an_advisor_that_is_cancelled_may_have_done_something(start: Start) -> None:
    async with occupied(start()) as wire:
        await wire.send("request", id=2, workload="test.ask", params={"do": "run"})
        await wire.send("cancel", id=2)
        assert (await wire.until("error", id=2))["outcome"] == "unknown"


async def test_what_a_stopping_bridge_gives_up_before_it_began_was_never_begun(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.app.DRAIN_S", 0.1)
    daemon = start()
    async with occupied(daemon) as wire:
        await wire.send("request", id=2, workload="test.sleep")
        await wire.request(3, "bridge.echo")
        daemon.server.should_exit = True
        told = {message["id"]: message["outcome"] for message in [await wire.receive() for _ in range(2)]}
        assert told == {1: "unknown", 2: "not_started"}
    await asyncio.to_thread(daemon.stop)


async def test_a_cancelled_request_frees_its_worker_at_once(start: Start) -> None:
    daemon = start()
    async with occupied(daemon) as wire:
        assert (await wire.request(2, "test.sleep", deadline_ms=50))["code"] == "deadline_exceeded"
        await wire.send("cancel", id=1)
        assert (await wire.request(3, "test.sleep"))["value"] == "awake"
        assert doing(daemon) == []
        pool = daemon.bridge._executor.queues[0].pool
        assert pool is not None and pool.ended == {"crashed": 0, "cancelled": 1, "memory": 0}


# Who is too many.


async def refused(daemon: ThreadDaemon) -> tuple[int, bytes, str]:
    with pytest.raises(InvalidStatus) as caught:
        async with dial(daemon.file):
            pass
    response = caught.value.response
    return response.status_code, response.body or b"", response.headers.get("retry-after", "")


async def test_one_connection_too_many_is_refused_before_the_handshake(start: Start) -> None:
    daemon = start(connections=2)
    async with session(daemon.file) as one:
        async with session(daemon.file):
            status, body, again = await refused(daemon)
            assert (status, again) == (503, "5")
            assert b"2 connections, the limit" in body and b"'connections'" in body
            assert (await one.request(1, "bridge.echo", {"value": 1}))["value"] == 1
        await asyncio.to_thread(until, lambda: len(open_connections(daemon)) == 1, "its end")
        async with session(daemon.file) as another:
            assert (await another.request(1, "bridge.echo", {"value": 2}))["value"] == 2


def open_connections(daemon: ThreadDaemon) -> list[Any]:
    return daemon.look(lambda: [live for live in daemon.bridge.sessions if live.socket is not None])


async def test_those_who_never_say_who_they_are_leave_room_to_those_who_did(start: Start) -> None:
    daemon = start(connections_unidentified=2)
    async with session(daemon.file) as known, dial(daemon.file) as oldest, dial(daemon.file) as waiting:
        # The new one takes the place of the oldest.
        async with session(daemon.file):
            await oldest.closed()
        assert (await known.request(1, "bridge.echo", {"value": 1}))["value"] == 1
        await waiting.send("identify", **identity(daemon.file))
        assert (await waiting.receive())["type"] == "ready"
        async with session(daemon.file):
            pass


# Who doesn't acknowledge.


async def fill(wire: Wire, count: int, size: int = 100_000) -> None:
    for number in range(count):
        assert (await wire.request(number, "bridge.echo", {"value": "x" * size}))["type"] == "result"


async def test_of_all_who_dont_acknowledge_the_worst_is_given_up_first(start: Start) -> None:
    daemon = start(session__unacked_mib=1)
    async with session(daemon.file) as worst, session(daemon.file) as good:
        await fill(worst, 8)
        await fill(good, 2)
        await good.send("request", id=9, workload="bridge.echo", params={"value": "x" * 100_000})
        code, reason = await worst.closed()
        assert code == 4013
        assert "ack" in (reason or "")
        assert (await good.until("result", id=9))["value"] == "x" * 100_000
        await fill(good, 3)
        total = daemon.bridge.sessions.unacknowledged
        assert daemon.look(lambda: total.bytes) < 700_000
    async with dial(daemon.file) as back:
        await back.send("identify", **identity(daemon.file, resume=resume(worst)))
        assert (await back.closed())[0] == 4011
    await asyncio.to_thread(until, lambda: len(daemon.bridge.sessions) == 1, "the given up session's end")


async def test_what_waits_for_clients_that_are_away_counts_too(start: Start) -> None:
    daemon = start(session__unacked_mib=1)
    away = []
    for _ in range(4):
        async with session(daemon.file) as wire:
            await fill(wire, 4)
            away.append(wire)
    kept = daemon.look(lambda: {live.id: live.backlog.bytes for live in daemon.bridge.sessions})
    assert sum(kept.values()) <= 1 << 20
    assert len(kept) == 2


async def test_an_answer_that_comes_while_its_client_is_away_counts(start: Start) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.2})
        await wire.request(2, "bridge.echo")
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    await asyncio.to_thread(until, lambda: live.session.unacknowledged == 2, "the answer")
    assert daemon.look(lambda: live.backlog.bytes) > 60
    async with session(daemon.file, resume=resume(wire)) as again:
        await again.until("result", id=1)
        await again.send("ack", seq=2)
        await again.request(3, "bridge.echo")
        assert 0 < daemon.look(lambda: live.backlog.bytes) < 120
