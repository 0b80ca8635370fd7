"""Calls that can't be understood, as click finds it out, in the reader's language."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.shell import one_line

NUMBERS = "应为整数，1 <= x <= 100000"
CALLS = [
    (["run"], "缺少参数 'WORKLOAD[+STEP...]'。", "run"),
    (["nonsense"], "没有命令 'nonsense'。", ""),
    (["recipts"], "没有命令 'recipts'。您是指 'receipts' 吗？", ""),
    (["models", "pul"], "没有命令 'pul'。您是指 'pull' 吗？", "models"),
    (["--unknown"], "没有选项 '--unknown'。", ""),
    (["run", "x", "--forc"], "没有选项 '--forc'。您是指 '--force' 吗？", "run"),
    (["run", "x", "--foo"], "没有选项 '--foo'。您是指 '--force' 或 '--out' 吗？", "run"),
    (["receipts", "--limit"], "选项 '--limit' 缺少值。", "receipts"),
    (["run", "x", "--force=3"], "选项 '--force' 不带值。", "run"),
    (["receipts", "--limit", "x"], f"'--limit' 的值无效：{NUMBERS}。", "receipts"),
    (["receipts", "--limit", "0"], f"'--limit' 的值无效：{NUMBERS}。", "receipts"),
    (["run", "x", "--timeout", "0"], "'--timeout' 的值无效：应为数字，0 < x <= 86400。", "run"),
    (["audit", ".", "--locale", "x"], "'--locale' 的值无效：应为 'en'、'zh-CN' 之一。", "audit"),
    (["run", "x", "--out", __file__], "'--out' 的值无效：应为文件夹，而不是文件。", "run"),
    (["db", "backup", str(Path(__file__).parent)], "'FILE' 的值无效：应为文件，而不是文件夹。", "db backup"),
    (["db", "check", "one", "more"], "多余的参数：one more。", "db check"),
    (["run", "x", "--resume"], "--resume 需要 --out，即输出文件夹。", "run"),
    (["run", "x", "--out", ""], "--out 为空：请指定文件夹，当前文件夹用 . 表示。", "run"),
    (["audit", ""], "PROJECT 为空：请指定项目的文件夹，当前文件夹用 . 表示。", "audit"),
    (["audit", ".", "--baseline", ""], "--baseline 需要文件名。", "audit"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "says", "command"), CALLS, ids=[" ".join(call) for call, _, _ in CALLS])
def test_who_reads_chinese_is_told_in_chinese_alone_what_is_wrong_with_a_call(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, call: list[str], says: str, command: str
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    shows = f"用法见 `{f'popbridge {command}'.strip()} --help`。"
    assert popbridge(*call) == (2, "", f"popbridge: {says}{shows}\n")


@pytest.mark.parametrize(("call", "command"), [(call, command) for call, _, command in CALLS])
def test_each_mistake_names_the_command_that_shows_how(popbridge: Any, call: list[str], command: str) -> None:
    code, _, err = popbridge(*call)
    assert code == 2 and one_line(err)
    assert err.endswith(f"`{f'popbridge {command}'.strip()} --help` shows how.\n")


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
    assert popbridge(*call)[2].startswith(f"popbridge: {says} `popbridge {call[0]} --help` shows how.")


@pytest.mark.parametrize(
    ("language", "says"),
    [
        (
            "en_US",
            "No such option '-d'. A file whose name begins like an option is typed with its folder: {}.",
        ),
        ("zh_CN", "没有选项 '-d'。名称以短横线开头的文件请连同文件夹一起输入：{}。"),
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
            ' Windows takes \\" within {} for a quotation mark: type "{}", with no backslash at its end.',
        ),
        ("zh_CN", 'Windows 把 {} 中的 \\" 当作引号字符：请输入 "{}"，末尾不要加反斜杠。'),
    ],
)
@pytest.mark.parametrize("command", [["audit"], ["install", "godot"], ["run", "image.inspect"]])
def test_a_folder_whose_last_backslash_takes_its_quotation_mark_away_is_told_how_to_be_typed(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], language: str,
    says: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LC_ALL", f"{language}.UTF-8")
    # What becomes there of `audit "My Game\" --fix`.
    argument = f'{tmp_path}" --fix'
    code, _, err = popbridge(*command, argument)
    assert code == 2 and err.endswith(says.format(argument, tmp_path) + "\n")
    assert "Windows" not in popbridge(*command, str(tmp_path / "missing"))[2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows gives no file such a name")
def test_elsewhere_a_quotation_mark_is_as_good_as_any_letter(popbridge: Any, tmp_path: Path) -> None:
    assert popbridge("audit", f'{tmp_path}"')[2].endswith("or a folder or texture in one.\n")


def test_what_has_no_chinese_keeps_to_one_language(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    from bridge.commands.help import usage_error

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    context = click.Context(click.Command("odd"), info_name="odd")
    odd = click.UsageError("It is\n  odd.", context)
    assert usage_error(odd) == "It is odd. `odd --help` shows how."
    assert usage_error(click.BadParameter("it is odd.", context, click.Argument(["name"]))) == (
        "'NAME' 的值无效：it is odd。用法见 `odd --help`。"
    )
