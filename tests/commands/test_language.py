"""The language of whoever sits at a shell."""

from __future__ import annotations

import sys

import pytest

from bridge.advisors.texts import Text
from bridge.commands.language import language, told

TEXT = Text("{count} left", "还剩 {count} 个")


def test_the_variable_that_goes_first_decides() -> None:
    given = {"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": ""}
    assert language(given) == "zh_CN.UTF-8"
    assert language({**given, "LC_ALL": "C"}) == "C"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself says which")
def test_it_is_english_where_nobody_says() -> None:
    assert language({}) == "en"


@pytest.mark.parametrize(("name", "says"), [("zh_TW", "还剩 2 个"), ("de_DE", "2 left"), ("C", "2 left")])
def test_who_reads_chinese_is_told_in_chinese(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", name)
    assert told(TEXT, count=2) == says
