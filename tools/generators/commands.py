"""docs/reference/commands.md: every command of `popbridge`, from click's own records."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli import cli
from tools.generators import _markdown

TARGET = Path("docs/reference/commands.md")
SETTINGS_FLAGS = "Each setting has a flag, such as `--port 7800`; [Settings](settings.md) lists them all."


def files() -> dict[Path, str]:
    context = click.Context(cli, info_name="popbridge")
    commands = list(_commands(cli, context))
    rows = (
        (f"[{path}](#{path.replace(' ', '-')})", _summary(command))
        for command, path, _ in commands
        if path.count(" ") == 1
    )
    values = {
        "notice": _markdown.NOTICE.format(source="the commands below bridge/commands/"),
        "names": _markdown.table(("command", "what it does"), rows),
        "commands": "\n\n".join(_command(*each) for each in commands),
    }
    return {TARGET: _markdown.fill("commands.md", values)}


def _commands(
    group: click.Group, context: click.Context
) -> Iterator[tuple[click.Command, str, click.Context]]:
    """Every command below the group, with its whole name and a context, those of inner groups after them."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield command, inner.command_path, inner
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _summary(command: click.Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def _command(command: click.Command, path: str, context: click.Context) -> str:
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"## {path}", f"```text\n{usage}\n```", _prose(command.help or "")]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if path == "popbridge serve":
        parts.append(SETTINGS_FLAGS)
        options = [p for p in options if "POPBRIDGE_" not in (p.help or "")]
    if options:
        rows = [(_flags(option, context), _plain(option.help or ""), _default(option)) for option in options]
        parts.append(_markdown.table(("option", "what it does", "default"), rows))
    if examples := _examples(command.epilog or ""):
        parts.append(f"```console\n{examples}\n```")
    return "\n\n".join(filter(None, parts))


def _prose(text: str) -> str:
    return "\n\n".join(_plain(" ".join(part.split())) for part in inspect.cleandoc(text).split("\n\n"))


def _plain(text: str) -> str:
    """Text for people as Markdown: what would be taken for a tag is not one."""
    return re.sub(r"<(\w+)>", r"\\<\1\\>", text.replace("\b", ""))


def _flags(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    names = [", ".join(option.opts), *filter(None, [", ".join(option.secondary_opts)])]
    return " / ".join(f"`{name}{value}`" for name in names)


def _default(option: click.Option) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    return f"`{option.default}`" if option.show_default is True else ""


def _examples(epilog: str) -> str:
    """The lines of the epilogue that are commands, as a shell shows them."""
    lines = epilog.replace("\b", "").splitlines()
    found = []
    for at, line in enumerate(lines):
        if line.startswith("  popbridge "):
            found.append(f"$ {line.strip()}")
        elif at and lines[at - 1].endswith("\\"):
            found.append(line)
    return "\n".join(found)
