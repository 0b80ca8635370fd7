"""The addons' own words: both languages have all of them, with the same gaps to fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ADDONS = Path(__file__).parents[2] / "plugins" / "godot" / "bridge_godot" / "editor"
GAP = re.compile(r"%[sd]")
WORDS = re.compile(r'^\t"(\w+)": "(.*)",$', re.MULTILINE)


@pytest.mark.parametrize("generation", ["godot3", "godot4"])
def test_each_sentence_of_an_addon_is_there_in_both_languages(generation: str) -> None:
    folder = ADDONS / generation / "addons" / "popbridge"
    _, english, chinese = re.split(r" :?= \{", (folder / "texts.gd").read_text("utf-8"))
    en, zh = dict(WORDS.findall(english)), dict(WORDS.findall(chinese))
    assert en.keys() == zh.keys()
    gaps, gaps_zh = ({name: GAP.findall(text) for name, text in words.items()} for words in (en, zh))
    assert gaps == gaps_zh
    # Narrow panels cut off what comes later.
    assert max(words["for_all"].index("%d") for words in (en, zh)) <= 10
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.gd"))
    assert set(re.findall(r'_texts\.of\("(\w+)"\)', code)) <= en.keys()
