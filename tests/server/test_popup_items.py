"""Popups with lists: sent inline or as a blob, answered by ids that are checked, delayed and replaced."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.client.client import Client
from bridge.core import errors
from bridge.core.messages import POPUP_ITEMS, Answer, Popup, PopupItem, PopupProgress, ProjectInfo
from bridge.paths import ConnectionFile
from tests.server.advised import applied, popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.plugin import Obedient
from tests.server.wire import Wire, resume, session


@pytest.fixture
async def wire(file: ConnectionFile) -> AsyncIterator[Wire]:
    async with session(file, project={"id": "p", "name": "P"}, features=[POPUP_ITEMS]) as made:
        yield made


async def ticked(file: Path) -> list[list[str]]:
    await asyncio.to_thread(until, lambda: file.exists() and file.read_text(), "the answer")
    found: list[list[str]] = json.loads(file.read_text())
    return found


async def answer(wire: Wire, shown: dict[str, Any], action: str = "yes", **more: Any) -> None:
    await wire.send("answer", id=shown["id"], state="answered", action=action, **more)


async def settled(daemon: ThreadDaemon, popup_id: int) -> None:
    def is_settled() -> bool:
        stored = daemon.popup(popup_id)
        return stored is not None and stored.status == "settled"

    await asyncio.to_thread(until, is_settled, f"popup {popup_id} to be settled")


async def test_an_answer_reaches_its_advisor_with_the_leaves_that_are_ticked(
    wire: Wire, tmp_path: Path
) -> None:
    choices = [{"id": "a", "label": "a rule"}, {"id": "b", "label": "another", "checked": False}]
    for number, (more, expected) in enumerate(
        [
            ({}, [["1.0.1", "1.1.1"], ["a"]]),
            ({"checked": ["1.1"], "choices": ["b"]}, [["1.1.1"], ["b"]]),
            ({"checked": [], "choices": []}, [[], []]),
        ]
    ):
        file = tmp_path / str(number)
        shown = await popup(wire, rows=2, choices=choices, state={"ticks": str(file)})
        assert [item["id"] for item in shown["items"][0]["children"]] == ["1.0", "1.1"]
        await answer(wire, shown, **more)
        assert await ticked(file) == expected


async def test_a_long_list_is_a_blob_with_the_same_rows(daemon: ThreadDaemon, tmp_path: Path) -> None:
    ticks, shown, closed = tmp_path / "ticks", asyncio.Queue[Popup](), asyncio.Event()

    async def on_popup(popup: Popup) -> None:
        shown.put_nowait(popup)

    async def on_close(_: Any) -> None:
        closed.set()

    async with await Client.connect(
        daemon.paths.connection_file,
        kind="editor",
        project=ProjectInfo(id="p", name="P"),
        on_popup=on_popup,
        on_popup_close=on_close,
    ) as client:
        await client.event("test.popup", {"rows": 2000, "state": {"ticks": str(ticks)}})
        popup = await asyncio.wait_for(shown.get(), 30)
        assert popup.items == [] and popup.items_blob
        items = await client.popup_items(popup)
        assert len(items[0].children) == 2000
        await client.answer(Answer(id=popup.id, state="answered", action="yes", checked=["1.7", "1.1999.1"]))
        assert (await ticked(ticks))[0] == ["1.7.1", "1.1999.1"]
        await asyncio.wait_for(closed.wait(), 30)
        await client.event("test.popup", {"rows": 2})
        short = await asyncio.wait_for(shown.get(), 30)
        assert await client.popup_items(short) == short.items != []


async def test_an_answer_whose_list_is_gone_counts_as_dismissed(
    daemon: ThreadDaemon, wire: Wire, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    shown = await popup(wire, rows=2000, state={"log": str(log)})
    (daemon.paths.data / "blobs" / shown["items_blob"]).unlink()
    await answer(wire, shown, checked=["1"])
    assert (await wire.until("popup_close", id=shown["id"]))["reason"] == "dismissed"
    await settled(daemon, shown["id"])
    assert log.read_text().split()[:2] == ["dismissed", "-"]


@pytest.mark.parametrize("rows", [2, 2000])
@pytest.mark.parametrize(
    "more", [{"checked": ["9"]}, {"checked": ["1.0", "1.0"]}, {"choices": ["x"]}, {"checked": ["1", ""]}]
)
async def test_an_answer_that_names_what_isnt_there_is_refused_and_settles_nothing(
    daemon: ThreadDaemon, file: ConnectionFile, rows: int, more: dict[str, Any]
) -> None:
    async with session(file) as wire:
        shown = await popup(wire, rows=rows)
        await answer(wire, shown, **more)
        assert (await wire.closed())[0] == errors.WRONG_VALUE.code
    stored = daemon.popup(shown["id"])
    assert stored is not None and stored.status == "open"
    async with session(file, resume=resume(wire, 1)) as wire:
        assert wire.ready["popups"] == [shown["id"]]
        await answer(wire, shown)
        assert (await wire.until("popup_close"))["reason"] == "answered"


@pytest.mark.parametrize(
    "items",
    [
        [PopupItem(id="1", title="a"), PopupItem(id="1", title="b")],
        [PopupItem(id="1", title="a", needs=["2"])],
        [PopupItem(id="", title="a")],
        [PopupItem(id="1", title="x" * 5000)],
        ["no item"],
    ],
)
async def test_an_advisors_invalid_list_is_refused_before_it_is_stored(
    daemon: ThreadDaemon, wire: Wire, items: Any
) -> None:
    flows = daemon.bridge.flows
    live = daemon.look(lambda: next(iter(daemon.bridge.sessions)))
    advisor = flows._advisors["obedient"]
    shown = Popup(id=0, kind="k", title="t", body="b", actions=[], items=items)
    with pytest.raises((ValueError, TypeError)):
        daemon.call(flows.show(live, advisor, shown, None, None))


async def test_a_delayed_popup_is_stored_at_once_and_shown_later(daemon: ThreadDaemon, wire: Wire) -> None:
    await wire.send("event", name="test.popup", data={"delay_s": 0.5, "title": "later"})
    assert await wire.quiet(0.1)
    assert (await wire.until("popup"))["title"] == "later"


async def test_a_delayed_popup_gives_way_to_the_next_and_can_be_withdrawn(
    daemon: ThreadDaemon, wire: Wire
) -> None:
    await wire.send("event", name="test.popup", data={"delay_s": 60, "dedupe": "d", "title": "first"})
    shown = await popup(wire, dedupe="d", title="second")
    assert shown["title"] == "second"
    await settled(daemon, shown["id"] - 1)
    await wire.send("event", name="test.popup", data={"delay_s": 60, "title": "third"})
    await asyncio.to_thread(until, lambda: daemon.popup(shown["id"] + 1), "the third")
    await wire.request(1, "test.ask", {"do": "close", "popup": shown["id"] + 1})
    await settled(daemon, shown["id"] + 1)


async def test_a_delayed_popup_gives_way_to_one_from_another_editor_of_the_project(
    daemon: ThreadDaemon, file: ConnectionFile
) -> None:
    shared = {
        "project": {"id": "two", "name": "Two", "root": str(Path(tempfile.gettempdir(), "two"))},
        "engine": {"name": "fake", "version": "1.0.0"},
    }
    async with session(file, **shared) as one, session(file, **shared, instance="other") as other:
        await one.send("event", name="test.popup", data={"delay_s": 1, "dedupe": "e", "title": "first"})
        await asyncio.to_thread(until, lambda: daemon.bridge.flows._held, "the first")
        await other.send("event", name="test.popup", data={"dedupe": "e", "title": "second"})
        for wire in (other, one):
            assert (await wire.until("popup"))["title"] == "second"
        assert not daemon.bridge.flows._held
        await asyncio.sleep(1.2)
        assert await one.quiet()


async def test_a_popup_takes_the_place_of_the_one_that_it_names(daemon: ThreadDaemon, wire: Wire) -> None:
    first = await popup(wire, title="first")
    await wire.send("event", name="test.popup", data={"replaces": first["id"], "title": "second"})
    assert (await wire.until("popup"))["replaces"] == first["id"]
    assert (await wire.until("popup_close", id=first["id"]))["reason"] == "superseded"
    await settled(daemon, first["id"])


async def test_progress_reaches_the_editors_that_know_it(file: ConnectionFile, wire: Wire) -> None:
    shown = await popup(wire, state={"progress": 0.5})
    await answer(wire, shown)
    progress = await wire.until("popup_progress")
    assert msgspec.convert({**progress, "type": "popup_progress"}, PopupProgress) == PopupProgress(
        id=shown["id"], fraction=0.5, text="at work"
    )
    async with session(file, project={"id": "q", "name": "Q"}) as old:
        shown = await popup(old, state={"progress": 0.5, "again": "next"})
        await answer(old, shown)
        assert (await old.receive())["type"] == "popup_close"
        assert (await old.receive())["type"] == "popup"


async def test_an_advisor_learns_that_a_change_was_reverted(wire: Wire) -> None:
    receipt = await applied(wire)
    await wire.send("request", id=1, workload="receipts.revert", params={"id": receipt})
    command = await wire.until("command")
    await wire.send("result", id=command["id"], value={"before": [{"path": "a", "options": {"x": 2}}],
                    "after": [{"path": "a", "options": {"x": 1}}]})  # fmt: skip
    told = {"receipt": receipt, "by": command["id"]}
    await asyncio.to_thread(until, lambda: told in Obedient.reverted, "the event")
