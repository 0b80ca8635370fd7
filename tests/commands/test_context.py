"""Help in the reader's language, for every command."""

from __future__ import annotations

from typing import Any

import click
import pytest

from bridge.cli import COMMANDS, cli
from bridge.commands.help import Context, first_clause


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("command", [[], ["models"], ["models", "pull"], ["db", "check"], ["run"]])
def test_help_has_its_headings_in_the_readers_language(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, locale: str, command: list[str]
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    code, out, _ = popbridge(*command, "--help")
    lines = out.splitlines()
    usage, options, commands, check = (
        ("Usage: ", "Options:", "Commands:", "Check:")
        if locale == "C"
        else ("用法：", "选项：", "命令：", "检查：")
    )
    assert code == 0 and lines[0].startswith(f"{usage}{' '.join(['popbridge', *command])} ")
    assert options in lines and (commands in lines) == (command == ["models"])
    assert (check in lines) == (command == [])
    assert not any(line in lines for line in ("Options:", "Commands:")) or locale == "C"


@pytest.mark.parametrize("columns", ["40", "80"])
def test_each_command_is_listed_with_the_first_sentence_of_its_help(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    listed = " ".join(popbridge("--help")[1].split())
    with click.Context(cli) as context:
        for name, entry in COMMANDS.items():
            command = cli.get_command(context, name)
            assert command is not None and first_clause(command.help or "") == entry.summary
            assert f"{name} {entry.summary}" in listed


def test_a_group_without_a_command_shows_the_same(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert popbridge("models")[2] == popbridge("models", "--help")[1]


def test_every_command_and_those_in_groups_have_that_context() -> None:
    with click.Context(cli) as context:
        found = [cli.get_command(context, name) for name in cli.list_commands(context)]
    inner = [each for one in found if isinstance(one, click.Group) for each in one.commands.values()]
    assert len(found) > 10 and len(inner) > 5
    assert all(one is not None and one.context_class is Context for one in (cli, *found, *inner))
