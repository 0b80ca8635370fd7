"""What the import advisor knows of popups that an earlier run of the daemon has shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.advisors.import_flow import TextureImportAdvisor
from tests.advisors.desk import Bench
from tests.advisors.test_import_flow import normal


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
    assert bench.asking.title == "2 textures could be imported better"
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
