"""What is accepted is done once and answered once, whatever dies: the client, a worker, the daemon."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge.connection import ConnectionFile
from bridge.core.errors import StoreError
from bridge.core.journal import MAX_CRASHES, MAX_DEATHS
from bridge.server.pump import MAX_ENDING, MOST_SHORT
from bridge.store.database import open_readonly
from tests.server.daemons import ProcessDaemon, ThreadDaemon, until
from tests.server.wire import Wire, resume, session

Start = Callable[..., ThreadDaemon]
PROJECT = {"id": "p", "name": "P"}


def rows(daemon: Any, query: str) -> list[Any]:
    db = open_readonly(daemon.paths.database)
    assert db is not None
    found = db.execute(query).fetchall()
    db.conn.close()
    return found


async def ask(wire: Wire, number: int, workload: str, params: Any = None, **more: Any) -> str:
    """The name of the job that a request is accepted as."""
    await wire.send("request", id=number, workload=workload, params=params or {}, **more)
    accepted = await wire.receive()
    assert (accepted["type"], accepted["id"]) == ("accepted", number), accepted
    return str(accepted["job"])


async def answer(wire: Wire, number: int) -> dict[str, Any]:
    while True:
        message = await wire.receive()
        if message["type"] in ("result", "error") and message.get("id") == number:
            return message


def traces(log: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


async def test_a_client_that_cant_know_whether_it_was_heard_asks_again_by_the_same_id_and_key(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    again = {"params": {"path": str(log), "line": "x", "seconds": 0.4}, "key": "heard"}
    async with session(daemon.file) as wire:
        job = await ask(wire, 1, "test.log", **again)
        assert await ask(wire, 1, "test.log", **again) == job
    async with session(daemon.file, resume=resume(wire)) as wire:
        assert await ask(wire, 1, "test.log", **again) == job
        done = await answer(wire, 1)
        # It may have been on its way.
        await wire.send("request", id=1, workload="test.log", **again)
        assert await wire.quiet()
    async with session(daemon.file, resume=resume(wire)) as wire:
        await wire.send("request", id=1, workload="test.log", **again)
        assert await wire.receive() == done
        assert await wire.quiet()
        await wire.send("request", id=2, workload="test.log", **{**again, "key": "other"})
        await wire.send("request", id=2, workload="test.log", **again)
        assert (await wire.closed())[0] == 4005
    assert traces(log)["x"] <= 2


# Acceptance.


@pytest.mark.parametrize("more", [{"key": "accepted"}, {"priority": "bulk"}])
@pytest.mark.parametrize("subprotocol", ["bridge.v1.msgpack", "bridge.v1.json"])
async def test_what_is_promised_is_accepted_then_answered(
    file: ConnectionFile, more: dict[str, str], subprotocol: str
) -> None:
    async with session(file, subprotocol, project=PROJECT) as wire:
        assert await ask(wire, 1, "test.sleep", **more)
        result = await wire.receive()
        assert (result["type"], result["id"], result["value"], result["seq"]) == ("result", 1, "awake", 1)
        assert await wire.quiet()


async def test_a_key_asked_again_has_the_same_job_and_the_same_answer(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    params = {"path": str(tmp_path / "log"), "line": "x", "seconds": 0.3}
    async with session(daemon.file) as wire, session(daemon.file) as other:
        first = await ask(wire, 1, "test.log", params, key="twice")
        assert await ask(wire, 2, "test.log", params, key="twice") == first
        assert await ask(other, 1, "test.log", params, key="twice") == first
        answers = [await answer(wire, 1), await answer(wire, 2), await answer(other, 1)]
        assert [one["value"] for one in answers] == ["x"] * 3
        assert [one["seq"] for one in answers] == [1, 2, 1]
        # Also when it is long done.
        assert await ask(other, 2, "test.log", dict(reversed(params.items())), key="twice") == first
        again = await answer(other, 2)
        assert {**again, "id": 1, "seq": 1} == answers[0]
    assert traces(tmp_path / "log") == {"x": 1}


async def test_a_key_whose_files_had_to_go_has_them_made_anew(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        first = await wire.request(1, "test.make", {"bytes": 5}, key="files")
        made = daemon.paths.blobs / first["outputs"][0]["blob"]
        assert (await wire.request(2, "test.make", {"bytes": 5}, key="files"))["meta"] == first["meta"]
        made.unlink()
        again = await wire.request(3, "test.make", {"bytes": 5}, key="files")
        assert again["outputs"] == first["outputs"]
        assert made.is_file()
    assert rows(daemon, "SELECT count(*) FROM jobs WHERE key = 'files'") == [(1,)]


async def test_a_key_with_other_parameters_is_refused_and_named(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await ask(wire, 1, "test.sleep", key="taken")
        for changed in ({"params": {"seconds": 0.5}}, {"inputs": [{"name": "a", "data": b"x"}]}):
            refused = await wire.request(2, "test.sleep", key="taken", **changed)
            assert (refused["code"], refused["outcome"]) == ("key_reused", "not_started")
            assert "taken" in refused["message"]
        # What stands for a default is the same.
        assert (await wire.request(3, "test.sleep", {"seconds": 0}, key="taken"))["type"] == "result"


async def test_each_project_has_keys_of_its_own(file: ConnectionFile) -> None:
    async with session(file, project=PROJECT) as one, session(file, project={"id": "q", "name": "Q"}) as two:
        first = await ask(one, 1, "test.sleep", {"seconds": 0.01}, key="own")
        assert await ask(two, 1, "test.sleep", {"seconds": 0.02}, key="own") != first


async def test_a_new_session_finds_what_an_ended_one_asked_for(start: Start, tmp_path: Path) -> None:
    daemon = start(session__keep_s=0.1)
    params = {"path": str(tmp_path / "log"), "line": "x", "seconds": 0.5}
    async with session(daemon.file) as wire:
        job = await ask(wire, 1, "test.log", params, key="left")
    until(lambda: not len(daemon.bridge.sessions), "the session's end")
    async with session(daemon.file) as wire:
        assert await ask(wire, 9, "test.log", params, key="left") == job
        assert (await answer(wire, 9))["value"] == "x"
    assert traces(tmp_path / "log") == {"x": 1}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"workload": "test.sleep", "params": {"seconds": "soon"}}, "bad_params"),
        ({"workload": "test.crash"}, "bad_params"),
        ({"workload": "test.teleport"}, "unknown_workload"),
        ({"workload": "test.read", "inputs": [{"name": "in", "blob": "0" * 64}]}, "not_found"),
        ({"workload": "test.read", "inputs": [{"name": "in", "path": "x"}]}, "forbidden"),
        ({"workload": "test.read", "inputs": [{"name": "in", "data": b"x" * 65_537}]}, "too_large"),
    ],
)
async def test_what_cant_be_done_is_refused_instead_of_promised(
    daemon: ThreadDaemon, asked: dict[str, Any], code: str
) -> None:
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, key="refused", **asked)
        refused = await wire.receive()
        assert (refused["type"], refused["code"], refused["id"]) == ("error", code, 1)
        assert (await wire.request(1, "test.sleep"))["type"] == "result"
    assert rows(daemon, "SELECT count(*) FROM jobs WHERE key = 'refused'") == [(0,)]


async def test_data_in_a_promised_request_outlives_the_frame(file: ConnectionFile) -> None:
    async with session(file) as wire:
        inputs = [{"name": "a", "data": b"kept"}]
        assert (await wire.request(1, "test.read", inputs=inputs, key="data"))["value"] == [b"kept"]
        assert (await wire.request(2, "test.read", inputs=inputs, key="data"))["value"] == [b"kept"]


async def test_an_error_that_stays_is_the_keys_answer_and_one_that_may_pass_isnt(
    file: ConnectionFile,
) -> None:
    async with session(file) as wire:
        inputs = [{"name": "rock.png", "data": b"x"}]
        first = await ask(wire, 1, "test.refuse", inputs=inputs, key="refusal")
        error = await answer(wire, 1)
        assert error["code"] == "bad_input"
        assert await ask(wire, 2, "test.refuse", inputs=inputs, key="refusal") == first
        assert {**await answer(wire, 2), "id": 1, "seq": 1} == {**error, "seq": 1}
        internal = await ask(wire, 3, "test.fail", key="bug")
        assert (await answer(wire, 3))["code"] == "internal"
        assert await ask(wire, 4, "test.fail", key="bug") != internal


async def test_an_answer_too_large_for_a_frame_isnt_kept(file: ConnectionFile) -> None:
    async with session(file) as wire:
        assert (await wire.request(1, "test.make", {"bytes": 300_000}, key="big"))["code"] == "too_large"
        assert (await wire.request(2, "bridge.echo"))["type"] == "result"


async def test_what_is_answered_at_once_is_promised_only_for_a_key(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        assert (await wire.request(1, "test.inline", {"bytes": 3}, priority="bulk"))["type"] == "result"
        await ask(wire, 2, "test.inline", {"bytes": 3}, key="inline")
        result = await answer(wire, 2)
        assert (daemon.paths.blobs / result["outputs"][0]["blob"]).read_bytes() == b"zzz"


class Failing:
    """A store that fails where it is asked to do certain works."""

    def __init__(self, daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self._write = daemon.bridge.store.write
        self._names = names
        self.failed = threading.Event()
        self.mended = False
        monkeypatch.setattr(daemon.bridge.store, "write", self)

    async def __call__(self, work: Any) -> Any:
        described = " ".join(map(str, (work, getattr(work, "__closure__", None) or ())))
        if not self.mended and any(name in described for name in self._names):
            self.failed.set()
            raise StoreError("the disk is full")
        return await self._write(work)


async def test_what_cant_be_written_down_isnt_accepted(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = start()
    store = Failing(daemon, monkeypatch, "accept")
    async with session(daemon.file) as wire:
        refused = await wire.request(1, "test.sleep", key="k")
        assert (refused["code"], refused["retryable"]) == ("store_unavailable", True)
        assert "disk is full" in refused["message"]
        # What needs no promise is done all the same.
        assert (await wire.request(1, "test.sleep"))["value"] == "awake"
        store.mended = True
        assert (await wire.request(1, "test.sleep", key="k"))["value"] == "awake"


async def test_an_answer_that_cant_be_kept_waits_until_it_can_and_others_dont(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        store = Failing(daemon, monkeypatch, "_all at")
        await ask(wire, 1, "test.log", {"path": str(tmp_path / "log"), "line": "x"}, key="k")
        await asyncio.to_thread(store.failed.wait, 60)
        assert (await wire.request(2, "test.sleep"))["seq"] == 1
        store.mended = True
        assert (await answer(wire, 1))["seq"] == 2
    assert traces(tmp_path / "log") == {"x": 1}


async def test_jobs_begin_once_the_store_lets_them(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.pump.STORE_PAUSE_S", 0.05)
    daemon = start()
    store = Failing(daemon, monkeypatch, "_claim_for_ever")
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", key="k")
        await asyncio.to_thread(store.failed.wait, 60)
        store.mended = True
        assert (await answer(wire, 1))["value"] == "awake"


async def test_a_request_that_cant_be_withdrawn_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    Failing(daemon, monkeypatch, "Deliveries.withdraw")
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 0.3}, key="k")
        await wire.send("cancel", id=1)
        assert (await answer(wire, 1))["value"] == "awake"


async def test_a_restarted_client_is_served_also_where_the_former_cant_be_forgotten(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 60}, key="k")
    store = Failing(daemon, monkeypatch, "forget_waiters")
    async with session(daemon.file, resume=resume(wire), instance="two") as again:
        assert (await again.request(1, "bridge.echo", {"value": "mine"}))["value"] == "mine"
        store.mended = True
        await asyncio.to_thread(until, lambda: rows(daemon, "SELECT 1 FROM waiters") == [], "it")


@pytest.mark.parametrize("workload", ["test.odd", "test.inline"])
async def test_a_bug_in_a_workload_costs_its_own_promise_and_shows_nothing_of_the_inside(
    file: ConnectionFile, workload: str
) -> None:
    async with session(file) as wire:
        params = {"bytes": -1} if workload == "test.inline" else {}
        failed = await wire.request(1, workload, params, key=f"bug in {workload}")
        assert failed["code"] == "internal"
        assert "detail of the inside" not in str(failed)
        assert (await wire.request(1, "test.sleep", key=f"after {workload}"))["type"] == "result"


# Cancelling, deadlines, clients that come and go.


async def test_cancel_by_the_only_one_who_waits_ends_the_job_and_frees_its_worker_and_key(
    daemon: ThreadDaemon,
) -> None:
    async with session(daemon.file) as wire:
        running = await ask(wire, 1, "test.sleep", {"seconds": 60}, key="cancelled")
        await ask(wire, 2, "test.sleep", {"seconds": 61}, key="waiting")
        for number in (2, 1):
            await wire.send("cancel", id=number)
            error = await wire.receive()
            assert (error["id"], error["code"], error["outcome"]) == (number, "cancelled", "unknown")
        await wire.send("cancel", id=1)
        assert (await wire.request(1, "test.sleep"))["value"] == "awake"
        assert await ask(wire, 2, "test.sleep", key="cancelled") != running
        assert (await answer(wire, 2))["value"] == "awake"
        assert await wire.quiet()
    until(lambda: daemon.bridge.jobs.pump.running == 0, "the job to leave the worker")


async def test_cancel_by_one_of_two_leaves_the_job_to_the_other(file: ConnectionFile) -> None:
    async with session(file) as wire, session(file) as other:
        params = {"seconds": 0.5}
        assert await ask(wire, 1, "test.sleep", params, key="two") == await ask(
            other, 1, "test.sleep", params, key="two"
        )
        await wire.send("cancel", id=1)
        assert (await answer(wire, 1))["code"] == "cancelled"
        assert (await answer(other, 1))["value"] == "awake"


async def test_cancel_right_after_asking_is_answered_once(file: ConnectionFile) -> None:
    async with session(file) as wire:
        for number in range(10):
            await wire.send(
                "request", id=number, workload="test.sleep", params={"seconds": 9}, priority="bulk"
            )
            await wire.send("cancel", id=number)
            assert (await answer(wire, number))["code"] == "cancelled"
        assert await wire.quiet()


async def test_a_deadline_holds_from_acceptance_while_others_wait_for_as_long_as_it_takes(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(deadline_ms=3000)
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        await wire.request(99, "test.sleep")
        for number in range(5):
            params = {"path": str(log), "line": str(number), "seconds": 0.8}
            await ask(wire, number, "test.log", params, priority="bulk")
        params = {"path": str(log), "line": "late"}
        await ask(wire, 9, "test.log", params, priority="bulk", deadline_ms=300)
        came = {message["id"]: message for message in [await wire.receive() for _ in range(6)]}
        assert (came[9]["code"], came[9]["retryable"]) == ("deadline_exceeded", True)
        assert "300 ms" in came[9]["message"]
        assert {came[number]["type"] for number in range(5)} == {"result"}
        assert await wire.quiet()
    assert "late" not in traces(log)


async def test_what_nobody_waits_for_is_dropped_at_its_deadline_too(start: Start, tmp_path: Path) -> None:
    daemon = start()
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        for number in range(3):
            params = {"path": str(log), "line": str(number), "seconds": 0.4}
            await ask(wire, number, "test.log", params, priority="bulk")
        await ask(wire, 9, "test.log", {"path": str(log), "line": "late"}, key="late", deadline_ms=250)
    async with session(daemon.file, resume=resume(wire), instance="two") as again:
        await ask(again, 9, "test.log", {"path": str(log), "line": "last"}, priority="bulk")
        assert (await answer(again, 9))["value"] == "last"
    assert traces(log)["late"] <= 1
    until(lambda: rows(daemon, "SELECT 1 FROM jobs WHERE finished IS NULL") == [], "all jobs to end")


async def test_the_job_of_a_restarted_client_goes_on_and_its_ids_are_free(
    file: ConnectionFile, tmp_path: Path
) -> None:
    params = {"path": str(tmp_path / "log"), "line": "x", "seconds": 0.3}
    async with session(file) as wire:
        job = await ask(wire, 5, "test.log", params, key="restarted")
    async with session(file, resume=resume(wire), instance="two") as again:
        assert (await again.request(5, "bridge.echo", {"value": "mine"}))["value"] == "mine"
        assert await ask(again, 6, "test.log", params, key="restarted") == job
        assert (await answer(again, 6))["value"] == "x"
        assert await again.quiet()
    assert traces(tmp_path / "log") == {"x": 1}


async def test_an_answer_waits_for_a_client_that_comes_back(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await ask(wire, 5, "test.sleep", {"seconds": 0.3}, priority="bulk")
    async with session(file, resume=resume(wire)) as again:
        assert (await again.receive())["id"] == 5
        assert await again.quiet()


async def test_what_is_acknowledged_leaves_the_outbox(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        mine = f"SELECT seq FROM outbox WHERE session = '{wire.ready['session']}'"
        for number in range(3):
            await wire.request(number, "test.sleep", priority="bulk")
        assert rows(daemon, mine) == [(1,), (2,), (3,)]
        await wire.send("ack", seq=2)
        until(lambda: rows(daemon, mine) == [(3,)], "the acknowledgement to be kept")
    async with session(daemon.file, resume=resume(wire, 3)) as again:
        assert await again.quiet()
        until(lambda: rows(daemon, mine) == [], "the acknowledgement to be kept")


async def test_what_an_ended_session_left_unread_isnt_kept(start: Start) -> None:
    daemon = start(session__keep_s=0.1)
    async with session(daemon.file) as wire:
        await wire.request(1, "test.sleep", priority="bulk")
    until(lambda: rows(daemon, "SELECT 1 FROM outbox") == [], "the outbox to be empty")


# Many, and more urgent ones.


async def test_a_wall_of_bulk_work_is_done_in_its_order_and_held_by_the_database(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(session__inflight=400)
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        for number in range(300):
            params = {"path": str(log), "line": str(number)}
            await wire.send("request", id=number, workload="test.log", params=params, priority="bulk")
        in_hand = [daemon.look(lambda: daemon.bridge.jobs.pump.running) for _ in range(20)]
        seqs, ids = [], []
        while len(ids) < 300:
            message = await wire.receive()
            if message["type"] == "result":
                seqs.append(message["seq"])
                ids.append(message["id"])
        assert seqs == list(range(1, 301))
        assert sorted(ids) == list(range(300))
    assert max(in_hand) <= 2 * MOST_SHORT
    assert [int(line.split()[0]) for line in log.read_text().splitlines()] == list(range(300))
    tally = daemon.bridge.jobs.pump.tally
    assert (tally.waiting, tally.done, tally.failed, tally.cancelled) == (0, 300, 0, 0)


async def test_an_urgent_promise_overtakes_a_wall_of_bulk_work(start: Start) -> None:
    async with session(start().file) as wire:
        for number in range(20):
            await ask(wire, number, "test.sleep", {"seconds": 0.1}, priority="bulk")
        await wire.send("request", id=99, workload="test.sleep", key="now", priority="interactive")
        before = 0
        while (message := await wire.receive())["id"] != 99 or message["type"] != "result":
            before += message["type"] == "result"
        assert before < 10


# Workers die.


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


# The daemon dies.


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
    assert sum(done.values()) <= 300 + 3 * 2 * MOST_SHORT + MAX_ENDING


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
        assert (await again.receive())["code"] == "deadline_exceeded"
    assert process.stop() == 0


async def test_a_job_that_takes_the_daemon_down_is_done_in_the_end_and_costs_no_other(
    process: ProcessDaemon, tmp_path: Path
) -> None:
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
        assert f"test.sleep is given up: the bridge was killed {MAX_DEATHS} times" in error["message"]


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
        for number in range(50):
            params = {"path": str(log), "line": str(number), "seconds": 0.02}
            await ask(wire, number, "test.log", params, priority="bulk") if number == 0 else await wire.send(
                "request", id=number, workload="test.log", params=params, priority="bulk"
            )
        # The last of them is accepted.
        await wire.until("accepted", id=49)
        seen = 0
        assert await asyncio.to_thread(process.stop) == 0
    answered: Counter[int] = Counter()
    async with session(process.start(), resume=resume(wire, seen)) as again:
        while len(answered) < 50:
            answered[(await again.until("result"))["id"]] += 1
    assert set(answered.values()) == {1}
    assert traces(log) == {str(number): 1 for number in range(50)}


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
