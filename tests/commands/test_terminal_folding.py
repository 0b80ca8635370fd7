"""Text that is folded to the screen."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.commands import terminal
from bridge.commands.terminal import fold, screen_width, table, wrap

CHINESE = "用 OpenVINO 代替 CUDA：先 pip uninstall onnxruntime-gpu，再运行 pip install x（见 “文档”）。"


@pytest.mark.parametrize("width", [12, 20, 40, 100, 400])
def test_chinese_is_folded_by_columns_and_nothing_is_lost(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "screen_width", lambda: width)
    lines = wrap(CHINESE, 2).splitlines()
    assert "".join("".join(lines).split()) == "".join(CHINESE.split())
    # A name alone may be longer than a line.
    assert all(cell_len(line) <= max(width, len("  onnxruntime-gpu，") + 1) for line in lines)
    assert not any(line.lstrip().startswith(("，", "。", "）", "：")) for line in lines)
    assert all(line.startswith("  ") for line in lines[1:])


@given(st.text("甲乙ab“”（）《》，。！ \t\n"), st.integers(2, 20))
def test_whatever_stands_beside_whatever_nothing_is_lost(text: str, width: int) -> None:
    assert "".join(fold(text, 0, width).split()) == "".join(text.split())


def test_a_table_is_folded_where_chinese_may_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "screen_width", lambda: 40)
    rows = [("a", "日志文件，用于没有控制台的守护进程，为空则写到控制台；而且很长。"), ("b", "x" * 60)]
    table(rows, ("名称", "一个相当长的表头，必须完整"))
    lines = capsys.readouterr().out.splitlines()
    assert all(cell_len(line) <= 40 for line in lines) and "…" not in "".join(lines)
    said = "".join(line[6:].strip() for line in lines[1:] if not line.startswith("b") and "x" not in line)
    assert said == rows[0][1]
    assert not any(line.lstrip().startswith(("，", "。", "；")) for line in lines)
    assert sum(line.count("x") for line in lines) == 60


def test_what_goes_into_a_file_ends_where_its_text_does(capsys: pytest.CaptureFixture[str]) -> None:
    table([("a", "b"), ("a long name", "b")], ("name", "what is long, too"))
    assert capsys.readouterr().out == "name         what is long, too\na            b\na long name  b\n"


def test_what_goes_into_a_file_is_folded_by_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    table([("a", "word " * 200)], ("name", "what"))
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize("columns", [80, 1])
def test_on_windows_the_last_column_stays_free(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert screen_width() == (max(1, columns - 1) if sys.platform == "win32" else columns)


def test_a_narrow_screen_has_paragraphs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "screen_width", lambda: 20)
    assert terminal.is_narrow()
    terminal.paragraphs([("name\x1b", "what it is, folded to lines")])
    assert capsys.readouterr().out == "name\\x1b\n    what it is,\n    folded to lines\n"
