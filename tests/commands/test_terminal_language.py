"""The language of whoever sits at a shell."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from accel.text import plural
from bridge.commands.terminal import language, say


def test_the_variable_that_goes_first_decides() -> None:
    given = {"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": ""}
    assert language(given) == "zh_CN.UTF-8"
    assert language({**given, "LC_ALL": "C"}) == "C"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows itself says which")
def test_it_is_english_where_nobody_says() -> None:
    assert language({}) == "en"


@pytest.mark.parametrize(("number", "name"), [(0x0804, "zh_CN"), (0x0407, "de_DE"), (0, "en")])
def test_on_windows_the_users_display_language_decides(
    number: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel32 = SimpleNamespace(GetUserDefaultUILanguage=lambda: number)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
    assert language({}) == name


@pytest.mark.parametrize(
    ("name", "says"), [("zh_TW", "2 个会话"), ("de_DE", "2 sessions"), ("C", "2 sessions")]
)
def test_who_reads_chinese_is_told_in_chinese(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", name)
    assert say(plural("{n} session", "{n} sessions", 2)) == says
