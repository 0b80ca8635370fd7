"""Jobs are done in their order, the urgent ones first, whatever becomes of workers and of the store."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.server.scheduler import MAX_CRASHES, MAX_SHORT
from bridge.store import journal
from tests.server.daemons import ProcessDaemon, ThreadDaemon, until
from tests.server.promises import Failing, Start, answer, ask, rows
from tests.server.wire import session

pytestmark = pytest.mark.own_workers


async def test_jobs_begin_once_the_store_lets_them(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.scheduler.STORE_PAUSE_S", 0.05)
    daemon = start()
    store = Failing(daemon, monkeypatch, "_claim_for_ever")
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", key="k")
        await asyncio.to_thread(store.failed.wait, 60)
        store.mended = True
        assert (await answer(wire, 1))["value"] == "awake"


async def test_jobs_begin_again_after_whatever_kept_them_from_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.scheduler.STORE_PAUSE_S", 0.05)
    real, failed = journal.claim, threading.Event()

    def claim(db: Any, *more: Any) -> Any:
        if not failed.is_set() and db.execute("SELECT 1 FROM jobs").fetchone():
            failed.set()
            db.execute("SELECT oops FROM jobs")
        return real(db, *more)

    monkeypatch.setattr(journal, "claim", claim)
    async with session(start().file) as wire:
        await ask(wire, 1, "test.sleep", key="k")
        assert (await answer(wire, 1))["value"] == "awake" and failed.is_set()


@pytest.mark.parametrize("damage", ["deaths = 'x'", "params = x'c1'", "params = x'01'", "inputs = x'a1ff'"])
async def test_a_job_that_cant_be_read_is_answered_so_and_holds_up_no_other(
    start: Start, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = start()
    hold = tmp_path / "hold"
    hold.touch()
    async with session(daemon.file) as wire:
        for number in (1, 2):
            params = {"log": str(tmp_path / "log"), "hold": str(hold), "number": number}
            await ask(wire, number, "test.note", params, key=f"k{number}")
        for number in (3, 4):
            await ask(wire, number, "test.sleep", key=f"k{number}")
        with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as other:
            changed = other.execute(f"UPDATE jobs SET {damage} WHERE key = 'k3' AND state = 'waiting'")
            assert changed.rowcount == 1
        hold.unlink()
        answers: dict[int, Any] = {}
        while len(answers) < 4:
            message = await wire.receive()
            answers[message["id"]] = message
    refused = answers.pop(3)
    assert refused["code"] == "internal" and "database is damaged" in refused["message"]
    assert "popbridge db check" in refused["hint"]
    assert answers[4]["value"] == "awake" and {one["type"] for one in answers.values()} == {"result"}
    (said,) = [one for one in caplog.records if "can't be read" in one.message]
    assert "popbridge db check" in said.message and not said.exc_info


async def test_an_answer_that_a_bug_keeps_from_being_kept_is_a_failure_of_the_bridge(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = journal.finish

    def finish(db: Any, job: Any, owner: str, state: Any, *more: Any, **fields: Any) -> Any:
        if state == "done":
            raise ZeroDivisionError("a detail of the inside")
        return real(db, job, owner, state, *more, **fields)

    monkeypatch.setattr(journal, "finish", finish)
    async with session(start().file) as wire:
        failed = await wire.request(1, "bridge.echo", key="k")
        assert failed["code"] == "internal"
        assert "inside" not in str(failed)


async def test_a_wall_of_bulk_work_is_done_in_its_order_and_held_by_the_database(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(session__inflight=400)
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        for number in range(300):
            params = {"path": str(log), "line": str(number)}
            await wire.send("request", id=number, workload="test.log", params=params, priority="bulk")
        in_hand = [daemon.look(lambda: daemon.bridge.jobs.scheduler.running) for _ in range(20)]
        seqs, ids = [], []
        while len(ids) < 300:
            message = await wire.receive()
            if message["type"] == "result":
                seqs.append(message["seq"])
                ids.append(message["id"])
        assert seqs == list(range(1, 301))
        assert sorted(ids) == list(range(300))
    assert max(in_hand) <= 2 * MAX_SHORT
    assert [int(line.split()[0]) for line in log.read_text().splitlines()] == list(range(300))
    tally = daemon.bridge.jobs.scheduler.tally
    assert (tally.waiting, tally.done, tally.failed, tally.cancelled) == (0, 300, 0, 0)


async def test_a_run_that_takes_longer_than_the_bridge_allows_is_given_up(start: Start) -> None:
    async with session(start(deadline_ms=500).file) as wire:
        late = await wire.request(1, "test.sleep", {"seconds": 60}, key="k")
        assert (late["code"], late["retryable"]) == ("deadline_exceeded", True)
        assert late["outcome"] == "unknown"
        assert "500 ms" in late["message"]


async def test_a_job_whose_worker_is_ended_at_its_deadline_crashed_nothing(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log, crashes = tmp_path / "log", "SELECT crashes FROM jobs WHERE workload = 'test.dies' ORDER BY id"
    params = {"path": str(log), "times": 2, "then_s": 60}
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.dies", params, key="late", deadline_ms=6000)
        until(lambda: rows(daemon, crashes) == [(1,)], "the job to have crashed two workers")
        late = await answer(wire, 1)
        assert (late["code"], late["outcome"]) == ("deadline_exceeded", "unknown")
        assert rows(daemon, crashes) == [(1,)]
        await ask(wire, 2, "test.dies", {**params, "then_s": 0}, key="late")
        assert (await answer(wire, 2))["value"] == 2
    assert rows(daemon, crashes) == [(1,), (0,)]


async def test_an_urgent_promise_overtakes_a_wall_of_bulk_work(start: Start) -> None:
    async with session(start().file) as wire:
        for number in range(20):
            # The first may be done before the last is accepted.
            params = {"seconds": 0.1}
            await wire.send("request", id=number, workload="test.sleep", params=params, priority="bulk")
        await wire.send("request", id=99, workload="test.sleep", key="now", priority="interactive")
        before = 0
        while (message := await wire.receive())["id"] != 99 or message["type"] != "result":
            before += message["type"] == "result"
        assert before < 10


async def test_a_job_whose_worker_is_killed_is_done_all_the_same(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.dies", {"path": str(log), "times": 5}, key="dies")
        assert (await answer(wire, 1))["value"] == 5


async def test_a_job_that_kills_every_worker_is_given_up_and_named(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        job = await ask(wire, 1, "test.dies", {"path": str(log), "times": 99}, key="poison")
        error = await answer(wire, 1)
        assert error["code"] == "worker_crashed"
        assert "test.dies" in error["message"]
        assert len(log.read_text().splitlines()) == 2 * MAX_CRASHES
        assert (await wire.request(2, "test.sleep", priority="bulk"))["value"] == "awake"
        assert await ask(wire, 3, "test.dies", {"path": str(log), "times": 1}, key="poison") != job
        assert (await answer(wire, 3))["value"] == 2 * MAX_CRASHES


async def test_workers_killed_at_random_cost_no_job(process: ProcessDaemon, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with session(process.start()) as wire:
        for number in range(40):
            params = {"path": str(log), "line": str(number), "seconds": 0.05}
            await wire.send("request", id=number, workload="test.log", params=params, priority="bulk")
        assert process.process is not None
        daemon, killed, answered = psutil.Process(process.process.pid), 0, []
        while len(answered) < 40:
            message = await wire.receive()
            if message["type"] != "result":
                assert message["type"] == "accepted", message
                continue
            answered.append(message["id"])
            if len(answered) % 5 == 0:
                for worker in daemon.children():
                    worker.kill()
                    killed += 1
        assert sorted(answered) == list(range(40))
        assert killed >= 5
        assert await wire.quiet()
