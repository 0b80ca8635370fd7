"""Imports are judged by what else was seen of their project."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from accel.texture import context
from accel.texture.classification import Classification
from bridge.advisors import import_context
from bridge.advisors.import_context import Projects, SeenSoFar
from bridge.advisors.import_flow import TextureImportAdvisor
from tests.advisors import pictures
from tests.advisors.desk import Bench
from tests.advisors.examinations import classified

WIDGETS = {f"{place}.png": classified("ui") for place in range(40)}


def doubtful() -> Classification:
    found = classified("sprite", 0.5)
    return Classification("sprite", {**found.probabilities, "ui": 0.45}, False, [])


def test_a_doubtful_import_among_widgets_is_one() -> None:
    seen = SeenSoFar()
    seen.judge(WIDGETS)
    assert seen.judge({"a.png": doubtful()})["a.png"].kind == "ui"
    assert seen.judge(WIDGETS)["0.png"].kind == "ui"


def test_what_comes_in_one_batch_is_judged_together() -> None:
    assert SeenSoFar().judge({"a.png": doubtful(), **WIDGETS})["a.png"].kind == "ui"
    assert SeenSoFar().judge({"a.png": doubtful()})["a.png"] == doubtful()


def test_a_file_that_is_imported_again_counts_once() -> None:
    seen = SeenSoFar()
    for _ in range(100):
        seen.judge({"0.png": classified("ui")})
    assert seen.judge({"a.png": doubtful()})["a.png"] == doubtful()


def test_what_was_seen_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_context, "MAX_FILES", 40)
    seen = SeenSoFar()
    seen.judge(WIDGETS)
    seen.judge({f"s{place}.png": classified("sprite") for place in range(39)})
    assert seen.judge({"a.png": doubtful()})["a.png"].kind == "sprite"


def test_more_in_a_batch_than_is_remembered_is_still_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_context, "MAX_FILES", 10)
    assert set(SeenSoFar().judge(WIDGETS)) == set(WIDGETS)


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
        assert SeenSoFar().judge(WIDGETS) == WIDGETS
    assert "install popbridge again" in caplog.text


async def test_the_advisor_remembers_what_it_saw(tmp_path: Path) -> None:
    advisor = TextureImportAdvisor()
    bench = Bench(tmp_path, advisor)
    await bench.imported(bench.texture("a.png", pictures.noise(3)), bench.texture("b.png", pictures.noise(4)))
    assert set(advisor._surveyor._projects.of(tmp_path)._files) == {"a.png", "b.png"}
