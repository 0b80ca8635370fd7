"""Two editors on one project: what becomes of popups when a session ends, or the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.server.advised import answered, popup
from tests.server.daemons import until
from tests.server.promises import Start
from tests.server.test_advisors import lines
from tests.server.test_popups_shared import editor, status
from tests.server.wire import resume


async def test_when_its_session_ends_the_other_editor_has_a_popup_for_good(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(session__keep_s=0.1)
    log = tmp_path / "log"
    async with editor(daemon.file, tmp_path) as second:
        async with editor(daemon.file, tmp_path) as first:
            shown = await popup(first, state={"log": str(log)})
            await second.until("popup")
        heir = second.ready["session"]

        def handed_over() -> bool:
            stored = daemon.popup(shown["id"])
            return stored is not None and stored.session == heir

        await asyncio.to_thread(until, handed_over, "it to be handed over")
        assert await second.quiet()
        await answered(second, shown)
    assert await lines(log, 1) == ["answered yes -"]


async def test_when_its_session_ends_while_the_other_editor_is_away_a_popup_stays_on_that_ones_screen(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        shown = await popup(first, state={"log": str(tmp_path / "log")})
        seen = await second.until("popup")
    daemon.bridge.sessions.by_id[first.ready["session"]].session.keep_s = 0

    def is_seconds() -> bool:
        stored = daemon.popup(shown["id"])
        return stored is not None and stored.session == second.ready["session"]

    await asyncio.to_thread(until, is_seconds, "it to be handed over")
    await asyncio.to_thread(daemon.stop)
    daemon = start()
    async with editor(daemon.file, tmp_path, resume=resume(second, seen["seq"])) as again:
        assert again.ready["popups"] == [shown["id"]]
        # Under the same id, so that it is on the screen once.
        assert (await again.until("popup"))["id"] == shown["id"]
        assert await again.quiet()
        assert await answered(again, shown) == "answered"
    assert await lines(tmp_path / "log", 1) == ["answered yes -"]


async def test_what_comes_to_an_editor_that_is_away_comes_to_the_next_one_as_well(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as away:
        pass
    async with editor(daemon.file, tmp_path) as first:
        shown = await popup(first)
    daemon.bridge.sessions.by_id[first.ready["session"]].session.keep_s = 0
    heir = daemon.bridge.sessions.by_id[away.ready["session"]]
    await asyncio.to_thread(until, lambda: shown["id"] in heir.session.popups, "it to be handed over")
    async with editor(daemon.file, tmp_path) as late:
        assert (await late.until("popup"))["id"] == shown["id"]
        async with editor(daemon.file, tmp_path, resume=resume(away)) as back:
            assert (await back.until("popup"))["id"] == shown["id"]
            assert await answered(back, shown) == "answered"
            assert await late.until("popup_close", id=shown["id"])


async def test_what_nobody_answered_before_all_editors_were_gone_comes_to_the_next(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(session__keep_s=0.1)
    async with editor(daemon.file, tmp_path) as wire:
        shown = await popup(wire, state={"log": str(tmp_path / "log")})
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    await asyncio.to_thread(daemon.stop)
    daemon = start(session__keep_s=60)
    async with editor(daemon.file, tmp_path / "other") as other:
        assert await other.quiet()
    async with editor(daemon.file, tmp_path) as late:
        again = await late.until("popup")
        assert (again["id"], again["title"]) == (shown["id"], shown["title"])
    # It is its own now, as after any restart.
    await asyncio.to_thread(daemon.stop)
    async with editor(start().file, tmp_path, resume=resume(late, again["seq"])) as back:
        assert await back.quiet()
        assert await answered(back, again) == "answered"
    assert await lines(tmp_path / "log", 1) == ["answered yes -"]


async def test_of_many_that_were_left_the_first_come(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.server.popups.MAX_ADOPTED", 2)
    daemon = start(session__keep_s=0.1)
    async with editor(daemon.file, tmp_path) as wire:
        left = [await popup(wire) for _ in range(3)]
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    async with editor(daemon.file, tmp_path) as late:
        assert [(await late.until("popup"))["id"] for _ in range(2)] == [each["id"] for each in left[:2]]
        assert await late.quiet()


async def test_a_restarted_daemon_lets_either_editor_answer(start: Start, tmp_path: Path) -> None:
    daemon = start()
    log = tmp_path / "log"
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        shown = await popup(first, state={"log": str(log)})
        seen = await second.until("popup")
        await asyncio.to_thread(daemon.stop)
    daemon = start()
    async with editor(daemon.file, tmp_path, resume=resume(second, seen["seq"])) as again:
        assert (await again.until("popup"))["id"] == shown["id"]
        assert await answered(again, shown) == "answered"
        async with editor(daemon.file, tmp_path, resume=resume(first, shown["seq"])) as other:
            assert await other.until("popup_close", id=shown["id"])
    assert await lines(log, 1) == ["answered yes -"]


async def test_what_was_closed_while_an_editor_was_away_isnt_open_to_the_next_daemon_either(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as second:
        async with editor(daemon.file, tmp_path) as first:
            assert "popups" not in first.ready
            closed, still = await popup(first), await popup(first)
        await second.until("popup", id=still["id"])
        assert await answered(second, closed) == "answered"
    await asyncio.to_thread(until, lambda: status(daemon, closed) == "settled", "it to be settled")
    await asyncio.to_thread(daemon.stop)
    daemon = start()
    async with editor(daemon.file, tmp_path, resume=resume(first, still["seq"])) as again:
        assert again.ready["popups"] == [still["id"]]
        # What it showed of another's stays on its screen.
        async with editor(daemon.file, tmp_path, resume=resume(second, 99)) as other:
            assert other.ready["popups"] == [still["id"]]
            assert (await other.until("popup"))["id"] == still["id"]
            assert await other.quiet()
            assert await answered(again, still) == "answered"
            assert (await other.until("popup_close"))["id"] == still["id"]


async def test_one_of_anothers_that_is_closed_before_it_is_open_again_goes_from_the_screen(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        shown = await popup(first)
        await second.until("popup")
    await asyncio.to_thread(daemon.stop)
    daemon = start()
    flows, source = daemon.bridge.flows, daemon.bridge.sessions.by_id[first.ready["session"]]
    real = flows.sharing.adopt_orphans

    async def and_somebody_closes_it(*args: Any) -> None:
        await flows.withdraw(source, shown["id"])
        await real(*args)

    monkeypatch.setattr(flows.sharing, "adopt_orphans", and_somebody_closes_it)
    async with editor(daemon.file, tmp_path, resume=resume(second, 99)) as again:
        assert again.ready["popups"] == [shown["id"]]
        assert await again.receive() == {"type": "popup_close", "id": shown["id"], "reason": "unknown"}
        assert await again.quiet()


async def test_a_popup_that_was_left_and_cant_be_read_costs_no_other(start: Start, tmp_path: Path) -> None:
    daemon = start(session__keep_s=0.1)
    async with editor(daemon.file, tmp_path) as wire:
        broken, whole = await popup(wire), await popup(wire)
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    await asyncio.to_thread(daemon.stop)
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute("UPDATE popups SET message = x'c1' WHERE id = ?", (broken["id"],))
    async with editor(start().file, tmp_path) as late:
        assert (await late.until("popup"))["id"] == whole["id"]
        assert await late.quiet()


@pytest.mark.parametrize(
    "damage", ["popups SET message = x'c1' WHERE id = ?", "sessions SET acked = x'c1' WHERE ?"]
)
async def test_a_session_that_cant_be_read_leaves_its_popups_to_the_next_editor(
    start: Start, tmp_path: Path, damage: str
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as wire:
        broken, whole = await popup(wire), await popup(wire)
    await asyncio.to_thread(daemon.stop)
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute(f"UPDATE {damage}", (broken["id"],))
    async with editor(start().file, tmp_path) as late:
        readable = [whole["id"]] if damage.startswith("popups") else [broken["id"], whole["id"]]
        assert [(await late.until("popup"))["id"] for _ in readable] == readable
        assert await late.quiet()
        assert await answered(late, whole) == "answered"


@pytest.mark.parametrize(
    "damage", ["receipts SET args = x'c1'", "receipts SET deadline_ms = 'soon'", "sessions SET acked = x'c1'"]
)
async def test_what_was_answered_in_a_session_that_cant_be_read_is_asked_again(
    start: Start, tmp_path: Path, damage: str
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as wire:
        shown = await popup(wire, state={"log": str(tmp_path / "log")})
        await wire.send("event", name="test.command", data={"args": {"x": 1}})
        await wire.until("command")
    await asyncio.to_thread(daemon.stop)
    answer = b"\x83\xa4type\xa6answer\xa2id\x01\xa5state\xa9dismissed"
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute("UPDATE popups SET status = 'answered', answer = ?", (answer,))
        db.execute(f"UPDATE {damage}")
    async with editor(start().file, tmp_path) as late:
        assert (await late.until("popup"))["id"] == shown["id"]
        assert await answered(late, shown) == "answered"
    assert await lines(tmp_path / "log", 1) == ["answered yes -"]


async def test_an_answer_in_a_session_that_is_over_holds_nothing_any_more(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    async with editor(daemon.file, tmp_path) as wire:
        shown = await popup(wire)
    await asyncio.to_thread(daemon.stop)
    # As if it had been killed before it could keep that it had acted on it.
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute("UPDATE popups SET status = 'answered', answer = x'80'")
        db.execute("UPDATE sessions SET closed = 1")
    assert status(start(), shown) == "settled"


async def test_what_nobody_shares_is_settled_where_its_session_cant_be_read(
    start: Start, tmp_path: Path
) -> None:
    daemon = start()
    client = {"kind": "tool", "name": "t", "version": "1"}
    async with editor(daemon.file, tmp_path, client=client) as wire:
        shown = await popup(wire)
    await asyncio.to_thread(daemon.stop)
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute("UPDATE sessions SET acked = x'c1'")
    assert status(start(), shown) == "settled"
