"""Help and usage errors: click's own, in the user's language and on narrow terminals."""

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
"""The words that click adds to help."""

MAX_WIDTH = 80
"""Columns; click's own limit."""
MIN_WIDTH = 30
INDENT = 2

_BETWEEN_WORDS = re.compile(r"(?<=[!-~])\n(?=[!-~])")
_EXTRA = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]$")
"""click's note after an option's help: its default and range."""
_DESCRIBED_DEFAULT = re.compile(r"(?<=默认值：)\((.*?)\)")
"""A default in words, which click puts in parentheses."""


class Formatter(click.HelpFormatter):
    """click's formatter with Chinese headings and line breaks, and for terminals under 50 columns."""

    def __init__(
        self, indent_increment: int = INDENT, width: int | None = None, max_width: int | None = None
    ) -> None:
        if width is None:
            columns = min(shutil.get_terminal_size().columns, max_width or MAX_WIDTH)
            width = max(columns - INDENT, MIN_WIDTH)
        super().__init__(indent_increment, width, max_width)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Writes the usage like click, with a translated prefix."""
        super().write_usage(prog, args, say(text("Usage: ")) if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Writes the heading like click, translated if a translation exists."""
        if reads_chinese():
            self.write(f"{'':>{self.current_indent}}{look_up(heading)}：\n")
        else:
            super().write_heading(heading)

    def write_text(self, text: str) -> None:
        """Writes text like click, but wraps Chinese by columns, not by words."""
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
        """Writes a definition list like click, with a narrower first column on a narrow terminal."""
        terms = list(rows)
        limit = col_max if self.width >= 2 * col_max else self.width // 3
        if not reads_chinese():
            super().write_dl(terms, limit, col_spacing)
            return
        first = min(max((len(name) for name, _ in terms), default=0), limit) + col_spacing
        indent = " " * (first + self.current_indent)
        for name, description in terms:
            lines = list(_lines(_translated_notes(description), self.width - len(indent)))
            head = f"{'':>{self.current_indent}}{name}"
            if lines and len(name) <= first - col_spacing:
                head = head.ljust(len(indent)) + lines.pop(0)
            self.write("\n".join([head, *(indent + line for line in lines)]) + "\n")


def _lines(text: str, width: int) -> Iterator[str]:
    """Yields the lines of one paragraph; one that begins with click's `\\b` stays as it is."""
    raw = text.removeprefix("\b\n")
    if raw != text:
        yield from raw.split("\n")
    elif text:
        # Only English words need a space in place of a line break.
        yield from fold(_BETWEEN_WORDS.sub(" ", text).replace("\n", ""), 0, width).split("\n")


def _translated_notes(description: str) -> str:
    """Returns an option's description with click's notes in Chinese."""
    for words in CLICK_HEADINGS:
        if not words.isalpha():
            description = description.replace(words, look_up(words))
    return _EXTRA.sub(lambda match: _DESCRIBED_DEFAULT.sub(r"\1", match[0]).replace("; ", "；"), description)


class Context(click.Context):
    """click's context with our formatter and translated help."""

    formatter_class = Formatter

    def get_help(self) -> str:
        """Returns click's help in the user's language."""
        if not reads_chinese():
            return super().get_help()
        return translated(self.command, self).get_help(self)

    @contextmanager
    def scope(self, cleanup: bool = True) -> Generator[click.Context]:
        """Opens the scope like click; a parser error without a context gets this one."""
        with super().scope(cleanup) as context:
            try:
                yield context
            except click.UsageError as error:
                error.ctx = error.ctx or self
                raise


def first_clause(text: str) -> str:
    """Returns `text` up to its first full stop or semicolon."""
    return re.split(r"[;.](?:\s|$)|[；。]", " ".join(text.split()), maxsplit=1)[0]


def with_context(command: click.Command) -> click.Command:
    """Returns `command` and its subcommands with `Context` as their context class."""
    command.context_class = Context
    # click's own short help breaks off in the middle of a sentence.
    command.short_help = command.short_help or first_clause(command.help or "")
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        with_context(inner)
    return command


def constants(command: click.Command) -> Iterator[str]:
    """Yields the English sentences of a command's help."""
    yield about(command)
    yield inspect.cleandoc(command.epilog or "")
    for param in command.params:
        if isinstance(param, click.Option):
            yield help_of(param)
            if isinstance(param.show_default, str):
                yield param.show_default


def about(command: click.Command) -> str:
    """Returns the command's description in English: paragraphs without line breaks."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(each if "\b" in each else " ".join(each.split()) for each in paragraphs)


def help_of(option: click.Option) -> str:
    """Returns an option's help in English, without the name of a variable that follows it."""
    return (option.help or "").partition(" [POPBRIDGE_")[0]


def translated(command: click.Command, context: click.Context) -> click.Command:
    """Returns a copy of `command` with its help in the user's language; untranslated text stays English."""
    result = copy.copy(command)
    if isinstance(result, click.Group):
        result.commands = {name: translated(inner, context) for name, inner in result.commands.items()}
    result.help = look_up(about(command))
    result.short_help = first_clause(result.help)
    result.epilog = look_up(inspect.cleandoc(command.epilog)) if command.epilog else command.epilog
    result.params = [_translated_param(param) for param in command.params]
    return result


