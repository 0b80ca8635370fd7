"""What an advisor can find out of its session."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

import pytest

from bridge.paths import ConnectionFile
from tests.server.advised import answered, popup
from tests.server.daemons import until
from tests.server.promises import Start
from tests.server.wire import session


async def test_an_advisor_is_told_which_of_its_popups_are_open(file: ConnectionFile) -> None:
    async with session(file, project={"id": "p", "name": "P"}) as wire:
        first, answered_one, last = [await popup(wire, state={"tag": tag}) for tag in ("a", "b", "c")]
        async with session(file, installation="another") as other:
            await popup(other, state={"tag": "another's"})
        await answered(wire, answered_one)
        found = await wire.request(1, "test.ask", {"do": "open"})
        assert found["value"] == [[first["id"], {"tag": "a"}], [last["id"], {"tag": "c"}]]


async def test_what_an_advisor_notes_of_a_project_outlives_the_daemon(start: Start) -> None:
    daemon = start()
    project, many = {"id": "p", "name": "P"}, [f"{number:04}" for number in range(1000)]
    async with session(daemon.file, project=project) as wire:
        noted = await wire.request(1, "test.ask", {"do": "note", "marks": many})
        assert noted["value"] == many
    await asyncio.to_thread(daemon.stop)
    async with session(start().file, project=project) as wire:
        assert (await wire.request(1, "test.ask", {"do": "note", "marks": ["a"]}))["value"] == [*many, "a"]
    async with session(start("elsewhere").file, project=project) as wire:
        assert (await wire.request(1, "test.ask", {"do": "note", "marks": []}))["value"] == []


async def test_a_popup_that_cant_be_read_hides_no_other_and_its_answer_stays(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = start()
    async with session(daemon.file, project={"id": "p", "name": "P"}) as wire:
        broken, whole = [await popup(wire, state={"tag": tag}) for tag in ("a", "b")]
        with contextlib.closing(sqlite3.connect(daemon.paths.database, isolation_level=None)) as other:
            other.execute("UPDATE popups SET state = x'81a1ff01' WHERE id = ?", (broken["id"],))
        found = await wire.request(1, "test.ask", {"do": "open"})
        assert found["value"] == [[whole["id"], {"tag": "b"}]]
        assert await answered(wire, broken) == "answered"
        said = f"popup {broken['id']} can't be read"
        await asyncio.to_thread(until, lambda: caplog.text.count(said) == 2, "it to be told")
        stored = await asyncio.to_thread(daemon.popup, broken["id"])
    assert stored is not None and stored.status == "answered"
    assert "popbridge db check" in caplog.text and "Traceback" not in caplog.text


@pytest.mark.parametrize("name", ["made.bin", "m" * 200])
async def test_an_advisor_finds_a_file_by_the_workloads_own_name_for_it(
    file: ConnectionFile, name: str
) -> None:
    async with session(file) as wire:
        # The second time it is a kept result.
        for number in (1, 2):
            asked = {"do": "run", "workload": "test.make", "params": {"name": name}}
            assert (await wire.request(number, "test.ask", asked))["value"] == [name]
        made = await wire.request(3, "test.make", {"name": name})
        assert made["outputs"][0]["name"][:60] == name[:60] and made["meta"]["cached"]


async def test_an_answer_to_a_question_may_have_files(file: ConnectionFile) -> None:
    async with session(file) as wire:
        asked = {"do": "files", "workload": "test.make"}
        answer = await wire.request(1, "test.ask", asked)
    assert answer["value"] == "made"
    (output,) = answer["outputs"]
    assert (output["name"], output["size"], len(output["blob"])) == ("mine", 10, 64)
