"""Imports are judged by what else was seen of their project."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from accel.texture import context
from accel.texture.classification import Classification
from bridge.advisors import import_context, import_look
from bridge.advisors.import_context import Projects, SeenSoFar
from bridge.advisors.import_flow import TextureImportAdvisor
from tests.advisors import pictures
from tests.advisors.desk import Bench
from tests.advisors.examinations import classified

WIDGETS = {f"{place}.png": classified("ui") for place in range(40)}


def doubtful() -> Classification:
    found = classified("sprite", 0.5)
    return Classification("sprite", {**found.probabilities, "ui": 0.45}, False, [])


def seen_of(found: Mapping[str, Classification], seen: SeenSoFar | None = None) -> SeenSoFar:
    seen = seen or SeenSoFar()
    for file, one in found.items():
        seen.add(file, one)
    return seen


def kind_of_a_doubtful(seen: SeenSoFar) -> str:
    seen.add("a.png", doubtful())
    return seen.judge([doubtful()])[0].kind


def test_a_doubtful_import_among_widgets_is_one() -> None:
    seen = seen_of(WIDGETS)
    assert kind_of_a_doubtful(seen) == "ui"
    assert seen.judge([WIDGETS["0.png"]])[0].kind == "ui"


def test_one_that_comes_first_is_what_its_pixels_say() -> None:
    assert seen_of({"a.png": doubtful()}).judge([doubtful()]) == [doubtful()]


def test_a_file_that_is_imported_again_counts_once() -> None:
    seen = SeenSoFar()
    for _ in range(100):
        seen.add("0.png", classified("ui"))
    seen.add("a.png", doubtful())
    assert seen.judge([doubtful()]) == [doubtful()]


def test_what_was_seen_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_context, "MAX_FILES", 40)
    seen = seen_of({f"s{place}.png": classified("sprite") for place in range(39)}, seen_of(WIDGETS))
    assert kind_of_a_doubtful(seen) == "sprite"


def test_more_in_a_batch_than_is_remembered_is_still_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_context, "MAX_FILES", 10)
    told = seen_of(WIDGETS).judge(list(WIDGETS.values()))
    assert [one.kind for one in told] == ["ui"] * len(WIDGETS)


def test_thousands_of_files_take_little_memory() -> None:
    seen = SeenSoFar()
    seen.add("a.png", doubtful())
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for place in range(1000):
            seen.add(f"{place}.png", classified("ui", 0.9))
        assert tracemalloc.get_traced_memory()[0] - before < 500 * 1000
    finally:
        tracemalloc.stop()


def test_projects_know_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_context, "MAX_PROJECTS", 2)
    projects = Projects()
    first = projects.of(Path("a"))
    assert projects.of(Path("b")) is not first
    assert projects.of(Path("a")) is first
    projects.of(Path("c"))
    assert projects.of(Path("a")) is first
    assert projects.of(Path("b")) is not first


def test_a_damaged_installation_costs_only_the_context(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(context, "experience", lambda: context.read(tmp_path / "gone.npz"))
    with caplog.at_level(logging.WARNING):
        found = list(WIDGETS.values())
        seen = seen_of(WIDGETS)
        assert seen.judge(found) == seen.judge(found) == found
    assert caplog.text.count("install popbridge again") == 1


async def test_the_advisor_remembers_what_it_saw(tmp_path: Path) -> None:
    advisor = TextureImportAdvisor()
    bench = Bench(tmp_path, advisor)
    await bench.imported(bench.texture("a.png", pictures.noise(3)), bench.texture("b.png", pictures.noise(4)))
    assert set(advisor._surveyor._projects.of(tmp_path)._files) == {"a.png", "b.png"}


async def test_what_comes_in_one_batch_is_judged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_with = []
    real = SeenSoFar.judge

    def judge(seen: SeenSoFar, found: Sequence[Classification]) -> list[Classification]:
        judged_with.append(len(seen._files))
        return real(seen, found)

    monkeypatch.setattr(SeenSoFar, "judge", judge)
    monkeypatch.setattr(import_look, "JUDGED_AT_ONCE", 1)
    bench = Bench(tmp_path, TextureImportAdvisor())
    await bench.imported(*(bench.texture(f"{place}.png", pictures.noise(3)) for place in range(3)))
    assert judged_with == [3, 3, 3]


async def test_others_are_heard_while_thousands_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_look, "JUDGED_AT_ONCE", 2)
    heard, real = [0], import_look._judge

    def judge(*args: Any) -> Any:
        asyncio.get_running_loop().call_soon(lambda: heard.append(heard[-1] + 1))
        turns.append(len(heard))
        return real(*args)

    turns: list[int] = []
    monkeypatch.setattr(import_look, "_judge", judge)
    bench = Bench(tmp_path, TextureImportAdvisor())
    await bench.imported(*(bench.texture(f"{place}.png", pictures.noise(3)) for place in range(6)))
    assert turns == [1, 1, 3, 3, 5, 5]
