"""What is wrong with a call, by the class and the fields of click's error, for who reads no English."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.exceptions import NoSuchCommand

from accel.text import Text, text
from bridge.commands.language import look_up, reads_chinese, say

BY_CLICK = (
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


def said_of(error: click.ClickException, arguments: Sequence[str] = ()) -> str:
    """The error in one line, with the command that shows how, or with what to type instead: `arguments` are
    those of the call."""
    sentence = " ".join(_said(error).split())
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


def swallowed(arguments: Sequence[str]) -> str:
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


def _said(error: click.ClickException) -> str:
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
