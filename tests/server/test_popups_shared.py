"""Two editors on one project: each sees what is asked, one answers, and closing one loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.core.messages import Action, Identify, Popup
from bridge.paths import ConnectionFile
from bridge.server.live_session import workspace
from tests.server.advised import APPLIED, PUT_BACK, answered, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.plugin import Obedient
from tests.server.promises import Start
from tests.server.test_advisors import lines
from tests.server.test_sessions_ending import lost
from tests.server.wire import Wire, identity, resume, session

ENGINE = {"name": "fake", "version": "2.1"}


@contextlib.asynccontextmanager
async def editor(file: ConnectionFile, root: Path, **more: Any) -> AsyncIterator[Wire]:
    project = {"id": "p", "name": "P", "root": str(root)}
    async with session(file, **{"engine": ENGINE, "project": project, **more}) as wire:
        yield wire


def status(daemon: ThreadDaemon, shown: dict[str, Any]) -> str:
    stored = daemon.popup(shown["id"])
    assert stored is not None
    return stored.status


async def test_what_is_answered_in_one_editor_goes_from_the_other(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        shown = await popup(first, state={"log": str(log)})
        copy = await second.until("popup")
        assert {**copy, "seq": 0} == {**shown, "seq": 0}
        assert await answered(second, copy, "no") == "answered"
        assert (await first.until("popup_close", id=shown["id"]))["reason"] == "answered"
        assert await answered(first, shown) == "unknown"
        assert await lines(log, 1) == ["answered no -"]
        assert await first.quiet() and await second.quiet()


async def test_an_editor_that_connects_later_sees_what_is_open(file: ConnectionFile, tmp_path: Path) -> None:
    async with editor(file, tmp_path) as first:
        shown = await popup(first)
        async with editor(file, tmp_path) as second:
            assert (await second.receive())["id"] == shown["id"]
            assert await second.quiet()


async def test_what_the_second_took_over_stays_with_the_first_when_it_is_closed(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    # As the Godot addons: both editors have the project's one state file.
    async with editor(daemon.file, tmp_path) as first:
        shown = await popup(first)
        async with editor(daemon.file, tmp_path, resume=resume(first, 1), instance="two") as second:
            assert (await second.until("popup"))["id"] == shown["id"]
            assert (await first.closed())[0] == 4011
            async with editor(daemon.file, tmp_path) as anew:
                assert (await anew.until("popup"))["id"] == shown["id"]
                await second.socket.close()
                assert await answered(anew, shown) == "answered"
    await asyncio.to_thread(until, lambda: status(daemon, shown) == "settled", "it to be settled")


async def test_commands_go_to_the_editor_that_answered(file: ConnectionFile, tmp_path: Path) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        shown = await popup(first, state={"commands": 1, "revert": True})
        await first.socket.close()
        await answered(second, shown)
        command = await second.until("command")
        await second.send("result", id=command["id"], value=APPLIED)
        assert (await second.until("command"))["args"] == {"changes": PUT_BACK}


async def test_an_undo_that_another_editor_asks_for_is_done_by_that_one(
    file: ConnectionFile, tmp_path: Path
) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        await first.send("event", name="test.command", data={"args": {"changes": []}})
        command = await first.until("command")
        await first.send("result", id=command["id"], value=APPLIED)
        shown = await popup(first, state={"undo": [command["id"]]})
        await first.socket.close()
        await answered(second, shown)
        assert (await second.until("command"))["args"] == {"changes": PUT_BACK}


@pytest.mark.parametrize("changed", ["root", "id", "engine", "generation", "kind"])
async def test_editors_of_other_projects_share_nothing(
    file: ConnectionFile, tmp_path: Path, changed: str
) -> None:
    other = {"id": "p", "name": "P", "root": str(tmp_path)}
    more: dict[str, Any] = {"project": other}
    if changed == "root":
        other["root"] = str(tmp_path / "copy")
    elif changed == "id":
        other["id"] = "q"
    elif changed == "engine":
        more["engine"] = {"name": "another", "version": "2.1"}
    elif changed == "generation":
        more["engine"] = {**ENGINE, "version": "1.9"}
    else:
        more["client"] = {"kind": "tool", "name": "t", "version": "1"}
    async with editor(file, tmp_path) as first, editor(file, tmp_path, **more) as second:
        await popup(first)
        assert await second.quiet()


async def test_a_project_of_the_next_generation_isnt_asked_what_was_left_of_the_one_before(
    start: Start, tmp_path: Path
) -> None:
    daemon = start(session__keep_s=0.1)
    async with editor(daemon.file, tmp_path) as before:
        shown = await popup(before)
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    async with editor(daemon.file, tmp_path, engine={**ENGINE, "version": "3.0"}) as later:
        assert await later.quiet()
    async with editor(daemon.file, tmp_path, engine={**ENGINE, "version": "2.9.beta"}) as same:
        assert (await same.until("popup"))["id"] == shown["id"]


def test_what_has_no_folder_on_this_machine_is_shared_with_nobody(file: ConnectionFile) -> None:
    said = identity(file, engine=ENGINE, project={"id": "p", "name": "P"})
    assert workspace(msgspec.convert(said, Identify)) == ""


async def test_what_was_closed_while_an_editor_was_away_goes_from_its_screen(
    file: ConnectionFile, tmp_path: Path
) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        shown = await popup(first)
        seen = await second.until("popup")
        await second.socket.close()
        await answered(first, shown)
        async with editor(file, tmp_path, resume=resume(second, seen["seq"])) as again:
            assert await again.receive() == {"type": "popup_close", "id": shown["id"], "reason": "answered"}
            assert await again.quiet()


async def test_one_that_takes_anothers_place_does_so_everywhere(file: ConnectionFile, tmp_path: Path) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        old = await popup(first, dedupe="rock")
        new = await popup(first, dedupe="rock")
        assert (await second.until("popup_close"))["id"] == old["id"]
        assert await answered(second, old) == "unknown"
        assert await answered(second, new) == "answered"


async def test_of_two_about_the_same_that_come_at_once_one_is_left(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = start()
    shared = daemon.bridge.flows.sharing
    async with editor(daemon.file, tmp_path) as first, editor(daemon.file, tmp_path) as second:
        # What is open is shown to who arrives, too.
        assert await first.quiet() and await second.quiet()
        with monkeypatch.context() as patch:
            # Each is open in its own session before the other hears of it.
            patch.setattr(shared, "show", lambda *_: None)
            made = [(await popup(wire, dedupe="rock"))["id"] for wire in (first, second)]
        lives = [daemon.bridge.sessions.by_id[wire.ready["session"]] for wire in (first, second)]
        daemon.look(lambda: [shared.show(live, one) for live, one in zip(lives, made, strict=True)])

        def left() -> bool:
            shown = [{one.id for one in live.session.popups} for live in lives]
            return not daemon.bridge.flows._tasks and shown[0] == shown[1] and len(shown[0]) == 1

        await asyncio.to_thread(until, lambda: daemon.look(left), "one popup in both")
        (lost,) = {*made} - {one.id for one in lives[0].session.popups}
        await asyncio.to_thread(until, lambda: status(daemon, {"id": lost}) == "settled", "it to be settled")
        assert (await (first, second)[made.index(lost)].until("popup_close"))["id"] == lost


async def show_later(daemon: ThreadDaemon, away: Wire) -> None:
    """Shows a popup about "rock" to an editor that is away."""
    flows, live = daemon.bridge.flows, daemon.bridge.sessions.by_id[away.ready["session"]]
    asked = Popup(
        id=0, kind="k", title="later", body="", severity="info", actions=[Action(id="yes", label="Yes")],
        dedupe="rock",
    )  # fmt: skip
    daemon.call(flows.show(live, Obedient(), asked, None, None))


async def test_of_two_about_the_same_that_came_while_both_editors_were_away_the_later_is_left(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with editor(daemon.file, tmp_path) as second:
        pass
    async with editor(daemon.file, tmp_path) as first:
        old = await popup(first, dedupe="rock")
    await show_later(daemon, second)
    async with editor(daemon.file, tmp_path, resume=resume(second)) as again:
        new = await again.until("popup")
        assert new["title"] == "later"
        # It was told that this one is open, too.
        assert await again.receive() == {"type": "popup_close", "id": old["id"], "reason": "unknown"}
        assert await again.quiet()
        async with editor(daemon.file, tmp_path, resume=resume(first, old["seq"])) as other:
            assert old["id"] not in other.ready["popups"]
            assert (await other.until("popup"))["id"] == new["id"]
            assert await answered(other, new) == "answered"
    assert status(daemon, old) == "settled"


async def test_of_two_about_the_same_the_later_is_left_where_the_session_of_the_earlier_ends(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with editor(daemon.file, tmp_path) as second:
        pass
    async with editor(daemon.file, tmp_path) as first:
        old = await popup(first, dedupe="rock")
    await show_later(daemon, second)
    daemon.bridge.sessions.by_id[first.ready["session"]].session.keep_s = 0
    await asyncio.to_thread(until, lambda: status(daemon, old) == "settled", "the earlier to be settled")
    async with editor(daemon.file, tmp_path, resume=resume(second)) as again:
        new = await again.until("popup")
        assert new["title"] == "later"
        assert await answered(again, new) == "answered"


async def test_an_advisor_withdraws_a_popup_from_all(file: ConnectionFile, tmp_path: Path) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        shown = await popup(first)
        await second.until("popup")
        assert (await second.request(1, "test.ask", {"do": "open"}))["value"] == [[shown["id"], None]]
        await second.request(2, "test.ask", {"do": "close", "popup": shown["id"]})
        assert (await first.until("popup_close"))["reason"] == "superseded"


async def test_one_that_expires_does_so_once(file: ConnectionFile, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        await popup(first, expires_ms=10, state={"log": str(log), "again": "next"})
        for wire in (first, second):
            assert (await wire.until("popup_close"))["reason"] == "expired"
            assert (await wire.until("popup"))["title"] == "next"
            assert await wire.quiet()
    assert await lines(log, 1) == ["expired - -"]


async def test_an_editor_that_cant_show_a_popup_answers_for_no_other(
    file: ConnectionFile, tmp_path: Path
) -> None:
    async with editor(file, tmp_path) as first, editor(file, tmp_path) as second:
        shown = await popup(first)
        await second.until("popup")
        await first.send("answer", id=shown["id"], state="undeliverable")
        assert (await first.until("popup_close"))["reason"] == "undeliverable"
        assert await answered(second, shown) == "answered"


async def test_what_one_editor_cant_show_stays_with_another_that_is_away_for_a_moment(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    async with editor(daemon.file, tmp_path) as first:
        async with editor(daemon.file, tmp_path) as second:
            shown = await popup(first)
            seen = await second.until("popup")
        await lost(daemon, second.ready["session"])
        await first.send("answer", id=shown["id"], state="undeliverable")
        assert (await first.until("popup_close"))["reason"] == "undeliverable"
        async with editor(daemon.file, tmp_path, resume=resume(second, seen["seq"])) as again:
            assert again.ready["popups"] == [shown["id"]]
            # Where it can't be shown either nobody else is left.
            await again.send("answer", id=shown["id"], state="undeliverable")
            assert (await again.until("popup_close"))["reason"] == "undeliverable"
    await asyncio.to_thread(until, lambda: status(daemon, shown) == "settled", "its end")
