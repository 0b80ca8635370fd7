"""Help in the reader's language, for every command."""

from __future__ import annotations

from typing import Any

import click
import pytest

from bridge.cli import cli
from bridge.commands.help import Context


@pytest.mark.parametrize("locale", ["C", "zh_CN.UTF-8"])
@pytest.mark.parametrize("command", [[], ["models"], ["models", "pull"], ["db", "check"], ["run"]])
def test_help_has_its_headings_in_the_readers_language(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, locale: str, command: list[str]
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    code, out, _ = popbridge(*command, "--help")
    lines = out.splitlines()
    usage, options, commands = (
        ("Usage: ", "Options:", "Commands:") if locale == "C" else ("用法：", "选项：", "命令：")
    )
    assert code == 0 and lines[0].startswith(f"{usage}{' '.join(['popbridge', *command])} ")
    assert options in lines and (commands in lines) == (command in ([], ["models"]))
    assert not any(line in lines for line in ("Options:", "Commands:")) or locale == "C"


@pytest.mark.parametrize("columns", ["40", "80"])
def test_each_command_is_listed_with_what_it_does_in_a_whole_clause(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    listed = " ".join(popbridge("--help")[1].partition("Commands:")[2].split())
    assert "..." not in listed and "run Runs WORKLOAD on each FILE, or on all of them where it" in listed
    assert "revert Puts back what the command of receipt ID changed run" in listed
    assert "from the sources that `docs/reference/models.md` names remove" in " ".join(
        popbridge("models", "--help")[1].split()
    )


def test_a_group_without_a_command_shows_the_same(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert popbridge("models")[2] == popbridge("models", "--help")[1]


def test_every_command_and_those_in_groups_have_that_context() -> None:
    with click.Context(cli) as context:
        found = [cli.get_command(context, name) for name in cli.list_commands(context)]
    inner = [each for one in found if isinstance(one, click.Group) for each in one.commands.values()]
    assert len(found) > 10 and len(inner) > 5
    assert all(one is not None and one.context_class is Context for one in (cli, *found, *inner))
