"""What the import advisor knows of what an earlier run of the daemon has shown, and people have settled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.api import RequestError
from bridge.core import errors
from tests.advisors.desk import WRONG, Bench
from tests.advisors.test_import_advisor import normal


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


async def test_after_a_restart_the_open_popup_is_known(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    asked = bench.asking
    bench.advisor = TextureImportAdvisor()
    await bench.imported(path)
    assert bench.asking is asked and bench.shown == [asked]
    await bench.imported(normal(bench, "textures/wood_n.png"))
    assert bench.asking.title == "Import settings to fix: 2 textures"
    await bench.answer("apply")
    assert bench.options[path]["normal_map"]


async def test_what_is_answered_while_it_is_recalled_isnt_asked_again(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    bench.advisor = TextureImportAdvisor()
    bench.recalling.clear()
    importing = asyncio.create_task(bench.imported(path))
    await asyncio.sleep(0)
    await bench.answer("later")
    bench.recalling.set()
    await importing
    assert bench.popups == {} and len(bench.shown) == 1


async def test_after_a_restart_what_was_settled_isnt_asked_again(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    await bench.answer("later")
    bench.advisor = TextureImportAdvisor()
    await bench.imported(path)
    assert bench.popups == {} and len(bench.shown) == 1


async def test_after_a_restart_a_rule_leaves_alone_what_was_undone_before_it_was_made(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    await bench.answer("apply")
    await bench.answer("undo")
    bench.rule_table["textures"] = ["normal_as_color", "no_mipmaps"]
    bench.advisor = TextureImportAdvisor()
    await bench.imported(path)
    assert bench.options[path] == WRONG and len(bench.commands) == 1


@pytest.mark.parametrize("by_rule", [False, True])
async def test_after_a_restart_what_couldnt_be_set_is_raised_again(bench: Bench, by_rule: bool) -> None:
    good, locked = normal(bench), normal(bench, "textures/locked_n.png")
    bench.refused[locked] = "the file is read-only"
    if by_rule:
        bench.rule_table["textures"] = ["normal_as_color", "no_mipmaps"]
    await bench.imported(good, locked)
    if not by_rule:
        await bench.answer("apply")
    bench.popups.clear()
    bench.advisor, bench.refused = TextureImportAdvisor(), {}
    await bench.imported(good, locked)
    if not by_rule:
        assert bench.asking.title == "Import settings to fix: locked_n.png"
        await bench.answer("apply")
    sent = [[change["path"] for change in args["changes"]] for _, args in bench.commands]
    assert sent == [[locked, good], [locked]]


async def test_what_is_settled_while_it_is_read_what_was_isnt_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = normal(bench)
    await bench.imported(path)
    bench.advisor, noted = TextureImportAdvisor(), bench.marks

    async def answered_meanwhile(session: Any) -> Any:
        found = await noted(session)
        if bench.popups:
            await bench.answer("later")
        return found

    monkeypatch.setattr(bench, "marks", answered_meanwhile)
    await bench.imported(path)
    assert bench.popups == {} and len(bench.shown) == 1


async def test_where_it_cant_be_read_what_was_settled_nothing_is_asked_until_it_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled, new = normal(bench), normal(bench, "textures/wood_n.png")
    await bench.imported(settled)
    await bench.answer("later")
    bench.advisor, noted = TextureImportAdvisor(), bench.marks

    async def damaged(session: Any) -> Any:
        raise RequestError(errors.STORE_UNAVAILABLE, reason="its database is damaged")

    monkeypatch.setattr(bench, "marks", damaged)
    with pytest.raises(RequestError):
        await bench.imported(settled, new)
    assert bench.popups == {} and len(bench.shown) == 1
    monkeypatch.setattr(bench, "marks", noted)
    await bench.imported(settled)
    assert bench.asking.title == "Import settings to fix: wood_n.png"


async def test_what_cant_be_kept_is_known_to_one_run_of_the_daemon(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> Any:
        raise RequestError(errors.STORE_UNAVAILABLE, reason="the disk is full")

    monkeypatch.setattr(bench, "note", full)
    path = normal(bench)
    await bench.imported(path)
    await bench.answer("later")
    await bench.imported(path)
    assert bench.popups == {} and len(bench.shown) == 1


async def test_editors_of_one_project_are_asked_together(bench: Bench) -> None:
    bench.view = msgspec.structs.replace(bench.view, workspace="w")
    first, second = normal(bench), normal(bench, "textures/wood_n.png")
    await bench.imported(first)
    bench.view = msgspec.structs.replace(bench.view, id="s2")
    await bench.imported(first)
    assert len(bench.shown) == 1
    await bench.imported(second)
    assert bench.asking.title == "Import settings to fix: 2 textures"
    await bench.answer("later")
    bench.view = msgspec.structs.replace(bench.view, id="s1")
    await bench.imported(first, second)
    assert bench.popups == {}


async def test_what_an_editor_that_was_gone_wasnt_asked_about_the_next_one_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any, **__: Any) -> int:
        raise RequestError(errors.EDITOR_GONE, editor="the editor")

    bench.view = msgspec.structs.replace(bench.view, workspace="w")
    with monkeypatch.context() as patch:
        patch.setattr(bench, "popup", gone)
        with pytest.raises(RequestError):
            await bench.imported(normal(bench))
    bench.view = msgspec.structs.replace(bench.view, id="s2")
    await bench.imported(normal(bench, "textures/wood_n.png"))
    assert bench.asking.title == "Import settings to fix: 2 textures"


async def test_where_one_editor_fails_another_of_the_project_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench.view = msgspec.structs.replace(bench.view, workspace="w")
    first, second = normal(bench), normal(bench, "textures/wood_n.png")
    show = bench.popup

    async def gone(session: Any, popup: Any, state: Any, **more: Any) -> int:
        if session.id == "s1":
            raise RequestError(errors.EDITOR_GONE, editor="s1")
        return await show(session, popup, state, **more)

    monkeypatch.setattr(bench, "popup", gone)
    bench.gate.clear()
    failing = asyncio.create_task(bench.imported(first))
    while not bench.ran:
        await asyncio.sleep(0)
    bench.view = msgspec.structs.replace(bench.view, id="s2")
    await bench.imported(second)
    bench.gate.set()
    await failing
    assert bench.asking.title == "Import settings to fix: 2 textures"
    assert "another editor of the project takes over" in caplog.text


async def test_an_editor_that_does_not_answer_holds_up_no_other_of_the_project(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.view = msgspec.structs.replace(bench.view, workspace="w")
    ruled, asked = normal(bench), normal(bench, "wood_n.png")
    bench.rule_table["textures"] = ["normal_as_color", "no_mipmaps"]
    answers, receipt = asyncio.Event(), bench.receipt

    async def waiting(receipt_id: int) -> Any:
        await answers.wait()
        return await receipt(receipt_id)

    monkeypatch.setattr(bench, "receipt", waiting)
    hanging = asyncio.create_task(bench.imported(ruled))
    while not bench.commands:
        await asyncio.sleep(0)
    bench.view = msgspec.structs.replace(bench.view, id="s2")
    await bench.imported(asked)
    assert bench.asking.title == "Import settings to fix: wood_n.png"
    answers.set()
    await hanging