def _translated_param(param: click.Parameter) -> click.Parameter:
    if not isinstance(param, click.Option) or not param.help:
        return param
    result = copy.copy(param)
    english = help_of(param)
    result.help = look_up(english) + param.help.removeprefix(english)
    if isinstance(param.show_default, str):
        result.show_default = look_up(param.show_default)
    return result


CLICK_ERRORS = (
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    "{name} {filename!r} is not writable.",
    "Got unexpected extra argument ({args})",
    "Got unexpected extra arguments ({args})",
)
"""Sentences that click translates with `_`; it has no exception class for them."""

ENDS = (".", "?", "!", "。", "？")


def teach_click() -> None:
    """Makes click take its translations from our catalogue."""
    for module in (click.types, click.core):
        module._ = look_up  # type: ignore[attr-defined]
        module.ngettext = _look_up_count  # type: ignore[attr-defined]


def _look_up_count(one: str, several: str, count: int) -> str:
    return look_up(one if count == 1 else several)


def usage_error(error: click.ClickException, arguments: Sequence[str] = ()) -> str:
    """Returns the error in one line, with the help command or what to type instead; `arguments` are the
    call's.
    """
    sentence = " ".join(_usage_message(error).split())
    if not sentence.endswith(ENDS):
        sentence += "."
    if isinstance(error, click.NoSuchOption) and (file := _file_like_option(arguments)):
        return sentence + say(
            text(
                " For a file whose name begins with a dash, type {path}.",
                path=os.path.join(os.curdir, file),
            )
        )
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return sentence
    return sentence + say(text(" See `{command} --help`.", command=context.command_path))


def swallowed_value(arguments: Sequence[str]) -> str:
    """Returns a hint for Windows, where a folder typed as `"My Game\\"` arrives as `My Game"` and whatever
    follows; empty if no argument looks like that.
    """
    # Other systems allow quotation marks in file names.
    if sys.platform != "win32":
        return ""
    for argument in arguments:
        folder, mark, _ = argument.partition('"')
        if mark and os.path.isdir(folder):
            return say(
                text(
                    ' Windows reads \\" in {argument} as a quotation mark. Type {folder}, without a '
                    "backslash at its end.",
                    argument=argument,
                    folder=f'"{folder}"',
                )
            )
    return ""


def _usage_message(error: click.ClickException) -> str:
    if not reads_chinese() and not _is_out_of_range(error):
        # click's `not a valid integer range` doesn't help.
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
            reason = _constraint(param.type) or error.message.removesuffix(".")
            return say(
                text(
                    "Invalid value for {hint}: {reason}.", hint=param.get_error_hint(error.ctx), reason=reason
                )
            )
        case click.NoSuchOption():
            return _no_such(text("No such option {name}."), error.option_name, error.possibilities)
        case NoSuchCommand():
            return _no_such(text("No such command {name}."), error.command_name, error.possibilities)
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


def _file_like_option(arguments: Sequence[str]) -> str:
    """Returns the first argument that begins with a dash and is a file; empty for none."""
    return next((each for each in arguments if each.startswith("-") and os.path.lexists(each)), "")


def _is_out_of_range(error: click.ClickException) -> bool:
    param = error.param if isinstance(error, click.BadParameter) else None
    return param is not None and isinstance(param.type, click.IntRange | click.FloatRange)


def _no_such(sentence: Text, name: str, similar: Sequence[str] | None) -> str:
    sentence = sentence.fill(name=repr(name))
    if not similar:
        return say(sentence)
    *others, last = map(repr, sorted(similar))
    names = text("{names} or {last}", names=others, last=last) if others else last
    return say(sentence) + say(text("Did you mean {names}?", names=names))


def _is_flag(command: click.Command, name: str) -> bool:
    params = (param for param in command.params if name in (*param.opts, *param.secondary_opts))
    return any(isinstance(param, click.Option) and param.is_flag for param in params)


def _constraint(kind: click.ParamType[Any]) -> str:
    """Returns the condition for a value of that type; empty if unknown."""
    match kind:
        case click.Choice():
            return say(text("it must be one of {choices}", choices=[*map(repr, kind.choices)]))
        case click.IntRange() | click.FloatRange():
            whole = isinstance(kind, click.IntRange)
            return say(
                (
                    text("it must be a whole number{range}") if whole else text("it must be a number{range}")
                ).fill(range=_range(kind))
            )
    return ""


def _range(kind: click.IntRange | click.FloatRange) -> str:
    """`, 1 <= x <= 256`, without a missing bound."""
    low = "" if kind.min is None else f"{kind.min} {'<' if kind.min_open else '<='} "
    high = "" if kind.max is None else f" {'<' if kind.max_open else '<='} {kind.max}"
    return say(text(", {range}", range=f"{low}x{high}")) if low or high else ""
