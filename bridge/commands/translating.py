"""Commands as their help is shown in the reader's language; what they are called and take is the same."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator

import click

from bridge.commands.context import first_clause
from bridge.commands.language import look_up


def constants(command: click.Command) -> Iterator[str]:
    """What a command says in its help, in English."""
    yield about(command)
    yield inspect.cleandoc(command.epilog or "")
    for param in command.params:
        if isinstance(param, click.Option):
            yield help_of(param)
            if isinstance(param.show_default, str):
                yield param.show_default


def about(command: click.Command) -> str:
    """What it does, in English: paragraphs without line breaks."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(each if "\b" in each else " ".join(each.split()) for each in paragraphs)


def help_of(option: click.Option) -> str:
    """What an option is, in English; without what is put behind it of a setting, which is no language."""
    return (option.help or "").partition(" [POPBRIDGE_")[0]


def translated(command: click.Command, context: click.Context) -> click.Command:
    """A command to show the help of, in place of `command`. What isn't translated stays as it is."""
    made = copy.copy(command)
    if isinstance(command, click.Group):
        found = {name: command.get_command(context, name) for name in command.list_commands(context)}
        made = click.Group(commands={name: translated(one, context) for name, one in found.items() if one})
    made.help = look_up(about(command))
    made.short_help = first_clause(made.help)
    made.epilog = look_up(inspect.cleandoc(command.epilog)) if command.epilog else command.epilog
    made.params = [_param(one) for one in command.params]
    return made


def _param(param: click.Parameter) -> click.Parameter:
    if not isinstance(param, click.Option) or not param.help:
        return param
    made = copy.copy(param)
    english = help_of(param)
    made.help = look_up(english) + param.help.removeprefix(english)
    if isinstance(param.show_default, str):
        made.show_default = look_up(param.show_default)
    return made
