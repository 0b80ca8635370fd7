"""The addons' own texts and their translations."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ADDONS = Path(__file__).parents[2] / "plugins" / "godot" / "bridge_godot" / "editor"
SAY = re.compile(r'\bsay\(\s*"((?:[^"\\]|\\.)*)"')
PLACEHOLDER = re.compile(r"\{\w+\}")


def said(generation: str) -> set[str]:
    scripts = (ADDONS / generation / "addons" / "popbridge").glob("*.gd")
    return {text for script in scripts for text in SAY.findall(script.read_text("utf-8"))}


def catalogue(generation: str) -> dict[str, str]:
    path = ADDONS / generation / "addons" / "popbridge" / "locale" / "zh_CN.json"
    texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    return texts


@pytest.mark.parametrize("generation", ["godot3", "godot4"])
def test_an_addon_has_translations_of_its_own_texts_alone_with_the_same_placeholders(generation: str) -> None:
    assert catalogue(generation).keys() == said(generation)
    for english, chinese in catalogue(generation).items():
        assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(chinese)), english


def test_a_narrow_panel_does_not_cut_off_how_many_popups_the_checkbox_is_for() -> None:
    text = "Also {n} more of this kind"
    assert max(text.index("{n}"), catalogue("godot4")[text].index("{n}")) <= 10
