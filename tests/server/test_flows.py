"""Advisors at work: popups, answers, commands, receipts, rules; and advisors that fail."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.connection import ConnectionFile
from bridge.core.errors import StoreError
from bridge.core.messages import MAX_FRAME, Action, Popup
from bridge.store.receipts import ReceiptStore
from bridge.store.sessions import SessionStore
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, resume, session
from tests.store.damage import filled

APPLIED = {"before": [{"path": "a", "options": {"x": 1}}], "after": [{"path": "a", "options": {"x": 2}}]}


@pytest.fixture
async def wire(file: ConnectionFile) -> AsyncIterator[Wire]:
    async with session(file, project={"id": "p", "name": "P"}) as made:
        yield made


async def popup(wire: Wire, **data: Any) -> dict[str, Any]:
    await wire.send("event", name="test.popup", data=data)
    return await wire.until("popup")


async def answered(wire: Wire, shown: dict[str, Any], action: str = "yes") -> str:
    await wire.send("answer", id=shown["id"], state="answered", action=action)
    return (await wire.until("popup_close", id=shown["id"]))["reason"]


async def applied(wire: Wire, value: Any = APPLIED, **data: Any) -> int:
    """Has a command sent, and answers it; gives its receipt's id."""
    await wire.send("event", name="test.command", data={"args": {"changes": []}, **data})
    command = await wire.until("command")
    await wire.send("result", id=command["id"], value=value)
    return int(command["id"])


async def lines(log: Path, count: int) -> list[str]:
    await asyncio.to_thread(
        until, lambda: log.exists() and len(log.read_text().splitlines()) >= count, "the log"
    )
    return log.read_text().splitlines()


async def test_an_answer_reaches_its_advisor_with_what_it_kept(wire: Wire, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, state={"log": str(log), "tag": "seven"})
    assert await answered(wire, shown, "no") == "answered"
    assert await lines(log, 1) == ["answered no seven"]


async def test_an_answer_is_confirmed_and_acted_on_once_it_can_be_kept(
    daemon: ThreadDaemon, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object, **_: object) -> None:
        raise StoreError("the disk is full")

    log = tmp_path / "log"
    shown = await popup(wire, state={"log": str(log), "tag": "kept"})
    with monkeypatch.context() as patch:
        patch.setattr(daemon.bridge.store, "write", full)
        await wire.send("answer", id=shown["id"], state="answered", action="yes")
        assert await wire.quiet()
        assert not log.exists()
    assert (await wire.until("popup_close", id=shown["id"]))["reason"] == "answered"
    assert await lines(log, 1) == ["answered yes kept"]


