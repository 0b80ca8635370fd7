"""How help is laid out on screens of any width, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from bridge.cli import COMMANDS
from bridge.commands.help import Formatter


def test_a_heading_that_isnt_known_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=80)
    formatter.write_usage("popbridge", "x")
    with formatter.section("Odd"):
        formatter.write_heading("Options")
    assert formatter.getvalue() == "用法：popbridge x\n\nOdd：\n  选项：\n"


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_help_fits_the_screen(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, locale: str, columns: int
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv("COLUMNS", str(columns))
    # An example is typed as one line, and a variable's name may be longer than a line.
    for command in COMMANDS.keys() - {"run", "audit", "explain", "models"}:
        out = popbridge(command, "--help")[1]
        folded = [line for line in out.splitlines() if "[POPBRIDGE_" not in line]
        assert max(map(cell_len, folded)) <= min(columns, 80), out


def test_what_an_option_does_stands_beside_it_or_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=40)
    rows = [
        ("--a", "做这件事。  [default: 3]"),
        ("--much-too-long VALUE", "做另一件。"),
        ("--bare", ""),
    ]
    formatter.write_dl(rows)
    assert formatter.getvalue() == (
        "--a            做这件事。  [默认值：3]\n--much-too-long VALUE\n               做另一件。\n--bare\n"
    )


def test_what_values_an_option_takes_has_chinese_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=60)
    formatter.write_dl([("--a", "做 a; b。  [default: (跟随系统); x>=1]")])
    assert formatter.getvalue() == "--a  做 a; b。  [默认值：跟随系统；x>=1]\n"


def test_a_default_that_is_a_list_has_chinese_marks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=60)
    formatter.write_dl([("--a", "名称。 [POPBRIDGE_A; []]")])
    assert formatter.getvalue() == "--a  名称。 [POPBRIDGE_A；[]]\n"


def test_words_of_several_lines_are_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=60)
    formatter.write_text("Not in Chinese\nyet, 一二\n三四。\nEnd")
    assert formatter.getvalue() == "Not in Chinese yet, 一二三四。End\n"


def test_what_is_laid_out_already_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    formatter = Formatter(width=30)
    with formatter.indentation():
        formatter.write_text(
            "一二三四五六七八九十一二三四五六七八九十\n\n\b\n示例：\n  popbridge a b c d e f g h i j k l m n"
        )
    first, rest = formatter.getvalue().split("\n\n")
    assert all(cell_len(line) <= 30 and line.startswith("  ") for line in first.splitlines())
    assert rest == "  示例：\n    popbridge a b c d e f g h i j k l m n\n"
