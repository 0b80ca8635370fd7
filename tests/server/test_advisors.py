"""Advisors at work: popups, answers, commands, rules; and advisors that fail."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreError
from bridge.core.messages import MAX_FRAME, Action, Popup
from bridge.paths import ConnectionFile
from bridge.store.sessions import SessionStore
from tests.server.advised import answered, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, session


@pytest.fixture
async def wire(file: ConnectionFile) -> AsyncIterator[Wire]:
    async with session(file, project={"id": "p", "name": "P"}) as made:
        yield made


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


async def test_of_a_popup_that_couldnt_be_shown_the_log_tells_where_and_what_it_asked(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    shown = await popup(wire, title="Mend rock.png?")
    await wire.send("answer", id=shown["id"], state="undeliverable")
    said = f"popup {shown['id']} of obedient couldn't be shown by editor wire 1"
    await asyncio.to_thread(until, lambda: said in caplog.text, "it to be told")


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
    monkeypatch.setattr("bridge.server.advisors.MAX_EVENTS", 2)
    for _ in range(4):
        await wire.send("event", name="test.hang")
        await wire.request(1, "bridge.echo")
    live = daemon.bridge.sessions.by_id[wire.ready["session"]]
    assert live.events == 2
    assert "faster" in caplog.text


async def test_a_session_has_so_many_popups_and_no_more(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.server.advisors.MAX_POPUPS", 3)
    await wire.send("event", name="test.popup", data={"count": 5})
    shown = [await wire.until("popup") for _ in range(3)]
    assert await wire.quiet()
    await answered(wire, shown[0])
    assert (await popup(wire, title="more"))["title"] == "more"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("test.popup", {"title": None}, "Expected `str`, got `null` - at `popup.title`"),
        ("test.popup", {"body": "x" * 32_769}, "of length <= 32768 - at `popup.body`"),
        ("test.command", {"args": {}, "note": 5}, "note must be text, not 5"),
    ],
)  # fmt: skip
async def test_what_no_editor_could_read_is_told_to_who_wrote_it_and_ends_no_connection(
    wire: Wire, caplog: pytest.LogCaptureFixture, name: str, data: dict[str, Any], says: str
) -> None:
    await wire.send("event", name=name, data=data)
    await asyncio.to_thread(until, lambda: says in caplog.text, "the log")
    # The traceback leads to the advisor's own line.
    assert "plugin.py" in caplog.text
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
    assert answer["value"] == [{"textures": ["test.flat"]}, {}]


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