async def test_what_a_kept_answer_leads_to_is_done_once_the_store_can_keep_it(
    daemon: ThreadDaemon, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, writes = daemon.bridge.store, 0
    write = store.write

    async def fails_after_the_first(work: Any, **more: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes > 1:
            raise StoreError("the disk is full")
        return await write(work, **more)

    shown = await popup(wire, state={"log": str(tmp_path / "log"), "again": "next"})
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", fails_after_the_first)
        assert await answered(wire, shown) == "answered"
        assert await wire.quiet()
        assert daemon.popup(shown["id"]).status == "answered"
    assert (await wire.until("popup"))["title"] == "next"
    await asyncio.to_thread(until, lambda: daemon.popup(shown["id"]).status == "settled", "it")


async def test_what_an_advisor_wants_to_show_waits_for_the_store(
    daemon: ThreadDaemon, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object, **_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(daemon.bridge.store, "write", full)
        await wire.send("event", name="test.popup", data={})
        assert await wire.quiet()
    assert await wire.until("popup")


async def test_while_the_store_fails_answers_to_popups_hold_up_nothing_else(
    daemon: ThreadDaemon, wire: Wire
) -> None:
    await wire.send("event", name="test.popup", data={"count": 16})
    shown = [(await wire.until("popup"))["id"] for _ in range(16)]
    holder = sqlite3.connect(daemon.bridge.store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        for popup_id in shown:
            await wire.send("answer", id=popup_id, state="answered", action="yes")
        assert (await wire.request(1, "bridge.echo"))["type"] == "result"
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    closed = {(await wire.until("popup_close"))["id"] for _ in shown}
    assert closed == set(shown)


async def test_an_answer_to_a_daemon_that_is_stopping_is_kept_for_the_next(
    daemon: ThreadDaemon, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, state={"log": str(log)})
    monkeypatch.setattr(daemon.bridge.flows, "_closed", True)
    assert await answered(wire, shown) == "answered"
    assert daemon.popup(shown["id"]).status == "answered"
    assert not log.exists()


async def test_what_an_advisor_keeps_of_thousands_of_files_is_no_work_of_the_loop(
    daemon: ThreadDaemon, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: dict[str, list[str]] = {"reserve_popup": [], "popup": []}

    def spied(name: str) -> None:
        real = getattr(SessionStore, name)

        def spy(*args: Any) -> Any:
            threads[name].append(threading.current_thread().name)
            return real(*args)

        monkeypatch.setattr(SessionStore, name, spy)

    for name in threads:
        spied(name)
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    advisor = next(one for one in daemon.bridge.registry.advisors if "test.popup" in one.events)
    shown = Popup(id=0, kind="test", title="t", body="", actions=[Action(id="yes", label="Yes")])
    state = {"log": str(tmp_path / "log"), "tag": "large", "more": b"x" * MAX_FRAME}
    await asyncio.to_thread(daemon.call, daemon.bridge.flows.show(live, advisor, shown, state, None))
    assert await answered(wire, await wire.until("popup")) == "answered"
    assert await lines(tmp_path / "log", 1) == ["answered yes large"]
    assert set(threads["reserve_popup"]) == {"store-writer"}
    assert all(name.startswith("store-reader") for name in threads["popup"])


async def test_an_answer_sent_twice_is_acted_on_once(wire: Wire, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, state={"log": str(log), "again": "next"})
    for _ in range(2):
        await wire.send("answer", id=shown["id"], state="answered", action="yes")
    came = [await wire.receive() for _ in range(3)]
    assert [m["reason"] for m in came if m["type"] == "popup_close"] == ["answered", "unknown"]
    assert [m["title"] for m in came if m["type"] == "popup"] == ["next"]
    assert await wire.quiet()
    assert await lines(log, 1) == ["answered yes -"]


async def test_an_answer_to_nothing_is_told_so(wire: Wire) -> None:
    await wire.send("answer", id=424_242, state="dismissed")
    assert (await wire.until("popup_close"))["reason"] == "unknown"


async def test_nobody_answers_anothers_popup(file: ConnectionFile, wire: Wire) -> None:
    shown = await popup(wire)
    async with session(file) as other:
        assert await answered(other, shown) == "unknown"
    assert await answered(wire, shown) == "answered"


async def test_an_action_that_a_popup_doesnt_have_is_a_wrong_value(wire: Wire) -> None:
    shown = await popup(wire)
    await wire.send("answer", id=shown["id"], state="answered", action="maybe")
    code, reason = await wire.closed()
    assert code == 4005
    assert "action" in (reason or "")


@pytest.mark.parametrize("state", ["dismissed", "undeliverable", "expired"])
async def test_what_a_person_didnt_answer_reaches_the_advisor_too(
    wire: Wire, tmp_path: Path, state: str
) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, state={"log": str(log)})
    await wire.send("answer", id=shown["id"], state=state)
    assert (await wire.until("popup_close"))["reason"] == state
    assert await lines(log, 1) == [f"{state} - -"]


async def test_a_popup_expires(wire: Wire, tmp_path: Path) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, expires_ms=10, state={"log": str(log)})
    assert (await wire.until("popup_close", id=shown["id"]))["reason"] == "expired"
    assert await lines(log, 1) == ["expired - -"]


async def test_a_popup_takes_the_place_of_one_about_the_same(wire: Wire) -> None:
    old = await popup(wire, dedupe="rock")
    new = await popup(wire, dedupe="rock")
    assert (await wire.until("popup_close"))["id"] == old["id"]
    assert await answered(wire, old) == "unknown"
    assert await answered(wire, new) == "answered"


async def test_an_advisor_may_withdraw_a_popup(wire: Wire) -> None:
    shown = await popup(wire)
    await wire.send("request", id=1, workload="test.ask", params={"do": "close", "popup": shown["id"]})
    assert (await wire.until("popup_close", id=shown["id"]))["reason"] == "superseded"
    assert (await wire.request(2, "test.ask", {"do": "close", "popup": shown["id"]}))["type"] == "result"


@pytest.mark.parametrize("what", ["bug", "exit", "cancel", "keys"])
async def test_an_advisor_that_raises_anything_costs_its_own_popup(
    daemon: ThreadDaemon, wire: Wire, what: str
) -> None:
    kept = await popup(wire)
    await wire.send("event", name="test.raise", data={"what": what})
    lost = await popup(wire, state={"raise": what})
    assert await answered(wire, lost) == "answered"
    assert await answered(wire, kept) == "answered"

    await asyncio.to_thread(until, lambda: daemon.popup(lost["id"]).status == "settled", "settling")


async def test_an_event_that_nobody_watches_is_passed_over(wire: Wire) -> None:
    await wire.send("event", name="nobody.cares", data={"x": [1, {}]})
    await wire.send("result", id=1, value=None)
    await wire.send("error", id=1, code="internal", message="x")
    await wire.send("error", code="internal", message="x")
    assert await wire.quiet()


async def test_events_that_come_faster_than_advisors_work_are_passed_over(
    daemon: ThreadDaemon, wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.server.flows.MAX_EVENTS", 2)
    for _ in range(4):
        await wire.send("event", name="test.hang")
        await wire.request(1, "bridge.echo")
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    assert live.events == 2
    assert "faster" in caplog.text


async def test_a_session_has_so_many_popups_and_no_more(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.flows.MAX_POPUPS", 3)
    await wire.send("event", name="test.popup", data={"count": 5})
    shown = [await wire.until("popup") for _ in range(3)]
    assert await wire.quiet()
    await answered(wire, shown[0])
    assert (await popup(wire, title="more"))["title"] == "more"


async def test_what_doesnt_fit_into_a_frame_is_kept_from_the_editor(wire: Wire, daemon: ThreadDaemon) -> None:
    await wire.send("event", name="test.popup", data={"body": "\x01" * 50_000})
    await wire.send("event", name="test.command", data={"args": {"many": [1] * 140_000}})
    await wire.request(1, "test.ask")
    assert await wire.quiet()
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    assert live.session.seq == 2


async def test_an_advisor_runs_workloads_on_files(wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"file")
    await wire.send("event", name="test.run", data={"path": str(tmp_path / "in")})
    assert (await wire.until("popup"))["body"] == "[b'file']"


async def test_an_advisor_may_keep_rules_for_a_project(wire: Wire) -> None:
    answer = await wire.request(1, "test.ask", {"do": "rule"})
    assert answer["value"] == {"textures": ["flat"]}


# Receipts.


async def test_a_receipt_keeps_before_and_after(daemon: ThreadDaemon, wire: Wire) -> None:
    receipt = await applied(wire, note="because", wait=True)
    assert (await wire.until("popup"))["body"] == "applied"
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    (found,) = answer["value"]["receipts"]
    assert {k: found[k] for k in ("id", "note", "state", "project", "before", "after")} == {
        "id": receipt, "note": "because", "state": "applied", "project": "p", **APPLIED,
    }  # fmt: skip
    assert found["answered"]


async def test_a_command_that_failed_is_kept_as_that(wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}, "wait": True})
    command = await wire.until("command")
    await wire.send("error", id=command["id"], code="unsupported", message="never heard of it")
    assert (await wire.until("popup"))["body"] == "failed"
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    assert answer["value"]["receipts"][0]["errors"] == [{"message": "never heard of it"}]


async def test_a_second_answer_to_a_command_changes_nothing(wire: Wire) -> None:
    receipt = await applied(wire)
    await wire.send("result", id=receipt, value={"before": [], "after": ["forged"]})
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    assert answer["value"]["receipts"][0]["after"] == APPLIED["after"]


async def test_nobody_answers_anothers_command(file: ConnectionFile, wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}})
    command = await wire.until("command")
    async with session(file) as other:
        await other.send("result", id=command["id"], value={"after": ["forged"]})
        answer = await other.request(1, "receipts.list", {"limit": 1})
        assert answer["value"]["receipts"][0]["state"] == "sent"


async def test_a_revert_sends_what_was_before(file: ConnectionFile, wire: Wire) -> None:
    receipt = await applied(wire)
    async with session(file, client={"kind": "tool", "name": "t", "version": "1"}) as tool:
        await tool.send("request", id=1, workload="receipts.revert", params={"id": receipt})
        command = await wire.until("command")
        assert command["args"] == {"changes": APPLIED["before"]}
        await wire.send("result", id=command["id"], value=APPLIED)
        made = (await tool.receive())["value"]["receipt"]
        assert (made["reverts"], made["state"]) == (receipt, "applied")


async def test_a_popup_may_revert_all_it_applied_last_first(wire: Wire) -> None:
    shown = await popup(wire, state={"commands": 2, "revert": True})
    await answered(wire, shown)
    for number in range(2):
        command = await wire.until("command")
        assert command["args"]["changes"] == [number]
        await wire.send("result", id=command["id"], value={"before": [number + 10], "after": [1]})
    assert [(await wire.until("command"))["args"]["changes"] for _ in range(2)] == [[11], [10]]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"id": 987_654}, "not_found"),
        ({"id": 2**63}, "bad_params"),
        ({"id": "x"}, "bad_params"),
        ({}, "bad_params"),
    ],
)
async def test_a_receipt_that_cant_be_is_said_to_be_none(wire: Wire, params: Any, code: str) -> None:
    assert (await wire.request(1, "receipts.revert", params))["code"] == code


