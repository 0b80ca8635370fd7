"""Changes are observed, stale advice changes nothing, and one advisor at a time asks about a texture."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from accel.text import readable
from bridge.core import revert, verification
from bridge.paths import ConnectionFile
from bridge.server import texture_states
from tests.server.advised import answered
from tests.server.daemons import ThreadDaemon
from tests.server.wire import Wire, session


@pytest.fixture
async def wire(file: ConnectionFile, tmp_path: Path) -> AsyncIterator[Wire]:
    async with editor(file, tmp_path) as made:
        yield made


def editor(file: ConnectionFile, root: Path, **changes: Any) -> Any:
    project = {"id": str(root), "name": "P", "root": str(root)}
    return session(file, project=project, engine={"name": "fake", "version": "2.1"}, **changes)


def put(root: Path, file: str, **options: Any) -> str:
    """A texture with its import settings; returns the engine's path."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(b"pixels")
    path.with_name(f"{path.name}.json").write_text(json.dumps(options))
    return f"watch://{file}"


async def imported(wire: Wire, *files: str, **options: Any) -> None:
    assets = [
        {"path": f"watch://{file}", "file": file, "type": "texture", "options": options} for file in files
    ]
    await wire.send("event", name="asset.imported", data={"batch": 1, "more": False, "assets": assets})


async def asked(wire: Wire, root: Path, file: str = "first/a.png") -> dict[str, Any]:
    """The popup about a new texture with the mode 0."""
    put(root, file, mode=0, other=5)
    await imported(wire, file, mode=0, other=5)
    return await wire.until("popup")


async def settled(wire: Wire, daemon: ThreadDaemon, command: dict[str, Any], value: Any) -> Any:
    """The receipt of a command that the editor answers with `value`."""
    await wire.send("result", id=command["id"], value=value)
    await wire.request(99, "test.ask")
    return daemon.receipt(command["id"])


def told(**options: Any) -> list[dict[str, Any]]:
    return [{"path": "watch://first/a.png", "options": options}]


def ids(receipt: Any) -> list[str]:
    return [getattr(readable(each["message_text"]), "id", "") for each in receipt.errors or ()]


LIE = {"before": told(mode=0), "after": told(mode=2)}


async def test_a_command_names_what_the_advice_was_made_from(wire: Wire, tmp_path: Path) -> None:
    await answered(wire, await asked(wire, tmp_path))
    command = await wire.until("command")
    assert command["args"] == {"changes": [{**told(mode=2)[0], "expected": {"mode": 0}}]}
    await wire.send("result", id=command["id"], value=LIE)


@pytest.mark.parametrize(("written", "state"), [(None, "failed"), (7, "applied"), (2, "applied")])
async def test_what_stands_in_the_file_counts_not_what_the_editor_says(
    wire: Wire, daemon: ThreadDaemon, tmp_path: Path, written: int | None, state: str
) -> None:
    await answered(wire, await asked(wire, tmp_path))
    command = await wire.until("command")
    if written is not None:
        put(tmp_path, "first/a.png", mode=written, other=5)
    receipt = await settled(wire, daemon, command, LIE)
    assert receipt.state == state
    assert receipt.after == (told(mode=written) if written is not None else [])
    assert receipt.before == (told(mode=0) if written is not None else [])
    assert ids(receipt) == ([] if written == 2 else [verification.FALSE_REPORT.id])


async def test_before_is_what_the_daemon_read(wire: Wire, daemon: ThreadDaemon, tmp_path: Path) -> None:
    for before, error in ((told(mode=1), verification.FALSE_BEFORE), (None, verification.NO_BEFORE)):
        await answered(wire, await asked(wire, tmp_path))
        command = await wire.until("command")
        put(tmp_path, "first/a.png", mode=2, other=5)
        receipt = await settled(wire, daemon, command, {"before": before, "after": told(mode=2)})
        assert (receipt.state, receipt.before, ids(receipt)) == ("applied", told(mode=0), [error.id])


async def test_a_change_can_be_reverted_though_the_editor_calls_it_a_failure(
    wire: Wire, daemon: ThreadDaemon, tmp_path: Path
) -> None:
    await answered(wire, await asked(wire, tmp_path))
    command = await wire.until("command")
    put(tmp_path, "first/a.png", mode=2, other=5)
    await wire.send("error", id=command["id"], code="internal", message="crashed")
    await wire.request(99, "test.ask")
    receipt = daemon.receipt(command["id"])
    assert receipt is not None
    assert (receipt.state, receipt.before, receipt.after) == ("applied", told(mode=0), told(mode=2))
    assert receipt.errors == [{"message": "crashed"}]


