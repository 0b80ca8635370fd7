"""Calls that can't be understood, as click finds it out, in the reader's language."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import one_line
from tests.messages import is_chinese

CALLS = [
    (["run"], "run"),
    (["nonsense"], ""),
    (["recipts"], ""),
    (["models", "pul"], "models"),
    (["--unknown"], ""),
    (["run", "x", "--forc"], "run"),
    (["run", "x", "--foo"], "run"),
    (["receipts", "--limit"], "receipts"),
    (["run", "x", "--force=3"], "run"),
    (["receipts", "--limit", "x"], "receipts"),
    (["receipts", "--limit", "0"], "receipts"),
    (["run", "x", "--timeout", "0"], "run"),
    (["audit", ".", "--locale", "x"], "audit"),
    (["run", "x", "--out", __file__], "run"),
    (["db", "backup", str(Path(__file__).parent)], "db backup"),
    (["db", "check", "one"], "db check"),
    (["run", "x", "--resume"], "run"),
    (["run", "x", "--out", ""], "run"),
    (["audit", ""], "audit"),
    (["audit", ".", "--baseline", ""], "audit"),
]


@pytest.mark.parametrize(("call", "command"), CALLS, ids=[" ".join(call) for call, _ in CALLS])
def test_a_wrong_call_is_explained_in_chinese_alone(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, call: list[str], command: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, out, err = popbridge(*call)
    assert (code, out) == (2, "") and is_chinese(err)
    assert f"`{f'popbridge {command}'.strip()} --help`" in err


@pytest.mark.parametrize(("call", "command"), CALLS)
def test_each_mistake_names_the_command_that_shows_how(popbridge: Any, call: list[str], command: str) -> None:
    code, _, err = popbridge(*call)
    assert code == 2 and one_line(err)
    assert err.endswith(f"`{f'popbridge {command}'.strip()} --help`.\n")


def test_what_is_wrong_with_a_path_is_told_by_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from bridge.commands.help import usage_error

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    kind = click.Path(exists=False, dir_okay=False, readable=True)
    with monkeypatch.context() as patch, pytest.raises(click.BadParameter) as caught:
        patch.setattr(os, "access", lambda *_: False)
        kind.convert(__file__, click.Argument(["file"], type=kind), None)
    assert "的值无效：无法读取。" in usage_error(caught.value)


def test_several_that_may_be_meant_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from bridge.commands.help import usage_error

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    error = click.NoSuchOption("--fi", possibilities=["--fix", "--fit", "--file"])
    assert usage_error(error) == "没有选项 '--fi'。您是指 '--file'、'--fit' 或 '--fix' 吗？"


def test_a_slip_in_a_commands_name_is_told_with_what_was_meant(popbridge: Any) -> None:
    assert "No such command 'recipts'. Did you mean 'receipts'?" in popbridge("recipts")[2]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            ["receipts", "--limit", "x"],
            "Invalid value for '--limit': it must be a whole number, 1 <= x <= 100000.",
        ),
        (
            ["run", "x", "--timeout", "0"],
            "Invalid value for '--timeout': it must be a number, 0 < x <= 86400.",
        ),
        (["config", "extra"], "Got unexpected extra argument (extra)."),
        (["receipts", "--limit"], "Option '--limit' requires an argument."),
    ],
)
def test_each_mistake_is_a_sentence_in_english_too(popbridge: Any, call: list[str], says: str) -> None:
    assert popbridge(*call)[2].startswith(f"popbridge: {says} See `popbridge {call[0]} --help`.")


@pytest.mark.parametrize(
    ("language", "says"),
    [
        (
            "en_US",
            "No such option '-d'. For a file whose name begins with a dash, type {}.",
        ),
        ("zh_CN", "没有选项 '-d'。文件名以连字符开头时，请输入 {}。"),
    ],
)
def test_a_file_that_is_called_like_an_option_is_told_how_to_be_named(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    (tmp_path / "-dash.png").touch()
    code, _, err = popbridge("run", "image.inspect", "-dash.png")
    typed = os.path.join(os.curdir, "-dash.png")
    assert code == 2 and err == f"popbridge: {says.format(typed)}\n"
    # One that isn't there is a slip in an option.
    assert "popbridge run --help" in popbridge("run", "image.inspect", "-xyz.png")[2]


@pytest.mark.parametrize(
    ("language", "says"),
    [
        (
            "en",
            ' Windows reads \\" in {} as a quotation mark. Type "{}", without a backslash at its end.',
        ),
        ("zh_CN", 'Windows 会将 {} 中的 \\" 视为引号。请输入 "{}"，末尾不带反斜杠。'),
    ],
)
@pytest.mark.parametrize("command", [["audit"], ["install", "godot"], ["run", "image.inspect"]])
def test_a_folder_whose_last_backslash_takes_its_quotation_mark_away_is_told_how_to_be_typed(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], language: str,
    says: str,
) -> None:  # fmt: skip
    # Imports the command before the platform changes.
    assert "Windows" not in popbridge(*command, str(tmp_path / "missing"))[2]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    # What becomes there of `audit "My Game\" --fix`.
    argument = f'{tmp_path}" --fix'
    code, _, err = popbridge(*command, argument)
    assert code == 2 and err.endswith(says.format(argument, tmp_path) + "\n")
    assert "Windows" not in popbridge(*command, str(tmp_path / "missing"))[2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows gives no file such a name")
def test_elsewhere_a_quotation_mark_is_as_good_as_any_letter(popbridge: Any, tmp_path: Path) -> None:
    code, _, err = popbridge("audit", f'{tmp_path}"')
    assert code == 2 and "Windows" not in err


def test_an_untranslated_error_keeps_its_english(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from bridge.commands.help import usage_error

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    context = click.Context(click.Command("odd"), info_name="odd")
    odd = click.UsageError("It is\n  odd.", context)
    assert usage_error(odd) == "It is odd.参见 `odd --help`。"