async def test_a_list_without_end_is_refused(wire: Wire) -> None:
    assert (await wire.request(1, "receipts.list", {"limit": -1}))["code"] == "bad_params"


async def test_a_list_has_as_many_receipts_as_fit_into_a_frame_and_goes_on_from_there(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    filled(daemon.paths.database, 600)
    for subprotocol in ("bridge.v1.msgpack", "bridge.v1.json"):
        async with session(daemon.file, subprotocol) as wire:
            ids: list[int] = []
            for number in range(1, 100):
                before = {"before": ids[-1]} if ids else {}
                found = (await wire.request(number, "receipts.list", {"limit": 400, **before}))["value"]
                part = [one["id"] for one in found["receipts"]]
                assert 100 < len(part) < 400 or part[-1] == 1
                assert found["more"] is (part[-1] != 1)
                ids += part
                if not found["more"]:
                    break
            assert ids == list(range(600, 0, -1))


async def test_receipts_are_listed_by_a_thread(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    real, threads = ReceiptStore.newest, set()

    def newest(*args: Any) -> Any:
        threads.add(threading.current_thread().name.rpartition("-")[0])
        return real(*args)

    monkeypatch.setattr(ReceiptStore, "newest", newest)
    assert (await wire.request(1, "receipts.list", {"limit": 1}))["type"] == "result"
    assert threads == {"store-reader"}


async def test_what_was_never_applied_cant_be_reverted(wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}})
    command = await wire.until("command")
    answer = await wire.request(1, "receipts.revert", {"id": command["id"]})
    assert answer["code"] == "unsupported"
    assert "sent" in answer["message"]


