"""Imports that come while others are examined, asked about or answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.api import RequestError
from bridge.core import errors
from tests.advisors import pictures
from tests.advisors.desk import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def normal(bench: Bench, file: str = "textures/rock_n.png", **options: Any) -> str:
    return bench.texture(file, pictures.normal_map(), **options)


async def test_a_new_import_takes_the_open_popups_place_and_keeps_its_questions(bench: Bench) -> None:
    first, second = normal(bench), normal(bench, "b_n.png")
    await bench.imported(first)
    await bench.imported(second)
    assert bench.asking.title == "Import settings to fix: 2 textures"
    await bench.answer("apply")
    assert bench.options[first]["normal_map"] and bench.options[second]["normal_map"]


async def test_a_popup_is_withdrawn_when_its_files_were_put_right_by_hand(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    bench.options[path].update(normal_map=True, srgb=False, mipmaps=True)
    await bench.imported(path)
    assert bench.popups == {}


async def test_the_same_import_again_leaves_the_open_popup_as_it_is(bench: Bench) -> None:
    path = normal(bench)
    await bench.imported(path)
    await bench.imported(path)
    assert len(bench.shown) == 1


async def test_imports_that_arrive_during_an_analysis_share_the_next_popup(bench: Bench) -> None:
    paths = [normal(bench, f"{letter}_n.png") for letter in "abc"]
    bench.gate.clear()
    first = asyncio.create_task(bench.imported(paths[0]))
    while not bench.ran:
        await asyncio.sleep(0.001)
    await bench.imported(paths[1])
    await bench.imported(paths[2])
    bench.gate.set()
    await first
    assert [popup.title for popup in bench.shown] == [
        "Import settings to fix: a_n.png",
        "Import settings to fix: 3 textures",
    ]


async def test_an_answer_that_comes_while_the_next_popup_is_made_isnt_asked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [normal(bench, f"{number}_n.png") for number in range(9)]
    await bench.imported(*paths)
    run = bench.run

    async def answered_meanwhile(workload: str, params: Any, files: Any, **more: Any) -> Any:
        result = await run(workload, params, files, **more)
        if params and bench.popups:
            await bench.answer("later")
        return result

    monkeypatch.setattr(bench, "run", answered_meanwhile)
    await bench.imported(*paths, normal(bench, "new_n.png"))
    assert bench.asking.title == "Import settings to fix: new_n.png"


async def test_what_a_popup_that_couldnt_be_shown_asked_is_asked_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any, **__: Any) -> int:
        raise RequestError(errors.OVERLOADED, name="s1", open=256)

    path = normal(bench)
    with monkeypatch.context() as patch:
        patch.setattr(bench, "popup", full)
        with pytest.raises(RequestError):
            await bench.imported(path)
    await bench.imported(path)
    assert bench.asking.title == "Import settings to fix: rock_n.png"
