"""Requests: answered, refused, cancelled, too late, crashed; each costs itself alone."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.paths import ConnectionFile
from bridge.server.app import DRAIN_S
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, resume, session


async def test_a_worker_answers_with_what_it_made(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.make", {"bytes": 3})
        assert answer["value"] == "xxx"
        name = hashlib.sha256(b"y" * 10).hexdigest()
        made = {"name": "made.bin", "media_type": "application/octet-stream", "size": 10, "blob": name}
        assert answer["outputs"] == [made]
        assert (daemon.paths.blobs / name).read_bytes() == b"y" * 10
        assert answer["meta"]["run_ms"] >= 0


async def test_what_runs_in_the_daemon_gets_its_limits_and_keeps_its_files(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.inline", {"bytes": 4})
        assert answer["value"]["pixels"] == 268_435_456
        assert answer["meta"]["device"] == "inline"
        assert (daemon.paths.blobs / answer["outputs"][0]["blob"]).read_bytes() == b"zzzz"


async def test_what_runs_in_the_daemon_gets_its_inputs(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.inline", inputs=[{"name": "a", "data": b"seen"}])
        assert answer["value"]["seen"] == [b"seen"]


@pytest.mark.parametrize(
    ("name", "params"), [("test.fail", {}), ("test.inline", {"bytes": -1}), ("test.inline", {"bytes": -2})]
)
async def test_a_bug_in_a_workload_is_internal_and_shows_nothing_of_the_inside(
    file: ConnectionFile, name: str, params: dict[str, int]
) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, name, params)
        assert answer["code"] == "internal"
        assert "detail of the inside" not in str(answer)
        assert (await wire.request(2, "bridge.echo"))["type"] == "result"


async def test_inputs_come_as_data_as_blob_and_as_path(daemon: ThreadDaemon, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"three")
    blob = daemon.bridge.dispatch._runner._blobs.put(b"two")
    inputs = [{"name": "1", "data": b"one"}, {"name": "2", "blob": blob}, {"name": "3", "path": "in.txt"}]
    async with session(daemon.file, project={"id": "p", "name": "P", "root": str(tmp_path)}) as wire:
        assert (await wire.request(1, "test.read", inputs=inputs))["value"] == [b"one", b"two", b"three"]
        inputs[2]["path"] = str(tmp_path / "in.txt")
        assert (await wire.request(2, "test.read", inputs=inputs))["type"] == "result"


async def test_data_is_base64_in_json(file: ConnectionFile) -> None:
    async with session(file, "bridge.v1.json") as wire:
        data = base64.b64encode(b"one").decode()
        assert (await wire.request(1, "test.read", inputs=[{"name": "1", "data": data}]))["value"] == [data]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "folder").mkdir(parents=True)
    (root / "ok.txt").write_bytes(b"ok")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (root / "inside").symlink_to(root / "ok.txt")
    (root / "outside").symlink_to(tmp_path / "secret.txt")
    (root / "loop").symlink_to(root / "loop")
    (root / "way").symlink_to(tmp_path)
    return root


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../secret.txt", "forbidden"),
        ("folder/../../secret.txt", "forbidden"),
        ("outside", "forbidden"),
        ("way/secret.txt", "forbidden"),
        ("/etc/hosts", "forbidden"),
        ("", "bad_input"),
        ("folder", "bad_input"),
        ("missing.png", "not_found"),
        ("loop", "not_found"),
        ("ok.txt/more", "not_found"),
        ("nul\0byte", "bad_input"),
        ("C:\\windows\\win.ini", "not_found"),
        ("\\\\server\\share\\x", "not_found"),
        ("..\\secret.txt", "not_found"),
    ],
)
async def test_a_path_that_leads_out_or_nowhere_is_refused_by_name(
    file: ConnectionFile, project: Path, path: str, code: str
) -> None:
    async with session(file, project={"id": "p", "name": "P", "root": str(project)}) as wire:
        answer = await wire.request(1, "test.read", inputs=[{"name": "in", "path": path}])
        assert answer["code"] == code
        assert "secret.txt" not in answer["message"].replace(path, "")
        good = await wire.request(2, "test.read", inputs=[{"name": "in", "path": "inside"}])
        assert good["value"] == [b"ok"]


@pytest.mark.parametrize("more", [{}, {"project": {"id": "p", "name": "P"}}])
async def test_without_a_project_root_no_path_is_taken(file: ConnectionFile, more: dict[str, Any]) -> None:
    async with session(file, **more) as wire:
        answer = await wire.request(1, "test.read", inputs=[{"name": "in", "path": "/etc/hosts"}])
        assert answer["code"] == "forbidden"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({"blob": "0" * 64}, "not_found", "0000"),
        ({}, "bad_input", "in"),
        ({"data": b"x" * 65_537}, "too_large", "65537"),
    ],
)
async def test_an_input_that_isnt_there_or_too_much_is_named(
    file: ConnectionFile, given: dict[str, Any], code: str, says: str
) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.read", inputs=[{"name": "in", **given}])
        assert answer["code"] == code
        assert says in answer["message"]


async def test_an_unknown_workload_is_named(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "image.teleport")
        assert (answer["code"], answer["outcome"]) == ("unknown_workload", "not_started")
        assert "image.teleport" in answer["message"]


@pytest.mark.parametrize("name", ["test.sleep", "test.inline"])
async def test_a_bad_parameter_is_named(file: ConnectionFile, name: str) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, name, {"seconds": "soon", "bytes": "many"})
        assert answer["code"] == "bad_params"
        assert name in answer["message"]


async def test_too_few_inputs_are_bad_parameters(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.crash")
        assert answer["code"] == "bad_params"
        assert "1 input, got 0" in answer["message"]


async def test_what_a_workload_says_of_an_input_reaches_the_client(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.refuse", inputs=[{"name": "rock.png", "data": b"x"}])
        assert (answer["code"], answer["message"]) == ("bad_input", "rock.png: is no picture.")


async def test_a_key_is_refused_where_nothing_can_be_promised(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.ask", key="k")
        assert (answer["code"], answer["outcome"]) == ("unsupported", "not_started")
        assert "key" in answer["message"]
        assert (await wire.request(2, "test.ask", priority="bulk"))["type"] == "result"


async def test_what_is_too_many_is_refused_and_the_rest_is_done(start: Callable[..., ThreadDaemon]) -> None:
    async with session(start(session__inflight=2).file) as wire:
        for number in range(3):
            await wire.send("request", id=number, workload="test.sleep", params={"seconds": 0.2})
        refused = await wire.until("error")
        assert (refused["id"], refused["code"], refused["retryable"]) == (2, "overloaded", True)
        assert {(await wire.until("result"))["id"] for _ in range(2)} == {0, 1}
        assert (await wire.request(2, "test.sleep"))["type"] == "result"


@pytest.mark.parametrize("name", ["test.sleep", "test.ask"])
async def test_a_deadline_that_passes_is_answered_once(file: ConnectionFile, name: str) -> None:
    async with session(file) as wire:
        params = {"seconds": 60, "do": "sleep"} if name == "test.ask" else {"seconds": 60}
        answer = await wire.request(1, name, params, deadline_ms=50)
        assert answer["code"] == "deadline_exceeded"
        if name == "test.ask":  # an advisor begins at once
            assert answer["outcome"] == "unknown"
        assert "50 ms" in answer["message"]
        assert await wire.quiet()


async def test_cancel_ends_what_runs_and_what_waits(file: ConnectionFile) -> None:
    async with session(file) as wire:
        for number in (1, 2):
            await wire.send("request", id=number, workload="test.sleep", params={"seconds": 60})
        for number in (2, 1):
            await wire.send("cancel", id=number)
            error = await wire.until("error", id=number)
            assert error["code"] == "cancelled"
        await wire.send("cancel", id=1)
        await wire.send("cancel", id=77)
        assert (await wire.request(1, "test.sleep"))["value"] == "awake"


async def test_an_id_may_be_used_anew_while_what_was_cancelled_still_ends(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await wire.send("request", id=1, workload="test.ask", params={"do": "stubborn"})
        await wire.send("cancel", id=1)
        await wire.send("request", id=1, workload="test.ask", params={"do": "sleep", "seconds": 0.1})
        assert (await wire.receive())["code"] == "cancelled"
        assert (await wire.receive())["value"]["locale"] == "en"
        assert await wire.quiet()


async def test_an_answer_too_large_for_a_frame_is_said_to_be(file: ConnectionFile) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.make", {"bytes": 300_000})
        assert answer["code"] == "too_large"
        assert answer["seq"] == 1
        assert answer["hint"]


async def test_a_crash_names_its_input_and_the_others_are_done(file: ConnectionFile) -> None:
    async with session(file) as wire, session(file) as other:
        inputs = [{"name": "rock.png", "data": b"x"}]
        await wire.send("request", id=1, workload="test.crash", inputs=inputs)
        await wire.send("request", id=2, workload="test.read", inputs=inputs)
        await other.send("request", id=1, workload="test.read", inputs=inputs)
        crashed = await wire.until("error", id=1)
        assert crashed["code"] == "worker_crashed"
        assert "rock.png" in crashed["message"]
        assert (await other.receive())["value"] == [b"x"]
    async with session(file) as wire:
        assert (await wire.request(1, "test.sleep"))["value"] == "awake"


async def test_a_result_waits_for_a_client_that_comes_back(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await wire.send("request", id=5, workload="test.sleep", params={"seconds": 0.3})
        await wire.request(6, "bridge.echo")
    async with session(file, resume=resume(wire, 1)) as again:
        assert again.ready["resumed"] is True
        assert (await again.until("result", id=5))["value"] == "awake"


async def test_a_client_that_was_restarted_isnt_told_what_its_last_run_asked(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await wire.send("request", id=5, workload="test.sleep", params={"seconds": 60})
        await wire.request(6, "bridge.echo")
    async with session(file, resume=resume(wire, 1), instance="two") as again:
        assert (await again.request(5, "bridge.echo", {"value": "mine"}))["value"] == "mine"
        assert await again.quiet()


async def test_an_ended_sessions_work_is_given_up(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(session__keep_s=0.1)
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 60})
        await wire.request(2, "bridge.echo")
    until(lambda: not len(daemon.bridge.sessions), "the session's end")
    async with session(daemon.file) as wire:
        assert (await wire.request(1, "test.sleep"))["value"] == "awake"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"do": "raise", "what": "bug"}, "internal"),
        ({"do": "raise", "what": "exit"}, "internal"),
        ({"do": "raise", "what": "cancel"}, "internal"),
        ({"do": "odd"}, "internal"),
        ({"do": "refuse"}, "forbidden"),
    ],
)
async def test_an_advisor_that_cant_answer_costs_its_own_request(
    file: ConnectionFile, params: dict[str, str], code: str
) -> None:
    async with session(file) as wire:
        answer = await wire.request(1, "test.ask", params)
        assert answer["code"] == code
        assert "purpose" not in answer["message"]
        if code == "internal" and params["do"] == "raise":
            assert answer["message"] == "test.ask failed; see the daemon's log."
    async with session(file, resume=resume(wire)) as again:
        assert (await again.receive())["code"] == code


async def test_an_advisor_knows_whom_it_talks_to(file: ConnectionFile, tmp_path: Path) -> None:
    async with session(file, locale="de", project={"id": "p", "name": "P", "root": str(tmp_path)}) as wire:
        assert (await wire.request(1, "test.ask"))["value"] == {
            "project": "p", "root": str(tmp_path), "locale": "de",
        }  # fmt: skip


async def asked_while_stopping(daemon: ThreadDaemon, wire: Wire) -> dict[str, Any]:
    until(lambda: daemon.bridge.dispatch.stopping, "the daemon to stop")
    return await wire.request(2, "bridge.echo")


async def test_a_stopping_daemon_finishes_its_work_and_takes_no_more(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.5})
        await wire.request(3, "bridge.echo")
        daemon.server.should_exit = True
        assert (await asked_while_stopping(daemon, wire))["code"] == "shutting_down"
        assert (await wire.until("result", id=1))["value"] == "awake"
        code, reason = await wire.closed()
        assert code == 1012
        assert "resume" in (reason or "")


async def test_a_stopping_daemon_says_what_it_gave_up(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DRAIN_S > 1
    monkeypatch.setattr("bridge.server.app.DRAIN_S", 0.1)
    daemon = start()
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 60})
        await wire.request(3, "bridge.echo")
        daemon.server.should_exit = True
        assert (await wire.until("error", id=1))["code"] == "shutting_down"
        assert (await wire.closed())[0] == 1012
    await asyncio.to_thread(daemon.stop)