async def test_a_revert_needs_an_editor_and_only_one(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    project = {"id": "p", "name": "The Game"}
    tool = {"kind": "tool", "name": "t", "version": "1"}
    async with session(file, project=project) as gone:
        receipt = await applied(gone)
        await gone.request(1, "bridge.echo")
    async with session(file, client=tool, project=project) as asker:
        answer = await asker.request(1, "receipts.revert", {"id": receipt})
        assert answer["code"] == "editor_gone"
        assert "The Game" in answer["message"]
        async with session(file, project=project) as one, session(file, project=project) as two:
            answer = await asker.request(2, "receipts.revert", {"id": receipt})
            assert answer["code"] == "ambiguous_editor"
            assert one.ready["session"] in answer["message"]
            assert f"{two.ready['session']} (editor wire 1, project The Game)" in answer["message"]
            named = {"id": receipt, "editor": two.ready["session"]}
            await asker.send("request", id=4, workload="receipts.revert", params=named)
            assert (await two.until("command"))["args"] == {"changes": APPLIED["before"]}
            answer = await asker.request(5, "receipts.revert", {"id": receipt, "editor": "nobody"})
            assert answer["code"] == "editor_gone"
            await one.send("request", id=6, workload="receipts.revert", params={"id": receipt})
            assert (await one.until("command"))["args"] == {"changes": APPLIED["before"]}
            async with session(file, project=project, resume=resume(gone, 9)) as own:
                await asker.send("request", id=3, workload="receipts.revert", params={"id": receipt})
                assert (await own.until("command"))["args"] == {"changes": APPLIED["before"]}


async def test_advisors_end_with_their_session(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(session__keep_s=0.2)
    async with session(daemon.file) as wire:
        shown = await popup(wire, state={"commands": 1, "again": "never"})
        await answered(wire, shown)
        await wire.until("command")
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    await asyncio.to_thread(until, lambda: not daemon.bridge.flows._tasks, "the advisor's end")
    await asyncio.to_thread(until, lambda: daemon.popup(shown["id"]).status == "settled", "settling")
    assert daemon.popup(shown["id"] + 1) is None


async def test_a_full_outbox_costs_no_receipt(
    daemon: ThreadDaemon, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await wire.request(1, "receipts.list"))["value"]["receipts"]
    monkeypatch.setattr("bridge.server.live.MAX_OUTBOX", 1)
    await wire.send("event", name="test.command", data={"args": {}})
    await wire.request(2, "test.ask")
    assert (await wire.request(3, "receipts.list"))["value"]["receipts"] == before
