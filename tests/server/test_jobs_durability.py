"""What is accepted is done once and answered once, also if the daemon is stopped or killed."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bridge.server.scheduler import MAX_DEATHS, MAX_ENDING, MAX_SHORT
from bridge.store import backups
from tests.server.daemons import ProcessDaemon, until
from tests.server.promises import PROJECT, Failing, Start, answer, ask, rows, traces
from tests.server.wire import resume, session


async def test_300_jobs_outlive_a_daemon_that_is_killed_in_the_middle_of_them(
    tmp_path: Path,
) -> None:
    """Each is answered once, and done once but for those that weren't known to be done."""
    process = ProcessDaemon(tmp_path / "home", POPBRIDGE_SESSION_INFLIGHT="400")
    log = tmp_path / "log"
    answered: dict[int, int] = {}
    accepted: set[int] = set()
    back: dict[str, Any] = {}
    try:
        for kills in range(4):
            async with session(process.start(), project=PROJECT, **back) as wire:
                if not kills:
                    for number in range(300):
                        params = {"path": str(log), "line": str(number)}
                        await wire.send(
                            "request", id=number, workload="test.log", params=params, priority="bulk"
                        )
                while len(answered) < (300 if kills == 3 else 70 * (kills + 1)):
                    message = await wire.receive()
                    if message["type"] == "accepted":
                        accepted.add(message["id"])
                        continue
                    assert message["type"] == "result", message
                    assert message["id"] not in answered, "answered twice"
                    assert message["seq"] > max(answered.values(), default=0)
                    answered[message["id"]] = message["seq"]
                if kills < 3:
                    process.kill()
                    # It would wait for what it hasn't read.
                    wire.socket.transport.abort()
                    back = {"resume": resume(wire, max(answered.values()))}
                else:
                    assert await wire.quiet()
                    assert (await wire.request(0, "test.sleep", key="after"))["value"] == "awake"
    finally:
        process.end()
    assert sorted(answered) == list(range(300))
    done = traces(log)
    assert len(done) == 300
    # What a worker had done when the daemon was killed before that was kept.
    assert max(done.values()) <= 1 + 3
    assert sum(done.values()) <= 300 + 3 * 2 * MAX_SHORT + MAX_ENDING


async def test_an_answer_that_was_sent_but_not_acknowledged_comes_once_more(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    async with session(process.start()) as wire:
        await wire.request(1, "bridge.echo")
        await ask(wire, 2, "test.sleep", key="lost")
        lost = await answer(wire, 2)
        await ask(wire, 3, "test.sleep", {"seconds": 0.01}, key="handled")
        handled = await answer(wire, 3)
        process.kill()
    async with session(process.start(), resume=resume(wire, 1)) as again:
        assert [await again.receive(), await again.receive()] == [lost, handled]
        await again.send("ack", seq=handled["seq"])
        assert await again.quiet()
        await asyncio.to_thread(until, lambda: rows(process, "SELECT 1 FROM outbox") == [], "the ack")
        process.kill()
    async with session(process.start(), resume=resume(wire, handled["seq"])) as third:
        assert await third.quiet()


async def test_open_requests_are_open_again_after_a_restart(process: ProcessDaemon, tmp_path: Path) -> None:
    """Their ids are taken, and they can be cancelled."""
    async with session(process.start()) as wire:
        for number in (1, 2):
            await ask(wire, number, "test.sleep", {"seconds": 60}, priority="bulk", deadline_ms=50_000)
        process.kill()
    async with session(process.start(), resume=resume(wire)) as again:
        for number in (2, 1):
            await again.send("cancel", id=number)
            assert (await again.receive())["code"] == "cancelled"
        await ask(again, 1, "test.sleep", {"seconds": 60}, priority="bulk")
        process.kill()
    async with session(process.start(), resume=resume(wire, 3)) as third:
        await third.send("request", id=1, workload="test.sleep")
        assert (await third.closed())[0] == 4005


async def test_a_deadline_counts_anew_after_a_restart(process: ProcessDaemon) -> None:
    async with session(process.start()) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 60}, key="k", deadline_ms=700)
        process.kill()
    async with session(process.start(), resume=resume(wire)) as again:
        late = await again.receive()
        assert (late["code"], late["outcome"]) == ("deadline_exceeded", "unknown")
    assert process.stop() == 0


