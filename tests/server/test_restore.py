"""What an earlier run left in the database comes back, also where it can't all be read any more."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.core.errors import UserError
from bridge.core.messages import Answer
from bridge.core.settings import resolve
from bridge.server.app import Bridge
from tests.server.advised import APPLIED, answered, popup
from tests.server.daemons import ThreadDaemon, paths_in, registry, until
from tests.server.test_advisors import lines
from tests.server.wire import Wire, dial, identity, resume, session

Start = Callable[..., ThreadDaemon]
ENGINE = {"name": "fake", "version": "2.1"}


@pytest.fixture
async def left(start: Start) -> Wire:
    """A client of an earlier run, who hasn't handled its popup and has a command unanswered."""
    # `spoil` can only change what isn't encrypted.
    daemon = start(encryption=False)
    async with session(daemon.file, engine=ENGINE) as wire:
        wire.popup = await popup(wire, title="left")  # type: ignore[attr-defined]
        await wire.send("event", name="test.command", data={"args": {"x": 1}})
        wire.command = await wire.until("command")  # type: ignore[attr-defined]
    await asyncio.to_thread(daemon.stop)
    return wire


def spoil(tmp_path: Path, *statement: Any) -> list[Any]:
    db = sqlite3.connect(paths_in(tmp_path / "home").database)
    with db:
        found = db.execute(*statement).fetchall()
    db.close()
    return found


async def test_what_waited_waits_again(start: Start, left: Any) -> None:
    daemon = start()
    assert daemon.bridge.sessions.by_id[left.ready["session"]].view.adapter is not None
    async with session(daemon.file, resume=resume(left)) as again:
        assert [await again.receive(), await again.receive()] == [left.popup, left.command]
        await again.send("result", id=left.command["id"], value=APPLIED)
        assert await answered(again, left.popup) == "answered"


async def test_what_was_handled_doesnt_but_can_be_answered(start: Start, left: Any) -> None:
    async with session(start().file, resume=resume(left, left.popup["seq"])) as again:
        assert await again.receive() == left.command
        await again.send("ack", seq=left.popup["seq"])
        await again.request(1, "bridge.echo")


@pytest.mark.parametrize(("table", "field"), [("receipts", "command"), ("popups", "popup")])
async def test_what_was_kept_but_not_sent_is_sent(
    start: Start, left: Any, tmp_path: Path, table: str, field: str
) -> None:
    # As if the daemon had been killed between its two writes.
    spoil(tmp_path, f"UPDATE {table} SET seq = NULL")
    kept = getattr(left, field)
    async with session(start().file, resume=resume(left, left.command["seq"])) as again:
        came = await again.until(field)
        assert came["seq"] > left.command["seq"]
        assert {**came, "seq": 0} == {**kept, "seq": 0}


async def test_an_answer_that_was_kept_is_acted_on(start: Start, tmp_path: Path) -> None:
    daemon = start()
    log = tmp_path / "log"
    async with session(daemon.file) as wire:
        shown = await popup(wire, state={"log": str(log), "tag": "late"})
    await asyncio.to_thread(daemon.stop)
    answer = b"\x83\xa4type\xa6answer\xa2id\x01\xa5state\xa9dismissed"
    spoil(tmp_path, "UPDATE popups SET status = 'answered', answer = ? WHERE id = ?", (answer, shown["id"]))
    start()
    assert await lines(log, 1) == ["dismissed - late"]
    await asyncio.to_thread(
        until, lambda: spoil(tmp_path, "SELECT status FROM popups") == [("settled",)], "it"
    )


async def test_an_undo_that_was_kept_is_carried_out_by_an_editor_that_comes_back_later(
    start: Start, left: Any, tmp_path: Path
) -> None:
    spoil(
        tmp_path,
        "UPDATE receipts SET state = 'applied', before = ?",
        (b"\x91\x81\xa4path\xa1a",),
    )
    answer = msgspec.msgpack.encode(Answer(id=left.popup["id"], state="answered", action="yes"))
    state = msgspec.msgpack.encode({"undo": [left.command["id"]]})
    spoil(tmp_path, "UPDATE popups SET status = 'answered', answer = ?, state = ?", (answer, state))
    daemon = start()
    await asyncio.to_thread(
        until, lambda: spoil(tmp_path, "SELECT status FROM popups") == [("settled",)], "the answer's end"
    )
    async with session(daemon.file, resume=resume(left)) as again:
        assert (await again.until("command"))["args"] == {"changes": [{"path": "a"}]}


