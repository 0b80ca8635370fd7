"""Rows that can't be read any more under a running daemon: they cost no other, and nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import builtin
from bridge.advisors import import_advisor
from bridge.host import host
from tests.advisors import pictures
from tests.advisors.desk import WRONG, FakeEngine
from tests.server import daemons
from tests.server.advised import answered, applied, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.plugin import Obedient
from tests.server.wire import Wire, session
from tests.store.damage import filled

PROJECT = {"id": "p", "name": "P"}
NO_MSGPACK = "UPDATE receipts SET args = x'c1' WHERE id = ?"
NO_UTF8 = "UPDATE receipts SET note = CAST(x'ff' AS TEXT) WHERE id = ?"
POPUP = "UPDATE popups SET advisor = CAST(x'ff' AS TEXT) WHERE id = ?"


def damage(daemon: ThreadDaemon, statement: str, number: int) -> None:
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as other:
        other.execute(statement, (number,))


def status(daemon: ThreadDaemon, popup_id: int) -> str:
    with contextlib.closing(sqlite3.connect(daemon.paths.database)) as other:
        return other.execute("SELECT status FROM popups WHERE id = ?", (popup_id,)).fetchone()[0]


@pytest.mark.parametrize("statement", [NO_MSGPACK, NO_UTF8])
async def test_who_waits_for_a_receipt_that_cant_be_read_is_told(
    start: Callable[..., ThreadDaemon], caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    daemon = start()
    async with session(daemon.file, project=PROJECT) as wire:
        await wire.send("event", name="test.command", data={"args": {"changes": []}, "wait": True})
        broken = await wire.until("command")
        damage(daemon, statement, broken["id"])
        await wire.send("result", id=broken["id"], value={})
        await asyncio.to_thread(until, lambda: "on test.command: " in caplog.text, "it to be told")
        await applied(wire, wait=True)
        assert (await wire.until("popup"))["body"] == "applied"
    assert "its database is damaged" in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize("statement", [NO_MSGPACK, NO_UTF8])
async def test_the_others_are_listed_beside_a_receipt_that_cant_be_read(
    start: Callable[..., ThreadDaemon], statement: str
) -> None:
    daemon = start()
    async with session(daemon.file, project=PROJECT) as wire:
        first, broken, last = [await applied(wire) for _ in range(3)]
        damage(daemon, statement, broken)
        listed = (await wire.request(1, "receipts.list", {}))["value"]
    assert [receipt["id"] for receipt in listed["receipts"]] == [last, first]
    assert (listed["damaged"], listed["more"]) == ([broken], False)


async def test_a_page_of_receipts_is_never_empty_while_there_is_another(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    filled(daemon.paths.database, 3000)
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as other:
        other.execute("UPDATE receipts SET args = x'c1' WHERE id % 7 AND id > 10 OR id IN (2, 3)")
    pages: list[dict[str, Any]] = []
    async with session(daemon.file) as wire:
        for number in range(1, 100):
            before = {"before": pages[-1]["receipts"][-1]["id"]} if pages else {}
            pages.append((await wire.request(number, "receipts.list", {"limit": 1000, **before}))["value"])
            if not pages[-1]["more"]:
                break
    listed = [[one["id"] for one in page["receipts"]] for page in pages]
    assert len(listed) > 1 and all(listed)
    whole = [n for n in range(1, 3001) if n % 7 == 0 or (n <= 10 and n not in (2, 3))]
    assert [number for page in listed for number in page] == whole[::-1]
    damaged = [number for page in pages for number in page["damaged"]]
    assert damaged == [number for number in range(3000, 0, -1) if number not in whole]


@pytest.mark.alone
async def test_a_long_way_of_damaged_receipts_leaves_room_for_one_that_isnt(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    filled(daemon.paths.database, 1500)
    with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as other:
        other.execute("UPDATE receipts SET args = x'c1' WHERE id > 1")
    async with session(daemon.file) as wire:
        found = (await wire.request(1, "receipts.list", {"limit": 1}))["value"]
    assert [one["id"] for one in found["receipts"]] == [1]
    assert found["damaged"] == list(range(1500, 500, -1))


async def test_an_answer_whose_receipts_cant_be_read_is_settled(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    async with session(daemon.file, project=PROJECT) as wire:
        receipt = await applied(wire)
        shown = await popup(wire, state={"undo": [receipt]})
        damage(daemon, NO_MSGPACK, receipt)
        assert await answered(wire, shown) == "answered"
        await asyncio.to_thread(until, lambda: status(daemon, shown["id"]) == "settled", "its end")


async def test_an_answer_to_a_popup_that_cant_be_read_stays_for_who_mends_the_database(
    start: Callable[..., ThreadDaemon], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    daemon, log = start(), tmp_path / "log"
    async with session(daemon.file, project=PROJECT) as wire:
        broken, whole = [await popup(wire, state={"log": str(log), "tag": tag}) for tag in ("a", "b")]
        damage(daemon, POPUP, broken["id"])
        assert await answered(wire, broken) == "answered"
        said = f"acting on the answer to popup {broken['id']}: its database is damaged"
        await asyncio.to_thread(until, lambda: said in caplog.text, "it to be told")
        assert await answered(wire, whole) == "answered"
        await asyncio.to_thread(until, lambda: status(daemon, whole["id"]) == "settled", "the other's end")
    assert status(daemon, broken["id"]) == "answered" and log.read_text() == "answered yes b\n"


class Editor:
    """Imports textures, and does as it is told."""

    def __init__(self, wire: Wire, root: Path) -> None:
        self.wire = wire
        self._root = root
        self._options: dict[str, Any] = {}

    async def imports(self, file: str) -> dict[str, Any]:
        """The popup that asks about it."""
        pictures.save(self._root / file, pictures.normal_map())
        asset = {"path": f"res://{file}", "file": file, "type": "texture", "options": WRONG}
        await self.wire.send(
            "event", name="asset.imported", data={"batch": 1, "more": False, "assets": [asset]}
        )
        return await self.wire.until("popup")

    async def told(self, shown: dict[str, Any]) -> dict[str, Any]:
        """The command that pressing "Apply" leads to."""
        assert await answered(self.wire, shown, "apply") == "answered"
        return await self.wire.until("command")

    async def done(self, command: dict[str, Any]) -> dict[str, Any]:
        """The toast that tells of it."""
        changes = command["args"]["changes"]
        await self.wire.send("result", id=command["id"], value={"before": changes, "after": changes})
        return await self.wire.until("popup")


async def test_damaged_rows_cost_no_import_its_advice(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = SimpleNamespace(
        popbridge_adapters=host.hooks.hookimpl(lambda: [FakeEngine()]),
        popbridge_advisors=host.hooks.hookimpl(lambda: [Obedient()]),
    )
    plugins = {"images": builtin, "advisor": import_advisor, "engine": engine}
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(daemons, "registry", lambda: host.load(plugins, installed=False))
    daemon, root = start(), tmp_path / "project"
    root.mkdir()
    project = {**PROJECT, "root": str(root)}
    async with session(daemon.file, engine={"name": "fake", "version": "1.0.0"}, project=project) as wire:
        editor = Editor(wire, root)
        damage(daemon, POPUP, (await popup(wire))["id"])
        broken = await editor.told(await editor.imports("rock_n.png"))
        damage(daemon, NO_MSGPACK, broken["id"])
        assert "its database is damaged" in (await editor.done(broken))["body"]
        whole = await editor.told(await editor.imports("wood_n.png"))
        toast = await editor.done(whole)
        assert toast["title"] == "Fixed wood_n.png"
        assert await answered(wire, toast, "undo") == "answered"
        (change,) = whole["args"]["changes"]
        back = {"changes": [{**change, "expected": change["options"]}]}
        assert (await wire.until("command"))["args"] == back