async def test_a_revert_that_restores_nothing_has_failed(
    wire: Wire, daemon: ThreadDaemon, tmp_path: Path
) -> None:
    await answered(wire, await asked(wire, tmp_path))
    command = await wire.until("command")
    put(tmp_path, "first/a.png", mode=2, other=5)
    await settled(wire, daemon, command, LIE)
    for value in ({"before": LIE["after"], "after": LIE["before"]}, {"before": [], "after": []}):
        await wire.send("request", id=1, workload="receipts.revert", params={"id": command["id"]})
        back = await wire.until("command")
        await wire.send("result", id=back["id"], value=value)
        made = (await wire.until("result", id=1))["value"]["receipt"]
        assert made["state"] == "failed" and len(made["errors"]) == 1 and not made["after"]
    await wire.send("request", id=1, workload="receipts.revert", params={"id": command["id"]})
    back = await wire.until("command")
    put(tmp_path, "first/a.png", mode=0, other=5)
    await wire.send("result", id=back["id"], value={"before": LIE["after"], "after": LIE["before"]})
    made = (await wire.until("result", id=1))["value"]["receipt"]
    assert (made["state"], made["after"], made["errors"]) == ("applied", told(mode=0), None)


async def test_where_nothing_can_be_read_a_result_without_before_is_told(
    file: ConnectionFile, daemon: ThreadDaemon
) -> None:
    async with session(file, project={"id": "far", "name": "P"}) as wire:
        await wire.send("event", name="test.command", data={"args": {"changes": told(mode=2)}})
        command = await wire.until("command")
        receipt = await settled(wire, daemon, command, {"after": told(mode=2)})
    assert (receipt.after, ids(receipt)) == (told(mode=2), [verification.NO_BEFORE.id])


@pytest.mark.parametrize("what", ["settings", "file"])
async def test_advice_on_what_has_changed_since_is_refused_and_made_anew(
    wire: Wire, daemon: ThreadDaemon, tmp_path: Path, what: str
) -> None:
    shown = await asked(wire, tmp_path)
    mode = 1 if what == "settings" else 0
    put(tmp_path, "first/a.png", mode=mode, other=5)
    if what == "file":
        (tmp_path / "first/a.png").write_bytes(b"other pixels")
    await answered(wire, shown)
    again = await wire.until("popup")
    assert f"'mode': {mode}" in again["body"]
    (receipt,) = (await wire.request(1, "receipts.list", {"limit": 1}))["value"]["receipts"]
    reason = revert.CHANGED_MEANWHILE if what == "settings" else texture_states.CHANGED
    assert receipt["state"] == "failed" and receipt["args"]["changes"] == []
    assert [each["message_text"]["id"] for each in receipt["errors"]] == [reason.id]
    # It is told what is so now.
    await answered(wire, again)
    command = await wire.until("command")
    assert command["args"]["changes"][0]["expected"] == {"mode": mode}
    await wire.send("result", id=command["id"], value=LIE)


async def test_of_several_textures_only_those_that_changed_are_left(
    wire: Wire, daemon: ThreadDaemon, tmp_path: Path
) -> None:
    for file in ("first/a.png", "first/b.png"):
        put(tmp_path, file, mode=0)
    await imported(wire, "first/a.png", "first/b.png", mode=0)
    shown = await wire.until("popup")
    put(tmp_path, "first/b.png", mode=1)
    await answered(wire, shown)
    command = await wire.until("command")
    assert [change["path"] for change in command["args"]["changes"]] == ["watch://first/a.png"]
    put(tmp_path, "first/a.png", mode=2)
    receipt = await settled(wire, daemon, command, LIE)
    assert receipt.state == "applied" and ids(receipt) == [revert.CHANGED_MEANWHILE.id]
    assert receipt.errors[0]["path"] == "watch://first/b.png"


async def test_a_second_advisor_asks_once_the_first_ones_popup_is_closed(wire: Wire, tmp_path: Path) -> None:
    shown = await asked(wire, tmp_path, "both/a.png")
    assert shown["title"] == "first"
    await wire.request(1, "test.ask")
    assert await wire.quiet()
    put(tmp_path, "both/a.png", mode=4)
    await answered(wire, shown, "no")
    then = await wire.until("popup")
    # It sees what is so by then.
    assert then["title"] == "second" and "'mode': 4" in then["body"]
    # The other way round, too; other textures aren't concerned.
    await imported(wire, "both/a.png", mode=4)
    own = await wire.until("popup")
    assert own["title"] == "second"
    await imported(wire, "first/b.png", mode=0)
    assert "'mode': 0" in (await wire.until("popup"))["body"]
    for each in (then, own):
        await answered(wire, each, "no")
    assert (await wire.until("popup"))["title"] == "first"


async def test_what_an_open_popup_is_about_is_known_after_a_restart(start: Any, tmp_path: Path) -> None:
    root = tmp_path / "game"
    daemon = start()
    async with editor(daemon.file, root) as wire:
        shown = await asked(wire, root, "both/a.png")
    daemon.stop()
    again = start()
    resume = {
        "session": wire.ready["session"], "token": wire.ready["resume_token"], "last_seq": shown["seq"],
    }  # fmt: skip
    async with editor(again.file, root, resume=resume) as wire:
        await imported(wire, "both/a.png", mode=0)
        # The first may ask once more about its own.
        assert (await wire.until("popup"))["title"] == "first"
        await wire.request(1, "test.ask")
        assert await wire.quiet()
        await answered(wire, shown, "yes")
        command = await wire.until("command")
        assert command["args"]["changes"][0]["expected"] == {"mode": 0}
        await wire.send("result", id=command["id"], value={"before": [], "after": []})
