"""What was put back before: named, finished, and not put back once more."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.api import Addon
from bridge.paths import ConnectionFile, quoted
from tests.server.advised import answered, applied, done, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.plugin import Fake
from tests.server.wire import Wire, resume, session


@pytest.fixture
async def wire(file: ConnectionFile) -> AsyncIterator[Wire]:
    async with session(file, project={"id": "p", "name": "P"}) as made:
        yield made


async def test_what_was_put_back_isnt_put_back_once_more(file: ConnectionFile, wire: Wire) -> None:
    receipt = await applied(wire)

    async def revert(request: int, number: int) -> dict[str, Any]:
        await wire.send("request", id=request, workload="receipts.revert", params={"id": number})
        while (came := await wire.receive())["type"] not in ("command", "error"):
            pass
        return came

    async def reverted(request: int, number: int, errors: Any = None) -> int:
        command = await revert(request, number)
        await wire.send("result", id=command["id"], value={**done(command), "errors": errors})
        await wire.until("result", id=request)
        return int(command["id"])

    partly = await reverted(1, receipt, [{"path": "b", "message": "read-only"}])
    first = await reverted(2, receipt)
    assert first > partly
    said = await revert(3, receipt)
    assert said["code"] == "unsupported"
    # Each has put back a part, for all that is known.
    both = f"to apply it again: `popbridge revert {first}`, then `popbridge revert {partly}`"
    assert f"already reverted by change {first}; {both}." in said["message"]
    await reverted(4, partly)
    said = await revert(5, receipt)
    assert (
        f"already reverted by change {first}; to apply it again: `popbridge revert {first}`"
        in said["message"]
    )
    await reverted(6, first)
    await reverted(7, receipt)


async def test_what_was_taken_away_isnt_when_the_rest_is_put_back(file: ConnectionFile, wire: Wire) -> None:
    before = [{"path": path, "options": {"x": None, "y": 1}} for path in "ab"]
    after = [{"path": path, "options": {"x": 2, "y": 2}} for path in "ab"]
    receipt = await applied(wire, {"before": before, "after": after})
    # The engine has written its own value where one was taken away, and somebody may set it now.
    partly = {
        "before": after[:1],
        "after": [{"path": "a", "options": {"x": 0, "y": 1}}],
        "errors": [{"path": "b"}],
    }
    for request, value in ((1, partly), (2, {"before": after, "after": before})):
        await wire.send("request", id=request, workload="receipts.revert", params={"id": receipt})
        command = await wire.until("command")
        await wire.send("result", id=command["id"], value=value)
        await wire.until("result", id=request)
    sent = [change["options"] for change in command["args"]["changes"]]
    assert sent == [{"y": 1}, {"x": None, "y": 1}]


async def test_an_editor_that_heeds_nothing_expected_overwrites_nothing_and_says_what_to_do(
    file: ConnectionFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fake, "addon", Addon("fake-addon", "2"))
    project = {"id": "p", "name": "P", "root": str(tmp_path)}
    engine = {"name": "fake", "version": "2.1"}
    for name, says in (
        ("fake-addon", f"Run `popbridge install fake {quoted(tmp_path)}`"),
        ("own", "Update it"),
    ):
        client = {"kind": "editor", "name": name, "version": "1"}
        async with session(file, client=client, project=project, engine=engine) as wire:
            receipt = await applied(wire)
            for request in (1, 2):
                await wire.send("request", id=request, workload="receipts.revert", params={"id": receipt})
                command = await wire.until("command")
                assert command["name"] == "texture.revert"
                await wire.send("error", id=command["id"], code="unsupported", message="unknown")
                made = (await wire.until("result", id=request))["value"]["receipt"]
                assert made["state"] == "failed" and says in made["errors"][0]["message"]
            # Once it is up to date, it can be put back.
            await put_back(wire, receipt)


async def test_what_an_editor_with_the_addon_that_is_installed_says_against_putting_back_is_told(
    file: ConnectionFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(Fake, "addon", Addon("fake-addon", "2"))
    project = {"id": "p", "name": "P", "root": str(tmp_path)}
    client = {"kind": "editor", "name": "fake-addon", "version": "2"}
    engine = {"name": "fake", "version": "2.1"}
    async with session(file, client=client, project=project, engine=engine) as wire:
        receipt = await applied(wire)
        await wire.send("request", id=1, workload="receipts.revert", params={"id": receipt})
        command = await wire.until("command")
        await wire.send("error", id=command["id"], code="unsupported", message="no textures here")
        made = (await wire.until("result", id=1))["value"]["receipt"]
    assert made["errors"][0]["message"] == "no textures here"
    assert f"texture.revert #{command['id']} isn't supported by the editor: no textures here" in caplog.text


async def put_back(wire: Wire, receipt: int) -> None:
    """As `popbridge revert` does."""
    await wire.send("request", id=9, workload="receipts.revert", params={"id": receipt})
    command = await wire.until("command")
    await wire.send("result", id=command["id"], value=done(command))
    await wire.until("result", id=9)


async def test_an_undo_of_what_was_put_back_in_a_shell_meanwhile_is_refused(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = await applied(wire)
    shown = await popup(wire, state={"undo": [receipt]})
    await put_back(wire, receipt)
    await answered(wire, shown)
    said = f"Change {receipt}: it was already reverted by change {receipt + 1}"
    await asyncio.to_thread(until, lambda: said in caplog.text, "the refusal")
    assert await wire.quiet()


async def test_an_undo_of_several_puts_back_what_wasnt_yet(wire: Wire) -> None:
    first, second, third = [await applied(wire) for _ in range(3)]
    shown = await popup(wire, state={"undo": [first, second, third], "again": "done"})
    await put_back(wire, second)
    await answered(wire, shown)
    await wire.until("popup")
    found = (await wire.request(2, "receipts.list", {"limit": 2}))["value"]["receipts"]
    assert [receipt["reverts"] for receipt in found] == [first, third]


async def test_an_undo_of_several_passes_over_what_changed_nothing(wire: Wire) -> None:
    first, idle, third = await applied(wire), await changed_nothing(wire), await applied(wire)
    shown = await popup(wire, state={"undo": [first, idle, third], "again": "done"})
    await answered(wire, shown)
    for _ in range(2):
        await wire.until("command")
    await wire.until("popup")
    found = (await wire.request(2, "receipts.list", {"limit": 2}))["value"]["receipts"]
    assert [receipt["reverts"] for receipt in found] == [first, third]
    refused = await wire.request(3, "receipts.revert", {"id": idle})
    assert refused["code"] == "unsupported" and "it changed nothing (applied)" in refused["message"]


async def changed_nothing(wire: Wire) -> int:
    """A receipt of what was so before."""
    await wire.send("event", name="test.command", data={"args": {}})
    command = await wire.until("command")
    await wire.send("result", id=command["id"], value={"before": [], "after": []})
    return int(command["id"])


async def test_an_undo_that_is_acted_on_once_more_takes_its_own_for_none_of_others(
    start: Callable[..., ThreadDaemon], caplog: pytest.LogCaptureFixture
) -> None:
    daemon = start()
    async with session(daemon.file, project={"id": "p", "name": "P"}) as wire:
        shown = await popup(wire, state={"undo": [await applied(wire)], "again": "done"})
        await answered(wire, shown)
        command = await wire.until("command")
        await wire.send("result", id=command["id"], value=done(command))
        await wire.until("popup")
    await asyncio.to_thread(daemon.stop)
    # As if it had been killed before it knew that it was through.
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as db:
        db.execute("UPDATE popups SET status = 'answered' WHERE id = ?", (shown["id"],))
    again = start()
    await asyncio.to_thread(
        until, lambda: (kept := again.popup(shown["id"])) and kept.status == "settled", "the answer's end"
    )
    assert "already" not in caplog.text and again.receipt(command["id"]).reverts
    async with session(again.file, resume=resume(wire, 99)) as third:
        found = await third.request(1, "receipts.list")
        assert len(found["value"]["receipts"]) == 2
