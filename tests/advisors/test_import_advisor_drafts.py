"""The next popup is made beside the event loop, and of what is still to be asked when it is shown."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from bridge.advisors import import_advisor, import_batch
from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.advisors.import_popups import PopupDraft
from tests.advisors import pictures
from tests.advisors.desk import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def normal(bench: Bench, file: str) -> str:
    return bench.texture(file, pictures.normal_map())


async def test_others_are_heard_while_a_popup_is_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, real, heard = asyncio.get_running_loop(), import_advisor.draft_popup, []

    def slow(*args: Any) -> PopupDraft:
        turned = threading.Event()
        loop.call_soon_threadsafe(turned.set)
        heard.append(turned.wait(60))
        return real(*args)

    monkeypatch.setattr(import_advisor, "draft_popup", slow)
    await bench.imported(normal(bench, "a_n.png"))
    assert heard == [True] and bench.asking.title == "Import settings to fix: a_n.png"


@pytest.mark.parametrize("action", ["apply", "later"])
async def test_what_is_answered_while_a_popup_is_made_isnt_asked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    loop, real, drafts = asyncio.get_running_loop(), import_advisor.draft_popup, []

    def answered_meanwhile(*args: Any) -> PopupDraft:
        made = real(*args)
        drafts.append(sorted(made.files))
        if len(drafts) == 1:
            asyncio.run_coroutine_threadsafe(bench.answer(action), loop).result(60)
        return made

    await bench.imported(normal(bench, "a_n.png"))
    monkeypatch.setattr(import_advisor, "draft_popup", answered_meanwhile)
    await bench.imported(normal(bench, "b_n.png"))
    assert drafts == [["res://a_n.png", "res://b_n.png"], ["res://b_n.png"]]
    assert bench.shown[-1].title == "Import settings to fix: b_n.png"


async def test_no_more_files_are_taken_up_than_are_in_work(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_batch, "AT_ONCE", 3)
    paths = [normal(bench, f"{number}_n.png") for number in range(8)]
    others = len(asyncio.all_tasks())
    bench.gate.clear()
    task = asyncio.create_task(bench.imported(*paths))
    async with asyncio.timeout(60):
        while len(bench.ran) < 3:
            await asyncio.sleep(0.001)
    assert len(asyncio.all_tasks()) - others <= 4
    bench.gate.set()
    await task
    assert bench.asking.title == "Import settings to fix: 8 textures"
