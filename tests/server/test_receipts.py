"""Receipts: what commands have changed, listed and put back."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from sqlite_utils import Database

from bridge.core.messages import MAX_FRAME, Command, Result
from bridge.paths import ConnectionFile
from bridge.store.receipts import ReceiptStore
from tests.server.advised import APPLIED, PUT_BACK, answered, applied, popup
from tests.server.daemons import ThreadDaemon
from tests.server.wire import Wire, resume, session
from tests.store.damage import filled


@pytest.fixture
async def wire(file: ConnectionFile) -> AsyncIterator[Wire]:
    async with session(file, project={"id": "p", "name": "P"}) as made:
        yield made


async def test_a_receipt_keeps_before_and_after(daemon: ThreadDaemon, wire: Wire) -> None:
    receipt = await applied(wire, note="because", wait=True)
    assert (await wire.until("popup"))["body"] == "applied"
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    (found,) = answer["value"]["receipts"]
    assert {k: found[k] for k in ("id", "note", "state", "project", "before", "after")} == {
        "id": receipt, "note": "because", "state": "applied", "project": "p", **APPLIED,
    }  # fmt: skip
    assert found["answered"]


async def test_a_command_that_failed_is_kept_as_that(wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}, "wait": True})
    command = await wire.until("command")
    await wire.send("error", id=command["id"], code="unsupported", message="never heard of it")
    assert (await wire.until("popup"))["body"] == "failed"
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    assert answer["value"]["receipts"][0]["errors"] == [{"message": "never heard of it"}]


async def test_a_second_answer_to_a_command_changes_nothing(wire: Wire) -> None:
    receipt = await applied(wire)
    await wire.send("result", id=receipt, value={"before": [], "after": ["forged"]})
    answer = await wire.request(1, "receipts.list", {"limit": 1})
    assert answer["value"]["receipts"][0]["after"] == APPLIED["after"]


async def test_nobody_answers_anothers_command(file: ConnectionFile, wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}})
    command = await wire.until("command")
    async with session(file) as other:
        await other.send("result", id=command["id"], value={"after": ["forged"]})
        answer = await other.request(1, "receipts.list", {"limit": 1})
        assert answer["value"]["receipts"][0]["state"] == "sent"


async def test_a_revert_sends_what_was_before_and_what_it_expects_to_find(
    file: ConnectionFile, wire: Wire
) -> None:
    receipt = await applied(wire)
    async with session(file, client={"kind": "tool", "name": "t", "version": "1"}) as tool:
        await tool.send("request", id=1, workload="receipts.revert", params={"id": receipt})
        command = await wire.until("command")
        assert command["args"] == {"changes": PUT_BACK}
        await wire.send("result", id=command["id"], value=APPLIED)
        made = (await tool.receive())["value"]["receipt"]
        assert (made["reverts"], made["state"]) == (receipt, "applied")


async def test_a_revert_whose_receipt_no_frame_holds_is_answered_abridged(wire: Wire) -> None:
    many = [{"path": f"res://wall_{n}.png", "options": {"mipmaps": True}} for n in range(2000)]
    assert 3 * len(msgspec.json.encode(many)) > MAX_FRAME
    receipt = await applied(wire, value={"before": many, "after": []})
    await wire.send("request", id=1, workload="receipts.revert", params={"id": receipt})
    command = await wire.until("command")
    assert command["args"] == {"changes": many}
    await wire.send("result", id=command["id"], value={"before": many, "after": many})
    made = (await wire.until("result", id=1))["value"]["receipt"]
    assert (made["id"], made["reverts"], made["state"]) == (command["id"], receipt, "applied")
    assert made["abridged"] is True and "after" not in made


async def test_a_popup_may_revert_all_it_applied_last_first(wire: Wire) -> None:
    shown = await popup(wire, state={"commands": 2, "revert": True})
    await answered(wire, shown)
    for number in range(2):
        command = await wire.until("command")
        assert command["args"]["changes"] == [number]
        before, after = ([{"path": str(number), "options": {"x": x}}] for x in (1, 2))
        await wire.send("result", id=command["id"], value={"before": before, "after": after})
    reverts = [(await wire.until("command"))["args"]["changes"] for _ in range(2)]
    assert [change["path"] for (change,) in reverts] == ["1", "0"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"id": 987_654}, "not_found"),
        ({"id": 2**63}, "bad_params"),
        ({"id": "x"}, "bad_params"),
        ({}, "bad_params"),
    ],
)
async def test_a_receipt_that_cant_be_is_said_to_be_none(wire: Wire, params: Any, code: str) -> None:
    assert (await wire.request(1, "receipts.revert", params))["code"] == code


async def test_a_list_without_end_is_refused(wire: Wire) -> None:
    assert (await wire.request(1, "receipts.list", {"limit": -1}))["code"] == "bad_params"


async def test_a_list_has_as_many_receipts_as_fit_into_a_frame_and_goes_on_from_there(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    filled(daemon.paths.database, 600)
    for subprotocol in ("bridge.v1.msgpack", "bridge.v1.json"):
        async with session(daemon.file, subprotocol) as wire:
            ids: list[int] = []
            for number in range(1, 100):
                before = {"before": ids[-1]} if ids else {}
                found = (await wire.request(number, "receipts.list", {"limit": 400, **before}))["value"]
                part = [one["id"] for one in found["receipts"]]
                assert 100 < len(part) < 400 or part[-1] == 1
                assert found["more"] is (part[-1] != 1)
                ids += part
                if not found["more"]:
                    break
            assert ids == list(range(600, 0, -1))


def keep_large(daemon: ThreadDaemon) -> int:
    """A receipt that no frame holds, with more errors than that; gives its id."""
    changes = [
        {"path": f"res://textures/wall_{n}_normal.png", "options": {"mipmaps": True}} for n in range(2000)
    ]
    command = Command(id=0, name="audit.fix", args={"changes": changes, "before": changes}, deadline_ms=1)
    value = {"before": changes, "after": changes, "errors": [{"path": "a", "message": "locked"}]}

    def work(db: Database) -> int:
        receipts = ReceiptStore(db)
        made, _ = receipts.open("audit", "p", "P", command, "audit: no_mipmaps")
        receipts.answered(made, Result(id=made, value=value))
        return made

    return daemon.bridge.store.write_now(work)


@pytest.mark.parametrize("subprotocol", ["bridge.v1.msgpack", "bridge.v1.json"])
async def test_a_receipt_larger_than_a_frame_is_listed_abridged_and_hides_no_other(
    start: Callable[..., ThreadDaemon], subprotocol: str
) -> None:
    daemon = start()
    filled(daemon.paths.database, 3)
    large = keep_large(daemon)
    stored = daemon.receipt(large)
    assert stored is not None and len(msgspec.msgpack.encode(stored)) > MAX_FRAME
    async with session(daemon.file, subprotocol) as wire:
        found = (await wire.request(1, "receipts.list"))["value"]
    first, *others = found["receipts"]
    assert ([one["id"] for one in others], found["more"]) == ([3, 2, 1], False)
    assert all(one["abridged"] is False and one["args"] for one in others)
    assert (first["id"], first["abridged"], first["note"]) == (large, True, "audit: no_mipmaps")
    assert not first.keys() & {"args", "before", "after", "errors"}


async def test_receipts_are_listed_by_a_thread(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    real, threads = ReceiptStore.newest, set()

    def newest(*args: Any) -> Any:
        threads.add(threading.current_thread().name.rpartition("-")[0])
        return real(*args)

    monkeypatch.setattr(ReceiptStore, "newest", newest)
    assert (await wire.request(1, "receipts.list", {"limit": 1}))["type"] == "result"
    assert threads == {"store-reader"}


async def test_what_was_never_applied_cant_be_reverted(wire: Wire) -> None:
    await wire.send("event", name="test.command", data={"args": {}})
    command = await wire.until("command")
    answer = await wire.request(1, "receipts.revert", {"id": command["id"]})
    assert answer["code"] == "unsupported"
    assert "hasn't answered yet" in answer["message"]


async def test_what_an_audit_wrote_is_no_editors_to_put_back(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    receipt = keep_large(daemon)
    async with session(daemon.file, project={"id": "p", "name": "P"}) as wire:
        answer = await wire.request(1, "receipts.revert", {"id": receipt})
        assert answer["code"] == "unsupported"
        assert f"revert it with `popbridge revert {receipt}`" in answer["message"]
        assert await wire.quiet()


async def test_a_revert_needs_an_editor_and_only_one(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    project = {"id": "p", "name": "The Game"}
    tool = {"kind": "tool", "name": "t", "version": "1"}
    async with session(file, project=project) as gone:
        receipt = await applied(gone)
        await gone.request(1, "bridge.echo")
    async with session(file, client=tool, project=project) as asker:
        answer = await asker.request(1, "receipts.revert", {"id": receipt})
        assert answer["code"] == "editor_gone"
        assert "The Game" in answer["message"]
        async with session(file, project=project) as one, session(file, project=project) as two:
            answer = await asker.request(2, "receipts.revert", {"id": receipt})
            assert answer["code"] == "ambiguous_editor"
            assert one.ready["session"] in answer["message"]
            assert f"{two.ready['session']} (editor wire 1, project The Game)" in answer["message"]
            named = {"id": receipt, "editor": two.ready["session"]}
            await asker.send("request", id=4, workload="receipts.revert", params=named)
            assert (await two.until("command"))["args"] == {"changes": PUT_BACK}
            answer = await asker.request(5, "receipts.revert", {"id": receipt, "editor": "nobody"})
            assert answer["code"] == "editor_gone"
            await one.send("request", id=6, workload="receipts.revert", params={"id": receipt})
            assert (await one.until("command"))["args"] == {"changes": PUT_BACK}
            async with session(file, project=project, resume=resume(gone, 9)) as own:
                await asker.send("request", id=3, workload="receipts.revert", params={"id": receipt})
                assert (await own.until("command"))["args"] == {"changes": PUT_BACK}
            # A daemon that stops waits for what nobody has withdrawn.
            for wire, number in ((asker, 3), (asker, 4), (one, 6)):
                await wire.send("cancel", id=number)
                await wire.until("error", id=number)


async def test_a_revert_in_a_project_that_was_moved_wants_its_editor_named(file: ConnectionFile) -> None:
    async with session(file, project={"id": "old place", "name": "The Game"}) as before:
        receipt = await applied(before)
        await before.request(1, "bridge.echo")
    project = {"id": "new place", "name": "Game, moved"}
    async with session(file, project=project, resume=resume(before, 9)) as editor:
        answer = await editor.request(2, "receipts.revert", {"id": receipt})
        own = editor.ready["session"]
        assert answer["code"] == "editor_gone"
        assert f"`popbridge revert {receipt} --editor {own}`" in answer["hint"]
        named = {"id": receipt, "editor": own}
        await editor.send("request", id=3, workload="receipts.revert", params=named)
        assert (await editor.until("command"))["args"] == {"changes": PUT_BACK}


async def keep_one(file: ConnectionFile, **identity: Any) -> int:
    """A receipt of an editor that is gone."""
    async with session(file, **identity) as before:
        receipt = await applied(before)
        await before.request(1, "bridge.echo")
    return receipt


GODOT, UNITY = {"name": "godot", "version": "4.4.1"}, {"name": "unity", "version": "6000.0"}


@pytest.mark.parametrize(
    ("name", "made_in", "open_in", "told"),
    [
        ("The Game", GODOT, {**GODOT, "version": "4.5"}, True),
        ("The Game", GODOT, UNITY, False),
        ("", GODOT, GODOT, False),
        ("The Game", None, None, False),
        ("The Game", GODOT, None, False),
    ],
)
async def test_only_a_project_of_that_name_and_engine_may_be_one_that_was_moved(
    file: ConnectionFile, name: str, made_in: Any, open_in: Any, told: bool
) -> None:
    engine = {"engine": made_in} if made_in else {}
    receipt = await keep_one(file, project={"id": "old place", "name": name}, **engine)
    engine = {"engine": open_in} if open_in else {}
    async with session(file, project={"id": "new place", "name": name}, **engine) as editor:
        own = {"id": receipt, "editor": editor.ready["session"]}
        await editor.send("request", id=2, workload="receipts.revert", params={"id": receipt})
        answer = await editor.until("error")
        assert answer["code"] == "editor_gone"
        assert (own["editor"] in answer.get("hint", "")) is told
        await editor.send("request", id=3, workload="receipts.revert", params=own)
        assert (await editor.receive())["type"] == ("command" if told else "error")


async def test_a_full_outbox_costs_no_receipt(
    daemon: ThreadDaemon, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (await wire.request(1, "receipts.list"))["value"]["receipts"]
    monkeypatch.setattr("bridge.server.live_session.MAX_OUTBOX", 1)
    await wire.send("event", name="test.command", data={"args": {}})
    await wire.request(2, "test.ask")
    assert (await wire.request(3, "receipts.list"))["value"]["receipts"] == before
