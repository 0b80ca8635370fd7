"""What is accepted is done once and answered once, and belongs to its key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.paths import ConnectionFile
from tests.server.daemons import ThreadDaemon, until
from tests.server.promises import PROJECT, Failing, Start, answer, ask, rows, traces
from tests.server.wire import resume, session


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


async def test_a_request_that_cant_be_withdrawn_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    Failing(daemon, monkeypatch, "Deliveries.withdraw")
    async with session(daemon.file) as wire:
        await ask(wire, 1, "test.sleep", {"seconds": 0.3}, key="k")
        await wire.send("cancel", id=1)
        assert (await answer(wire, 1))["value"] == "awake"


@pytest.mark.usefixtures("impatient")
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


@pytest.mark.parametrize(
    ("workload", "params"), [("test.odd", {}), ("test.odd", {"exits": True}), ("test.inline", {"bytes": -1})]
)
async def test_a_bug_in_a_workload_costs_its_own_promise_and_shows_nothing_of_the_inside(
    file: ConnectionFile, workload: str, params: dict[str, Any]
) -> None:
    async with session(file) as wire:
        failed = await wire.request(1, workload, params, key=f"bug in {workload}")
        assert failed["code"] == "internal"
        assert "detail of the inside" not in str(failed)
        assert (await wire.request(1, "test.sleep", key=f"after {workload}"))["type"] == "result"


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
    until(lambda: daemon.bridge.jobs.scheduler.running == 0, "the job to leave the worker")


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
        assert came[9]["outcome"] == "not_started"
        assert "300 ms" in came[9]["message"]
        assert {came[number]["type"] for number in range(5)} == {"result"}
        assert await wire.quiet()
    assert "late" not in traces(log)


async def test_a_job_in_hand_has_the_time_of_a_more_patient_one_who_joins_it(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    params = {"path": str(tmp_path / "log"), "line": "x", "seconds": 2.5}
    async with session(daemon.file) as wire, session(daemon.file) as other:
        await wire.request(99, "test.sleep")
        job = await ask(wire, 1, "test.log", params, key="patient", deadline_ms=1500)
        until(lambda: daemon.bridge.jobs.scheduler.running, "the job to be in hand")
        assert await ask(other, 1, "test.log", params, key="patient") == job
        assert (await answer(wire, 1))["code"] == "deadline_exceeded"
        assert (await answer(other, 1))["value"] == "x"
    assert rows(daemon, "SELECT crashes FROM jobs WHERE key = 'patient'") == [(0,)]
    assert daemon.bridge.jobs.scheduler.tally.waiting == 0


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