@pytest.mark.parametrize("how", ["dedupe", "replaces"])
async def test_of_two_popups_about_the_same_the_later_comes_back(
    start: Start, tmp_path: Path, how: str
) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        old = await popup(wire, dedupe="rock")
        new = await popup(wire, **({"dedupe": "rock"} if how == "dedupe" else {"replaces": old["id"]}))
    await asyncio.to_thread(daemon.stop)
    # As if the daemon had been killed before that could be kept.
    spoil(tmp_path, "UPDATE popups SET status = 'open'")
    async with session(start().file, resume=resume(wire)) as again:
        assert again.ready["popups"] == [new["id"]]
        assert (await again.receive())["id"] == new["id"]
        assert await again.quiet()
    kept = dict(spoil(tmp_path, "SELECT id, status FROM popups"))
    assert kept == {old["id"]: "settled", new["id"]: "open"}


async def test_a_delayed_popup_is_shown_by_the_next_daemon(start: Start) -> None:
    daemon = start()
    async with session(daemon.file) as wire:
        await wire.send("event", name="test.popup", data={"delay_s": 600, "title": "later"})
        assert await wire.quiet()
    await asyncio.to_thread(daemon.stop)
    async with session(start().file, resume=resume(wire)) as again:
        assert (await again.until("popup"))["title"] == "later"


async def test_an_answer_whose_advisor_was_uninstalled_is_settled(
    start: Start, left: Any, tmp_path: Path
) -> None:
    spoil(tmp_path, "UPDATE popups SET status = 'answered', advisor = 'gone', answer = x'80'")
    async with session(start().file, resume=resume(left)) as again:
        assert (await again.receive())["type"] == "command"
        assert await again.quiet()
    assert spoil(tmp_path, "SELECT status FROM popups") == [("settled",)]


async def test_a_session_whose_engine_no_adapter_can_read_any_more_comes_back_without(
    start: Start, left: Any, tmp_path: Path
) -> None:
    spoil(tmp_path, "UPDATE sessions SET identify = CAST(replace(identify, '2.1', 'x.y') AS BLOB)")
    daemon = start()
    assert daemon.bridge.sessions.by_id[left.ready["session"]].view.adapter is None
    async with session(daemon.file, resume=resume(left)) as again:
        assert (await again.receive())["type"] == "popup"


UNREADABLE = (
    "sessions SET identify = x'c1'",
    "popups SET message = x'c1'",
    "receipts SET args = x'c1'",
    "receipts SET seq = 1",
    "sessions SET seq_reserved = 'many'",
    "popups SET status = 'odd'",
    "receipts SET deadline_ms = 'soon'",
    # Text that is no UTF-8, within what is packed, and what is no bytes at all.
    "sessions SET identify = CAST(replace(identify, '2.1', x'ffffff') AS BLOB)",
    "popups SET message = CAST(replace(message, 'left', x'ffffffff') AS BLOB)",
    "receipts SET args = x'81a1ff01'",
    "popups SET message = 'left'",
)


@pytest.mark.parametrize("change", UNREADABLE)
async def test_a_session_that_cant_be_read_ends_alone(
    start: Start, left: Any, tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(tmp_path, f"UPDATE {change}")
    file = start().file
    (said,) = [one for one in caplog.records if "can't be restored" in one.message]
    assert "popbridge.db is damaged" in said.message and "popbridge db check" in said.message
    assert not said.exc_info
    async with dial(file) as late:
        await late.send("identify", **identity(file, resume=resume(left)))
        assert (await late.closed())[0] == 4011
    async with session(file) as fresh:
        assert (await fresh.request(1, "test.sleep"))["value"] == "awake"


@pytest.mark.parametrize("column", ["sessions SET token_digest", "popups SET advisor", "receipts SET note"])
async def test_text_that_is_no_utf8_is_told_at_the_start(left: Any, tmp_path: Path, column: str) -> None:
    spoil(tmp_path, f"UPDATE {column} = CAST(x'ff' AS TEXT)")
    known = registry()
    bridge = Bridge(resolve(known.settings, {"workers": 1}), paths_in(tmp_path / "home"), known)
    with pytest.raises(UserError, match=r"popbridge\.db is damaged.*`popbridge db restore`"):
        await bridge.start()


async def test_a_database_whose_tables_are_broken_is_named(left: Any, tmp_path: Path) -> None:
    spoil(tmp_path, "DROP TABLE popups")
    known = registry()
    bridge = Bridge(resolve(known.settings, {"workers": 1}), paths_in(tmp_path / "home"), known)
    with pytest.raises(UserError, match=r"popbridge\.db can't be used"):
        await bridge.start()
