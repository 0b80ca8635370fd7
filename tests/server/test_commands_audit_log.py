"""What changes files is recorded first, and isn't done if it can't be."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bridge.core.messages import Command
from bridge.paths import Paths
from bridge.store.audit_check import verify
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_database
from bridge.store.receipts import ReceiptStore
from tests.server.advised import applied, done
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import dial, identity, resume, session

PROJECT = {"id": "p", "name": "P"}
CHANGES = [{"path": path, "options": {"x": 2}} for path in "abc"]


def entries(paths: Paths) -> list[dict[str, Any]]:
    lines = [json.loads(line.data) for line in AuditLog(paths).lines()]
    return [{**line, **line["detail"]} for line in lines]


@contextlib.contextmanager
def unwritable(paths: Paths) -> Iterator[None]:
    """A folder stands in the place of the log."""
    aside = paths.audit_log.with_suffix(".aside")
    if paths.audit_log.exists():
        paths.audit_log.rename(aside)
    paths.audit_log.mkdir()
    yield
    paths.audit_log.rmdir()
    if aside.exists():
        aside.rename(paths.audit_log)


async def test_a_command_has_one_entry_with_its_receipt_and_number_of_files(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    async with session(daemon.file, project=PROJECT) as wire:
        receipt = await applied(wire, args={"changes": CHANGES})
        (entry,) = entries(daemon.paths)
        assert (entry["act"], entry["change"], entry["files"]) == ("command.apply", receipt, 3)
        assert (entry["principal"], entry["session"], entry["subject"]) == (
            "local",
            wire.ready["session"],
            "P",
        )


async def test_a_revert_names_the_session_that_asked_for_it(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    async with (
        session(daemon.file, project=PROJECT) as editor,
        session(
            daemon.file, client={"kind": "tool", "name": "other", "version": "1"}, instance="tool"
        ) as tool,
    ):
        receipt = await applied(editor, args={"changes": CHANGES})
        assert await editor.quiet()
        await tool.send("request", id=1, workload="receipts.revert", params={"id": receipt})
        command = await editor.until("command")
        _, entry = entries(daemon.paths)
        assert (entry["act"], entry["change"]) == ("command.revert", command["id"])
        assert (entry["session"], entry["editor"]) == (tool.ready["session"], editor.ready["session"])
        await editor.send("result", id=command["id"], value=done(command))
        await tool.until("result", id=1)


async def test_a_command_that_cant_be_recorded_isnt_sent(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    async with session(daemon.file, project=PROJECT) as wire:
        receipt = await applied(wire, args={"changes": CHANGES})
        with unwritable(daemon.paths):
            answer = await wire.request(1, "receipts.revert", {"id": receipt})
            refused = answer["value"]["receipt"]
            assert (refused["state"], refused["reverts"]) == ("failed", receipt)
            assert str(daemon.paths.audit_log) in refused["errors"][0]["message"]
            assert await wire.quiet()
            # A person who answers a popup is told as well.
            args = {"changes": CHANGES}
            await wire.send("event", name="test.command", data={"args": args, "wait": True})
            assert (await wire.until("popup"))["body"] == "failed"
        # Once it can be recorded, the same is done.
        await wire.send("request", id=2, workload="receipts.revert", params={"id": receipt})
        command = await wire.until("command")
        await wire.send("result", id=command["id"], value=done(command))
        assert (await wire.until("result", id=2))["value"]["receipt"]["state"] == "applied"
    assert verify(AuditLog(daemon.paths)).problems == []


async def test_a_stored_command_of_a_killed_daemon_isnt_sent_unrecorded(
    start: Callable[..., ThreadDaemon],
) -> None:
    first = start()
    async with session(first.file, project=PROJECT) as wire:
        await wire.request(1, "bridge.echo", {"value": 1})
        again = resume(wire, 0)
        wire.socket.transport.abort()
    first.stop()
    db = open_database(first.paths.database)
    command = Command(id=0, name="texture.apply", args={"changes": CHANGES}, deadline_ms=60_000)
    receipt, _ = ReceiptStore(db).open(wire.ready["session"], "p", "P", command, "stored")
    db.conn.close()
    with unwritable(first.paths):
        second = start()
        async with session(second.file, project=PROJECT, resume=again) as wire:
            assert await wire.quiet()
        stored = second.receipt(receipt)
        assert stored is not None
        assert stored.state == "failed"


async def test_failed_attempts_leave_two_entries_a_minute_at_most(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    for _ in range(5):
        async with dial(daemon.file) as wire:
            await wire.send("identify", **identity(daemon.file, auth={"token": "guess"}))
            assert (await wire.closed())[0] == 4009
        with pytest.raises(urllib.error.HTTPError):
            wrong = urllib.request.Request(
                f"{daemon.file.http}/status", headers={"authorization": "Bearer guess"}
            )
            await asyncio.to_thread(urllib.request.urlopen, wrong)
    await asyncio.to_thread(until, daemon.paths.audit_log.exists, "the first entry")
    daemon.call(daemon.bridge.failed_attempts.close())
    found = entries(daemon.paths)
    assert [entry["act"] for entry in found] == ["auth.failed", "auth.failed"]
    assert sum(entry["attempts"] for entry in found) == 10
    assert {entry["subject"] for entry in found} == {"127.0.0.1"}
