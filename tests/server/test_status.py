"""`/status`: a daemon as it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from bridge.core.metrics import Status
from bridge.paths import ConnectionFile
from tests.server.daemons import ThreadDaemon, until
from tests.server.pages import page
from tests.server.wire import session

pytestmark = pytest.mark.own_workers


def look(file: ConnectionFile) -> Status:
    response, body = page(file, "/status", Authorization=f"Bearer {file.token}")
    assert response.status == 200
    return msgspec.json.decode(body, type=Status, strict=True)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
def test_who_doesnt_know_the_token_learns_nothing(daemon: ThreadDaemon, headers: dict[str, str]) -> None:
    response, body = page(daemon.file, "/status", **headers)
    assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
    assert b"http_token" in body and b"workers" not in body


async def test_it_tells_who_is_connected_and_what_is_done_for_whom(
    start: Callable[..., ThreadDaemon], tmp_path: Path
) -> None:
    file = start().file
    more = {"engine": {"name": "fake", "version": "2.1"}, "project": {"id": "p", "name": "Castle"}}
    async with session(file) as other:
        await other.request(1, "bridge.echo")
    async with session(file, **more) as wire:
        await wire.request(1, "test.sleep", {"seconds": 0.05})
        await wire.request(2, "no.such")
        for number in (3, 4):
            asked = {"workload": "test.sleep", "params": {"seconds": 60}, "priority": "bulk"}
            await wire.send("request", id=number, **asked)
        await wire.request(5, "bridge.echo")
        found = await asyncio.to_thread(until, lambda: (s := look(file)) and s.workers[0].doing and s, "work")
        for number in (3, 4):
            await wire.send("cancel", id=number)
            await wire.until("error")
    assert (found.pid, found.address) == (os.getpid(), file.ws)
    assert 0 <= found.uptime_s < 36_000
    assert found.devices[0] == "CPU"
    assert (found.open, found.inflight) == ({"interactive": 0, "normal": 0, "bulk": 2}, 4096)
    assert found.waiting == {"interactive": 0, "normal": 0, "bulk": 1}
    [worker] = found.workers
    assert (worker.busy, worker.doing, worker.device) == (True, "test.sleep", "CPU")
    assert worker.memory > 1 << 20 and 0 <= worker.for_s < 60
    away, here = found.sessions
    assert (away.attached, here.attached) == (False, True)
    assert (here.client, here.engine, here.project) == ("editor wire 1", "fake 2.1", "Castle")
    assert (here.id, here.open, here.unacknowledged) == (wire.ready["session"], 2, 3)
    assert here.unacknowledged_bytes > 100
    assert 0 <= here.idle_s < 60
    assert (found.attached, found.away, found.connections) == (1, 1, 1)
    by_name = {each.name: each for each in found.workloads}
    slept = by_name["test.sleep"]
    assert (slept.ok, slept.failed, slept.refused) == (1, 0, 0)
    assert slept.p50_ms is not None and 25 <= slept.p50_ms <= 10_000
    unknown = by_name["unknown"]
    assert (unknown.refused, unknown.failed, unknown.p50_ms) == (1, 0, None)
    assert found.refused == {"unknown_workload": 1}
    assert by_name["bridge.echo"].ok == 2
    assert found.memory > 10 << 20
    assert found.figures["process_resident_memory_bytes"] == found.memory


async def test_what_was_refused_and_cancelled_is_no_failure(
    start: Callable[..., ThreadDaemon], tmp_path: Path
) -> None:
    file = start(session__inflight=1).file
    (tmp_path / "rock.png").touch()
    root = {"project": {"id": "p", "name": "Castle", "root": str(tmp_path)}}
    async with session(file, **root) as wire:
        rock = [{"name": "rock.png", "path": "rock.png"}]
        assert (await wire.request(1, "test.refuse", inputs=rock))["code"] == "bad_input"
        assert (await wire.request(2, "test.fail"))["code"] == "internal"
        await wire.send("request", id=3, workload="test.sleep", params={"seconds": 60})
        assert (await wire.request(4, "test.sleep"))["code"] == "overloaded"
        await wire.send("cancel", id=3)
        await wire.until("error", id=3)
    found = await asyncio.to_thread(look, file)
    told = {each.name: (each.refused, each.cancelled, each.failed) for each in found.workloads}
    assert told == {"test.refuse": (1, 0, 0), "test.fail": (0, 0, 1), "test.sleep": (1, 1, 0)}
    assert found.refused == {"bad_input": 1, "overloaded": 1}


async def test_of_many_sessions_those_with_most_at_stake_are_listed(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.metrics.MAX_SESSIONS", 2)
    file = start().file
    async with session(file) as busy, session(file), session(file) as owed, session(file):
        await busy.send("request", id=1, workload="test.sleep", params={"seconds": 60})
        await owed.request(1, "bridge.echo")
        found = await asyncio.to_thread(look, file)
        await busy.send("cancel", id=1)
        await busy.until("error")
    assert [each.id for each in found.sessions] == [busy.ready["session"], owed.ready["session"]]
    assert (found.attached, found.away) == (4, 0)


async def test_what_is_asked_for_most_comes_first(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    async with session(file) as wire:
        await wire.request(0, "test.ask")
        for number in range(1, 4):
            await wire.request(number, "bridge.echo")
    assert [each.name for each in (await asyncio.to_thread(look, file)).workloads] == [
        "bridge.echo",
        "test.ask",
    ]
