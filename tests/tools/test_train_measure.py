"""Tests of the figures of the model on real projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel.texture.kinds import KINDS, Classification
from tools.train.fetch import SourceError
from tools.train.measure import BEGIN, END, WAYS, Measured, errors, figures, recall, text, update_card


def measured(label: str, kind: str, advise: bool, engine: str = "godot") -> Measured:
    shares = {one: float(one == kind) for one in KINDS}
    found = Classification(kind=kind, probabilities=shares, advise=advise, evidence=())  # type: ignore[arg-type]
    return Measured(f"github-ann+{engine}", engine, f"{label}.png", label, dict.fromkeys(WAYS, found))


ALL = [
    measured("albedo", "albedo", True),
    measured("roughness", "ao", True),
    measured("normal", "albedo", True),
    measured("ui", "albedo", False, "unity"),
    measured("other", "ui", True, "unity"),
]


def test_textures_that_have_no_kind_count_apart() -> None:
    found = figures(ALL, "by pixels")
    assert (found.count, found.kinds, found.classes, found.advised) == (4, 0.25, 0.5, 0.75)
    assert found.right == pytest.approx(2 / 3)
    assert recall(ALL, "by pixels")["roughness"] == (1, 0.0)
    assert recall(ALL, "by pixels")["albedo"] == (1, 1.0)


def test_wrong_classes_and_advice_for_no_kind_are_errors() -> None:
    named = [line.rsplit(" ", 1)[1] for line in errors(ALL, "with names")]
    assert named == ["normal.png", "ui.png", "other.png"]


def test_the_figures_replace_only_their_section_of_the_card(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text(f"before\n\n{BEGIN}\n\nstale\n\n{END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        update_card(text(ALL), card)
    found = card.read_text(encoding="utf-8")
    assert found.startswith(f"before\n\n{BEGIN}\n\n4 textures of 2 public repositories")
    assert found.endswith(f"{END}\n\nafter\n") and "stale" not in found
    card.write_text("nothing", encoding="utf-8")
    with pytest.raises(SourceError):
        update_card("new", card)
