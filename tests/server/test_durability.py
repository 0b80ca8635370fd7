"""A daemon that is killed with no goodbye: what it promised is kept, once."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from bridge.paths import ConnectionFile
from bridge.store.database import open_readonly
from bridge.store.receipts import ReceiptStore
from tests.server.advised import APPLIED, answered, popup
from tests.server.daemons import ProcessDaemon, until
from tests.server.test_advisors import lines
from tests.server.wire import resume, session

PROJECT = {"id": "p", "name": "P"}


def receipts(process: ProcessDaemon) -> list[Any]:
    db = open_readonly(process.paths.database)
    assert db is not None
    found = ReceiptStore(db).latest()
    db.conn.close()
    return found


def settled(process: ProcessDaemon, popup_id: int) -> bool:
    db = open_readonly(process.paths.database)
    assert db is not None
    with contextlib.closing(db.conn):
        return db.table("popups").get(popup_id)["status"] == "settled"


async def test_a_popup_is_answered_after_the_daemon_was_killed(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(process.start()) as wire:
        shown = await popup(wire, state={"log": str(log), "tag": "kept"})
        process.kill()
        assert (await wire.closed())[0] == 1006
    async with session(process.start(), resume=resume(wire, shown["seq"])) as again:
        assert again.ready["resumed"] is True
        assert again.ready["session"] == wire.ready["session"]
        assert again.hello["server"]["instance"] != wire.hello["server"]["instance"]
        assert await answered(again, shown) == "answered"
        assert await lines(log, 1) == ["answered yes kept"]
        # Until it is settled an answer is acted on again, its steps not repeated: a log line is no such step.
        until(lambda: settled(process, shown["id"]), "the answer to be settled")
        process.kill()
    async with session(process.start(), resume=resume(wire, 9)) as third:
        assert await answered(third, shown) == "unknown"
    assert await lines(log, 1) == ["answered yes kept"]


async def test_a_popup_that_wasnt_handled_is_sent_again_by_the_next_daemon(process: ProcessDaemon) -> None:
    async with session(process.start()) as wire:
        handled = await popup(wire, title="handled")
        shown = await popup(wire, title="lost")
        await wire.send("ack", seq=handled["seq"])
        await wire.request(1, "bridge.echo")
        process.kill()
    async with session(process.start(), resume=resume(wire, handled["seq"])) as again:
        assert await again.receive() == shown
        assert await again.quiet()


async def test_an_editor_that_died_with_the_daemon_gets_its_popup_again(process: ProcessDaemon) -> None:
    async with session(process.start()) as wire:
        shown = await popup(wire)
        await wire.send("ack", seq=shown["seq"])
        await wire.request(1, "bridge.echo")
        process.kill()
    async with session(process.start(), resume=resume(wire, shown["seq"]), instance="two") as again:
        came = await again.receive()
        assert (came["id"], came["title"]) == (shown["id"], shown["title"])
        assert came["seq"] > shown["seq"]


async def test_numbers_are_never_given_twice(process: ProcessDaemon) -> None:
    seen: list[int] = []
    async with session(process.start()) as wire:
        for number in range(3):
            seen.append((await wire.request(number, "bridge.echo"))["seq"])
        process.kill()
    for _ in range(2):
        async with session(process.start(), resume=resume(wire, max(seen))) as wire:
            for number in range(3):
                seen.append((await wire.request(number, "bridge.echo"))["seq"])
            process.kill()
    assert seen == sorted(set(seen))


async def test_a_command_between_answer_and_result_is_one_receipt_applied_once(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(process.start(), project=PROJECT) as wire:
        shown = await popup(wire, state={"log": str(log), "commands": 2, "again": "done"})
        assert await answered(wire, shown) == "answered"
        first = await wire.until("command")
        second = await wire.until("command")
        process.kill()
    async with session(process.start(), project=PROJECT, resume=resume(wire, second["seq"])) as again:
        # Both come again, as neither was answered; and only they, though the advisor began anew.
        assert [await again.receive(), await again.receive()] == [first, second]
        await again.send("result", id=first["id"], value=APPLIED)
        await again.request(1, "bridge.echo")
        await asyncio.to_thread(until, lambda: receipts(process)[1].state == "applied", "the first receipt")
        await asyncio.to_thread(until, lambda: len(log.read_text().splitlines()) == 2, "the advisor")
        process.kill()
    async with session(process.start(), project=PROJECT, resume=resume(wire, 20_000)) as third:
        assert await third.receive() == second
        await third.send("result", id=second["id"], value=APPLIED)
        assert (await third.until("popup"))["title"] == "done"
    assert [(r.id, r.state, r.before) for r in receipts(process)] == [
        (second["id"], "applied", APPLIED["before"]),
        (first["id"], "applied", APPLIED["before"]),
    ]
    assert len(log.read_text().splitlines()) == 3  # begun by each daemon, in effect once


async def test_an_answer_whose_confirmation_was_lost_is_acted_on_once(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(process.start(), project=PROJECT) as wire:
        shown = await popup(wire, state={"log": str(log), "commands": 1})
        await wire.send("answer", id=shown["id"], state="answered", action="yes")
        command = await wire.until("command")
        process.kill()
    async with session(process.start(), project=PROJECT, resume=resume(wire, 0)) as again:
        assert await again.receive() == command
        assert await answered(again, shown) == "unknown"
        await again.send("result", id=command["id"], value=APPLIED)
        assert await again.quiet()
    assert len(receipts(process)) == 1


async def test_a_session_that_nobody_resumes_ends_also_after_a_restart(tmp_path: Path) -> None:
    process = ProcessDaemon(tmp_path / "home", POPBRIDGE_SESSION_KEEP_S="0.3")
    try:
        async with session(process.start(), project=PROJECT) as wire:
            await wire.send("event", name="test.command", data={"args": {}})
            await wire.until("command")
            process.kill()
        process.start()
        await asyncio.to_thread(until, lambda: receipts(process)[0].state == "failed", "the session's end")
        assert process.stop() == 0
        output = process.output.read_text()
        assert "Traceback" not in output
    finally:
        process.end()


async def test_a_daemon_that_stops_leaves_unfinished_answers_to_the_next(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with session(process.start(), project=PROJECT) as wire:
        shown = await popup(wire, state={"log": str(log), "commands": 1, "again": "done"})
        await answered(wire, shown)
        command = await wire.until("command")
        assert await asyncio.to_thread(process.stop) == 0
    async with session(process.start(), project=PROJECT, resume=resume(wire, command["seq"])) as again:
        assert await again.receive() == command
        await again.send("result", id=command["id"], value=APPLIED)
        assert (await again.until("popup"))["title"] == "done"


async def test_a_daemon_killed_at_any_moment_loses_no_answer(process: ProcessDaemon, tmp_path: Path) -> None:
    """Answers in a stream, the daemon killed under them; each is acted on in the end."""
    log = tmp_path / "log"
    async with session(process.start(), project=PROJECT) as wire:
        await wire.send("event", name="test.popup", data={"count": 20, "state": {"log": str(log)}})
        shown = [await wire.until("popup") for _ in range(20)]
    confirmed: set[int] = set()
    for round_ in range(3):
        async with session(
            ConnectionFile.read(process.paths.connection_file), project=PROJECT, resume=resume(wire, 20)
        ) as again:
            for one in shown:
                if one["id"] not in confirmed:
                    await again.send("answer", id=one["id"], state="answered", action="yes")
            for _ in range(round_ * 5):
                confirmed.add((await again.until("popup_close"))["id"])
            if round_ < 2:
                process.kill()
                process.start()
            else:
                while len(confirmed) < 20:
                    confirmed.add((await again.until("popup_close"))["id"])
    assert len(await lines(log, 20)) >= 20

    def settled() -> bool:
        db = sqlite3.connect(process.paths.database)
        left = db.execute("SELECT count(*) FROM popups WHERE status != 'settled'").fetchone()[0]
        db.close()
        return left == 0

    await asyncio.to_thread(until, settled, "all answers to be acted on")


async def test_a_command_that_an_answer_has_no_reason_for_any_more_keeps_its_place(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    passing = tmp_path / "passing"
    state = {"commands": 3, "passes": [0, 2], "passing": str(passing), "again": "done"}
    async with session(process.start(), project=PROJECT) as wire:
        shown = await popup(wire, state=state)
        assert await answered(wire, shown) == "answered"
        commands = [await wire.until("command") for _ in range(3)]
        process.kill()
    passing.touch()
    async with session(process.start(), project=PROJECT, resume=resume(wire, shown["seq"])) as again:
        for command in commands:
            assert await again.until("command") == command
            await again.send("result", id=command["id"], value=APPLIED)
        assert (await again.until("popup"))["title"] == "done"
        # And where none was sent, there is none.
        assert await answered(again, await popup(again, state=state)) == "answered"
        assert (await again.until("command"))["args"] == {"changes": [1]}
    assert len(receipts(process)) == 4
