"""Help in Chinese: of every command, and with the same names in it as in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from bridge.cli import cli
from bridge.commands.help import Context, constants, translated
from bridge.locale import look_up

NAMES = re.compile(r"`[^`]+`|(?<![\w-])--[a-z-]+|\b[A-Z][A-Z0-9_]{3,}(?=s?\b)|\b\d+\b")
"""What is typed or read as it stands: commands, options, arguments, numbers."""


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, group
    with Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            below = f"{path} {name}".strip()
            yield from commands(command, below) if isinstance(command, click.Group) else [(below, command)]


def names(text: str | None) -> set[str]:
    return set(NAMES.findall(text or ""))


EVERY = list(commands())


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[path or "popbridge" for path, _ in EVERY])
def test_both_languages_name_the_same(path: str, command: click.Command) -> None:
    for english in constants(command):
        assert names(english) == names(look_up(english, "zh")), english


@pytest.mark.parametrize("path", [path for path, _ in EVERY])
def test_help_is_in_chinese_alone(popbridge: Any, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    code, out, _ = popbridge(*path.split(), "--help")
    prose = re.sub(r"^    popbridge.*(\n      .*)?|^用法.*|`[^`]*`|\[[^\]]*\]", "", out, flags=re.MULTILINE)
    assert code == 0 and not re.findall(r"[a-z']{2,} [a-z]{2,}", prose), prose


def test_examples_are_the_same_in_each_language(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    english = popbridge("run", "--help")[1]
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    chinese = popbridge("run", "--help")[1]
    typed = [line for line in english.splitlines() if line.startswith("    popbridge")]
    assert typed and all(line in chinese.splitlines() for line in typed)
    assert "[默认值：跟随系统]" in popbridge("audit", "--help")[1]


def test_a_command_without_chinese_keeps_its_english_and_the_command_itself_is_untouched() -> None:
    @click.group()
    def odd() -> None:
        """Does odd things."""

    @odd.command(epilog="More.")
    @click.option("--far", show_default="far away", help="How far.")
    def thing() -> None:
        """Does one."""

    with Context(odd, info_name="popbridge") as context:
        shown = translated(odd, context).get_help(context)
        one = translated(thing, context).get_help(context)
    assert "Does odd things." in shown and "thing  Does one" in shown
    assert "How far." in one and "More." in one and "(far away)" in one
    assert (odd.help, thing.epilog) == ("Does odd things.", "More.")
