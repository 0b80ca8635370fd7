"""Help in Chinese: of every command, and with the same names in it as in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from bridge.cli import cli
from bridge.commands.context import Context
from bridge.commands.texts.help import HELP, SHOWN_DEFAULTS
from bridge.commands.texts.settings import ABOUT
from bridge.commands.translating import in_chinese
from bridge.core.settings import SETTINGS

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


def test_each_command_and_each_option_has_its_chinese() -> None:
    assert HELP.keys() == {path for path, _ in EVERY}
    for path, command in EVERY:
        options = {one.name for one in command.params if isinstance(one, click.Option)} - {"version"}
        assert HELP[path].params.keys() == options, path


@pytest.mark.parametrize(("path", "command"), EVERY, ids=[path or "popbridge" for path, _ in EVERY])
def test_both_languages_name_the_same(path: str, command: click.Command) -> None:
    chinese = HELP[path]
    assert names(command.help) == names(chinese.about)
    assert names(command.epilog) - names(chinese.epilog) <= names("\n".join(examples(command)))
    assert bool(command.epilog) == bool(chinese.epilog)
    for one in command.params:
        if isinstance(one, click.Option) and one.name != "version":
            assert names(one.help) == names(chinese.params[str(one.name)]), one.name


def examples(command: click.Command) -> list[str]:
    return [line for line in (command.epilog or "").splitlines() if line.startswith("  ")]


def test_each_setting_has_its_chinese_with_the_same_numbers() -> None:
    assert ABOUT.keys() == {setting.name for setting in SETTINGS}
    for setting in SETTINGS:
        assert names(setting.help) == names(ABOUT[setting.name]), setting.name


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


def test_every_default_in_words_is_one_that_a_command_has() -> None:
    shown = {getattr(one, "show_default", None) for _, command in EVERY for one in command.params}
    assert SHOWN_DEFAULTS.keys() == {words for words in shown if isinstance(words, str)}


def test_a_command_without_chinese_keeps_its_english_and_the_command_itself_is_untouched() -> None:
    @click.group()
    def odd() -> None:
        """Does odd things."""

    @odd.command(epilog="More.")
    @click.option("--far", show_default="far away", help="How far.")
    def thing() -> None:
        """Does one."""

    with Context(odd, info_name="popbridge") as context:
        shown = in_chinese(odd, context, "odd").get_help(context)
        one = in_chinese(thing, context, "odd thing").get_help(context)
    assert "Does odd things." in shown and "thing  Does one" in shown
    assert "How far." in one and "More." in one and "(far away)" in one
    assert (odd.help, thing.epilog) == ("Does odd things.", "More.")
