"""Errors are seen in Godot 4's pictures, and what Godot settles by itself isn't."""

from __future__ import annotations

import re
import subprocess

import pytest

from bridge.advisors.findings import DESIRED, ERROR
from tests.godot.engine import GODOT4, require
from tools import engines, severity


def test_each_error_of_the_table_has_a_case() -> None:
    errors = {each.code for wants in DESIRED.values() for each in wants if each.rank == ERROR}
    # Raised by rules of their own.
    errors |= {"normal_convention", "packed_order"}
    assert errors <= {case.code for case in severity.CASES}


@pytest.mark.engine
def test_the_severities_are_what_the_pictures_show_and_the_page_says() -> None:
    GODOT4.command()
    if missing := [name for name in engines.missing() if not name.startswith("Godot 3")]:
        require(f"{', '.join(missing)} isn't here")
    measured = severity.measure_all()
    assert severity.contradictions(measured) == []
    # The engine itself draws: the shares vary a little between versions.
    assert _without_figures(severity.page(measured)) == _without_figures(severity.PAGE.read_text("utf-8"))


def _without_figures(page: str) -> str:
    return re.sub(r"[\d.]+%? \|", "|", page)


def test_without_the_engine_it_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engines, "missing", lambda: ["Godot 4"])
    assert severity.main([]) == 1
    assert "Godot 4" in capsys.readouterr().out


def test_a_rank_that_says_something_else_than_the_pictures_is_named() -> None:
    case = severity.CASES[0]
    seen, unseen = severity.Measured(0.5, 20.0), severity.Measured(0.0, 0.0)
    for rank, found, wrong in ((2, seen, 0), (2, unseen, 1), (1, unseen, 0), (0, seen, 1), (None, seen, 1)):
        assert len(severity.contradictions([(case, rank, found)])) == wrong


def test_an_engine_that_draws_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise subprocess.TimeoutExpired("godot", 1)

    monkeypatch.setattr(engines, "missing", lambda: [])
    monkeypatch.setattr(severity, "measure_all", fail)
    assert severity.main(["--check"]) == 1 and "godot" in capsys.readouterr().out