async def test_a_job_that_takes_the_daemon_down_is_done_in_the_end_and_costs_no_other(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    # In the sandbox, no worker can.
    process.set_environment(POPBRIDGE_WORKER_SANDBOX="false")
    params = {"path": str(tmp_path / "log"), "times": 2, "parent": True}
    async with session(process.start()) as wire:
        await ask(wire, 1, "test.dies", params, priority="bulk")
        await wire.closed()
    for _ in range(2):
        assert process.process is not None
        process.process.wait(60)
        file = process.start()
        if len((tmp_path / "log").read_text().splitlines()) < 2:
            continue
        async with session(file, resume=resume(wire)) as again:
            assert (await again.receive())["value"] == 2


async def test_a_job_that_takes_every_daemon_down_is_given_up(process: ProcessDaemon, tmp_path: Path) -> None:
    async with session(process.start()) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 60}, priority="bulk")
        until(lambda: rows(process, "SELECT 1 FROM jobs WHERE state = 'leased'"), "the job to be in hand")
        process.kill()
    db = sqlite3.connect(process.paths.database)
    with db:
        # As if that had happened to as many daemons as are allowed.
        db.execute("UPDATE jobs SET deaths = ?", (MAX_DEATHS - 1,))
    db.close()
    async with session(process.start(), resume=resume(wire)) as again:
        error = await again.receive()
        assert error["code"] == "worker_crashed"
        assert f"test.sleep was abandoned: the daemon was killed {MAX_DEATHS} times" in error["message"]


async def test_what_belongs_to_a_session_that_is_gone_is_done_for_its_key_alone(
    tmp_path: Path,
) -> None:
    process = ProcessDaemon(tmp_path / "home", POPBRIDGE_SESSION_KEEP_S="0.2")
    params = {"path": str(tmp_path / "log"), "line": "x", "seconds": 0.3}
    try:
        async with session(process.start(), project=PROJECT) as wire:
            job = await ask(wire, 1, "test.log", params, key="k")
            process.kill()
        file = process.start()
        await asyncio.to_thread(until, lambda: traces(tmp_path / "log"), "the job to be done")
        await asyncio.to_thread(
            until, lambda: rows(process, "SELECT 1 FROM waiters") == [], "its session's end"
        )
        async with session(file, project=PROJECT, instance="new") as fresh:
            assert await ask(fresh, 1, "test.log", params, key="k") == job
            assert (await answer(fresh, 1))["value"] == "x"
        assert process.stop() == 0
    finally:
        process.end()
    assert traces(tmp_path / "log") == {"x": 1}
    assert "Traceback" not in process.output.read_text()


