"""Click context, help layout, usage errors.

the command that shows how.
"""

from __future__ import annotations

import copy
import inspect
import os
import re
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from click.exceptions import NoSuchCommand

from accel.text import Text, text
from bridge.commands.terminal import fold, look_up, reads_chinese, say

CLICK_HEADINGS = (
    "Options",
    "Positional arguments",
    "Commands",
    "[default: ",
    "[required]",
    "Show the version and exit.",
    "Show this message and exit.",
)
"""What click itself says in help."""

WIDEST = 80
"""Columns of help at most; click's own limit."""
NARROWEST = 30
INDENT = 2

_BETWEEN_WORDS = re.compile(r"(?<=[!-~])\n(?=[!-~])")
_EXTRA = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]$")
"""What click says of an option's values behind its help."""
_IN_WORDS = re.compile(r"(?<=默认值：)\((.*?)\)")
"""A default that is no value; click sets it in brackets."""


class Formatter(click.HelpFormatter):
    """click's own, which knows English alone, and no screen of less than 50 columns."""

    def __init__(
        self, indent_increment: int = INDENT, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            columns = min(shutil.get_terminal_size().columns, max_width or WIDEST)
            width = max(columns - INDENT, NARROWEST)
        super().__init__(indent_increment, width, max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """As click's own, with another prefix."""
        super().write_usage(prog, args, say(text("Usage: ")) if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """As click's own; a heading that isn't known stays as it is."""
        if reads_chinese():
            self.write(f"{'':>{self.current_indent}}{look_up(heading)}：\n")
        else:
            super().write_heading(heading)

    def write_text(self, text: str) -> None:
        """As click's own; Chinese is folded by columns."""
        if not reads_chinese():
            super().write_text(text)
            return
        indent = " " * self.current_indent
        shown = (
            "\n".join(f"{indent}{line}" for line in _lines(paragraph, self.width - self.current_indent))
            for paragraph in text.split("\n\n")
        )
        self.write("\n\n".join(shown) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """As click's own; names leave room for what is said of them, where the screen is narrow."""
        known = list(rows)
        most = col_max if self.width >= 2 * col_max else self.width // 3
        if not reads_chinese():
            super().write_dl(known, most, col_spacing)
            return
        first = min(max((len(name) for name, _ in known), default=0), most) + col_spacing
        for name, said in known:
            self._write_term(name, said, first, col_spacing)

    def _write_term(self, name: str, said: str, first: int, spacing: int) -> None:
        """One row, whose second column begins after `first` columns."""
        lines = list(_lines(_said(said), self.width - first - self.current_indent))
        head = f"{'':>{self.current_indent}}{name}"
        indent = " " * (first + self.current_indent)
        if lines and len(name) <= first - spacing:
            head = head.ljust(len(indent)) + lines.pop(0)
        self.write("\n".join([head, *(indent + line for line in lines)]) + "\n")


def _lines(text: str, width: int) -> Iterator[str]:
    """Of one paragraph; one that begins with click's `\\b` is laid out already."""
    raw = text.removeprefix("\b\n")
    if raw != text:
        yield from raw.split("\n")
    elif text:
        # Where no Chinese stands beside a line's end, words do.
        yield from fold(_BETWEEN_WORDS.sub(" ", text).replace("\n", ""), 0, width).split("\n")


def _said(said: str) -> str:
    """With what click itself says of options in Chinese, too."""
    for words in CLICK_HEADINGS:
        if not words.isalpha():
            said = said.replace(words, look_up(words))
    return _EXTRA.sub(lambda found: _IN_WORDS.sub(r"\1", found[0]).replace("; ", "；"), said)


class Context(click.Context):
    """Of one call."""

    formatter_class = Formatter

    def get_help(self) -> str:
        """As click's own, in the reader's language."""
        if not reads_chinese():
            return super().get_help()

        return translated(self.command, self).get_help(self)

    @contextmanager
    def scope(self, cleanup: bool = True) -> Generator[click.Context]:
        """As click's own; an error of its parser, which knows no command, is told of this one."""
        with super().scope(cleanup) as context:
            try:
                yield context
            except click.UsageError as error:
                error.ctx = error.ctx or self
                raise


def first_clause(text: str) -> str:
    """A text up to its first full stop or semicolon."""
    return re.split(r"[;.](?:\s|$)|[；。]", " ".join(text.split()), maxsplit=1)[0]


def with_context(command: click.Command) -> click.Command:
    """The command, and those in it, called in such a context."""
    command.context_class = Context
    # click's own is cut off in the middle of a sentence where the screen ends.
    command.short_help = command.short_help or first_clause(command.help or "")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        with_context(inner)
    return command


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


CLICK_ERRORS = (
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    "{name} {filename!r} is not writable.",
    "Got unexpected extra argument ({args})",
    "Got unexpected extra arguments ({args})",
)
"""Sentences that click looks up itself, and no class of its own tells apart."""

ENDS = (".", "?", "!", "。", "？")


def teach_click() -> None:
    """Has click look its sentences up where ours are."""
    for module in (click.types, click.core):
        module._ = look_up  # type: ignore[attr-defined]
        module.ngettext = _look_up_count  # type: ignore[attr-defined]


def _look_up_count(one: str, several: str, count: int) -> str:
    return look_up(one if count == 1 else several)


def usage_error(error: click.ClickException, arguments: Sequence[str] = ()) -> str:
    """The error in one line, with the command that shows how, or with what to type instead: `arguments` are
    those of the call."""
    sentence = " ".join(_usage_message(error).split())
    if not sentence.endswith(ENDS):
        sentence += "."
    if isinstance(error, click.NoSuchOption) and (file := _like_an_option(arguments)):
        return sentence + say(
            text(
                " A file whose name begins like an option is typed with its folder: {typed}.",
                typed=os.path.join(os.curdir, file),
            )
        )
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return sentence
    return sentence + say(text(" `{command} --help` shows how.", command=context.command_path))


def swallowed_value(arguments: Sequence[str]) -> str:
    """What to say on Windows of a folder that was typed as `"My Game\\"`: it becomes `My Game"` and whatever
    follows; else empty."""
    # Elsewhere a name may have a quotation mark in it.
    if sys.platform != "win32":
        return ""
    for argument in arguments:
        folder, mark, _ = argument.partition('"')
        if mark and os.path.isdir(folder):
            return say(
                text(
                    ' Windows takes \\" within {argument} for a quotation mark: type {typed}, with no '
                    "backslash at its end.",
                    argument=argument,
                    typed=f'"{folder}"',
                )
            )
    return ""


def _usage_message(error: click.ClickException) -> str:
    if not reads_chinese() and not _is_out_of_range(error):
        # click's own words, but for `not a valid integer range`.
        return error.format_message()
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            missing = (
                text("Missing argument {hint}.")
                if isinstance(param, click.Argument)
                else text("Missing option {hint}.")
            )
            return say(missing.fill(hint=param.get_error_hint(error.ctx)))
        case click.BadParameter(param=click.Parameter() as param):
            reason = _wanted(param.type) or error.message.removesuffix(".")
            return say(
                text(
                    "Invalid value for {hint}: {reason}.", hint=param.get_error_hint(error.ctx), reason=reason
                )
            )
        case click.NoSuchOption():
            return _unknown(text("No such option {name}."), error.option_name, error.possibilities)
        case NoSuchCommand():
            return _unknown(text("No such command {name}."), error.command_name, error.possibilities)
        case click.BadOptionUsage(ctx=click.Context() as context):
            flag = _is_flag(context.command, error.option_name)
            return say(
                (
                    text("Option {name} does not take a value.")
                    if flag
                    else text("Option {name} requires an argument.")
                ).fill(name=repr(error.option_name))
            )
    return error.format_message()


def _like_an_option(arguments: Sequence[str]) -> str:
    """The first file that an option's dash begins; empty for none."""
    return next((each for each in arguments if each.startswith("-") and os.path.lexists(each)), "")


def _is_out_of_range(error: click.ClickException) -> bool:
    param = error.param if isinstance(error, click.BadParameter) else None
    return param is not None and isinstance(param.type, click.IntRange | click.FloatRange)


def _unknown(said: Text, name: str, alike: Sequence[str] | None) -> str:
    if not alike:
        return say(said.fill(name=repr(name)))
    *others, last = map(repr, sorted(alike))
    names = say(text(" or ")).join([say(text(", ")).join(others), last] if others else [last])
    return say(said.fill(name=repr(name))) + say(text("Did you mean {names}?", names=names))


def _is_flag(command: click.Command, name: str) -> bool:
    named = (one for one in command.params if name in (*one.opts, *one.secondary_opts))
    return any(isinstance(one, click.Option) and one.is_flag for one in named)


def _wanted(kind: click.ParamType[Any]) -> str:
    """What a value of that type must be; empty where that can't be told."""
    match kind:
        case click.Choice():
            return say(
                text("it must be one of {choices}", choices=say(text(", ")).join(map(repr, kind.choices)))
            )
        case click.IntRange() | click.FloatRange():
            whole = isinstance(kind, click.IntRange)
            return say(
                (
                    text("it must be a whole number{range}") if whole else text("it must be a number{range}")
                ).fill(range=_range(kind))
            )
    return ""


def _range(kind: click.IntRange | click.FloatRange) -> str:
    """`, 1 <= x <= 256`; a bound that isn't there is left out."""
    low = "" if kind.min is None else f"{kind.min} {'<' if kind.min_open else '<='} "
    high = "" if kind.max is None else f" {'<' if kind.max_open else '<='} {kind.max}"
    return say(text(", {range}", range=f"{low}x{high}")) if low or high else ""
