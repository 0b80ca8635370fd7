"""The addons' own words: both languages have all of them, with the same gaps to fill."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ADDONS = Path(__file__).parents[2] / "plugins" / "godot" / "bridge_godot" / "editor"
WORDS = re.compile(r'^\t"(\w+)": "(.*)",$', re.MULTILINE)


@pytest.mark.parametrize("generation", ["godot3", "godot4"])
def test_each_sentence_of_an_addon_is_there_in_both_languages(generation: str) -> None:
    folder = ADDONS / generation / "addons" / "popbridge"
    _, english, chinese = re.split(r" :?= \{", (folder / "texts.gd").read_text("utf-8"))
    en, zh = dict(WORDS.findall(english)), dict(WORDS.findall(chinese))
    assert en.keys() == zh.keys()
    assert {name: text.count("%s") for name, text in en.items()} == {n: t.count("%s") for n, t in zh.items()}
    code = "".join(path.read_text("utf-8") for path in folder.glob("*.gd"))
    assert set(re.findall(r'_texts\.of\("(\w+)"\)', code)) <= en.keys()
