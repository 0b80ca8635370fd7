"""Commands as their help is shown in Chinese; what they are called and take is the same."""

from __future__ import annotations

import copy
import re

import click

from bridge.commands.context import first_clause
from bridge.commands.texts.help import HELP, SHOWN_DEFAULTS, Help


def in_chinese(command: click.Command, context: click.Context, path: str) -> click.Command:
    """A command to show the help of, in place of `command`, which is called by `path`, such as `db check`.

    What has no Chinese stays as it is.
    """
    known = HELP.get(path, Help(command.help or ""))
    made = copy.copy(command)
    if isinstance(command, click.Group):
        made = click.Group(commands=_inner(command, context, path))
    made.help, made.short_help = known.about, first_clause(known.about)
    made.epilog = _epilog(command.epilog, known)
    made.params = [_param(one, known) for one in command.params]
    return made


def _inner(group: click.Group, context: click.Context, path: str) -> dict[str, click.Command]:
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: in_chinese(one, context, f"{path} {name}".strip()) for name, one in found.items() if one}


def _epilog(english: str | None, known: Help) -> str | None:
    """Examples are the same in each language."""
    if not english or not known.epilog:
        return english
    return known.epilog.format(examples="\n".join(re.findall(r"^  .*", english, re.MULTILINE)))


def _param(param: click.Parameter, known: Help) -> click.Parameter:
    said = known.params.get(param.name or "")
    if said is None or not isinstance(param, click.Option):
        return param
    made = copy.copy(param)
    made.help = said
    if isinstance(made.show_default, str):
        made.show_default = SHOWN_DEFAULTS.get(made.show_default, made.show_default)
    return made