async def test_a_daemon_that_stops_leaves_what_it_cant_finish_to_the_next(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bridge.server.app.DRAIN_S", 2.0)
    daemon = start()
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        await wire.request(9, "test.sleep")
        for number, seconds in enumerate((0.3, 4.0, 0.0)):
            params = {"path": str(log), "line": str(number), "seconds": seconds}
            await ask(wire, number, "test.log", params, priority="bulk")
        daemon.server.should_exit = True
        until(lambda: daemon.bridge.dispatch.stopping, "the daemon to stop")
        assert (await answer(wire, 0))["value"] == "0"
        refused = await wire.request(9, "test.log", params, priority="bulk")
        assert refused["code"] == "shutting_down"
        assert (await wire.closed())[0] == 1012
    await asyncio.to_thread(daemon.stop)
    assert rows(daemon, "SELECT id, state, deaths FROM jobs WHERE finished IS NULL") == [
        (2, "waiting", 0),
        (3, "waiting", 0),
    ]
    async with session(start().file, resume=resume(wire, refused["seq"])) as again:
        assert {(await again.receive())["id"] for _ in range(2)} == {1, 2}
        assert await again.quiet()
    assert traces(log) == {"0": 1, "1": 1, "2": 1}


async def test_sigterm_with_a_wall_of_work_stops_at_once_and_loses_nothing(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(process.start()) as wire:
        for number in range(40):
            params = {"path": str(log), "line": str(number), "seconds": 0.02}
            await ask(wire, number, "test.log", params, priority="bulk") if number == 0 else await wire.send(
                "request", id=number, workload="test.log", params=params, priority="bulk"
            )
        # The last of them is accepted.
        await wire.until("accepted", id=39)
        seen = 0
        assert await asyncio.to_thread(process.stop) == 0
    answered: Counter[int] = Counter()
    async with session(process.start(), resume=resume(wire, seen)) as again:
        while len(answered) < 40:
            answered[(await again.until("result"))["id"]] += 1
    assert set(answered.values()) == {1}
    assert traces(log) == {str(number): 1 for number in range(40)}


async def test_what_a_killed_daemon_left_half_done_is_taken_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.app.DRAIN_S", 0.1)
    daemon = start()
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 60}, priority="bulk", deadline_ms=50_000)
        done = await ask(wire, 2, "bridge.echo", {"value": "x"}, key="done")
        sent = await answer(wire, 2)
    await asyncio.to_thread(daemon.stop)
    db = sqlite3.connect(daemon.paths.database)
    with db:
        # As if it had been killed with a job in hand, and between acceptance and answer.
        db.execute("UPDATE jobs SET state = 'leased', owner = 'killed' WHERE state = 'waiting'")
        for name, request in ((wire.ready["session"], 7), ("gone", 1)):
            db.execute("INSERT INTO waiters VALUES (?, ?, ?, 'done', NULL)", (name, request, done))
        db.execute("INSERT INTO outbox VALUES ('gone', 1, NULL, x'')")
    db.close()
    second = start()
    async with session(second.file, resume=resume(wire)) as again:
        assert await again.receive() == sent
        late = await answer(again, 7)
        assert late["seq"] > sent["seq"] and {**late, "id": 2, "seq": sent["seq"]} == sent
        assert rows(second, "SELECT deaths FROM jobs WHERE finished IS NULL") == [(1,)]
        await again.send("cancel", id=1)
        assert (await answer(again, 1))["code"] == "cancelled"
    assert rows(second, "SELECT 1 FROM waiters WHERE session = 'gone'") == []
    assert rows(second, "SELECT 1 FROM outbox WHERE session = 'gone'") == []


async def test_jobs_that_cant_be_given_back_are_taken_from_a_daemon_that_is_gone(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.app.DRAIN_S", 0.1)
    daemon = start()
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 1}, priority="bulk")
        Failing(daemon, monkeypatch, "release")
    await asyncio.to_thread(daemon.stop)
    assert rows(daemon, "SELECT state FROM jobs") == [("leased",)]
    async with session(start().file, resume=resume(wire)) as again:
        assert (await answer(again, 1))["value"] == "awake"


async def test_finished_jobs_are_swept(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.jobs.SWEEP_S", 0.05)
    daemon = start(journal__keep_s=0)
    store = Failing(daemon, monkeypatch, "sweep")
    await asyncio.to_thread(store.failed.wait, 60)
    store.mended = True
    async with session(daemon.file) as wire:
        await wire.request(1, "test.sleep", key="k")
    until(lambda: rows(daemon, "SELECT 1 FROM jobs") == [], "the finished job to be forgotten")


def test_the_database_is_backed_up(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "START_DELAY_S", 0.0)
    database = start().paths.database
    until(lambda: backups.list_backups(database), "the first backup")
