"""What is wrong with a call, by the class and the fields of click's error, for who reads no English."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.exceptions import NoSuchCommand

from bridge.commands.language import reads_chinese, told
from bridge.commands.texts import usage as texts
from bridge.core.texts import Text

ENDS = (".", "?", "!", "。", "？")


def said_of(error: click.ClickException, arguments: Sequence[str] = ()) -> str:
    """The error in one line, with the command that shows how, or with what to type instead: `arguments` are
    those of the call."""
    sentence = " ".join(_said(error).split())
    if not sentence.endswith(ENDS):
        sentence += "."
    if isinstance(error, click.NoSuchOption) and (file := _like_an_option(arguments)):
        return sentence + told(texts.LIKE_AN_OPTION, typed=os.path.join(os.curdir, file))
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return sentence
    # What has no Chinese yet keeps to one language.
    shows = texts.SHOWS_HOW.zh if sentence.endswith(("。", "？")) else texts.SHOWS_HOW.en
    return sentence + shows.format(command=context.command_path)


def swallowed(arguments: Sequence[str]) -> str:
    """What to say on Windows of a folder that was typed as `"My Game\\"`: it becomes `My Game"` and whatever
    follows; else empty."""
    # Elsewhere a name may have a quotation mark in it.
    if sys.platform != "win32":
        return ""
    for argument in arguments:
        folder, mark, _ = argument.partition('"')
        if mark and os.path.isdir(folder):
            return told(texts.CLOSING, argument=argument, typed=f'"{folder}"')
    return ""


def _said(error: click.ClickException) -> str:
    if not reads_chinese() and not _is_out_of_range(error):
        # click's own words, but for `not a valid integer range`.
        return error.format_message()
    match error:
        case click.MissingParameter(param=click.Parameter() as param):
            missing = texts.NO_ARGUMENT if isinstance(param, click.Argument) else texts.MISSING_OPTION
            return told(missing, hint=param.get_error_hint(error.ctx))
        case click.BadParameter(param=click.Parameter() as param):
            reason = _wanted(param.type) or texts.PHRASES.in_chinese(error.message.removesuffix("."))
            return told(texts.BAD_VALUE, hint=param.get_error_hint(error.ctx), reason=reason)
        case click.NoSuchOption():
            return _unknown(texts.NO_OPTION, error.option_name, error.possibilities)
        case NoSuchCommand():
            return _unknown(texts.NO_COMMAND, error.command_name, error.possibilities)
        case click.BadOptionUsage(ctx=click.Context() as context):
            flag = _is_flag(context.command, error.option_name)
            return told(texts.NO_VALUE if flag else texts.NEEDS_VALUE, name=error.option_name)
    return texts.PHRASES.in_chinese(error.format_message())


def _like_an_option(arguments: Sequence[str]) -> str:
    """The first file that an option's dash begins; empty for none."""
    return next((each for each in arguments if each.startswith("-") and os.path.lexists(each)), "")


def _is_out_of_range(error: click.ClickException) -> bool:
    param = error.param if isinstance(error, click.BadParameter) else None
    return param is not None and isinstance(param.type, click.IntRange | click.FloatRange)


def _unknown(text: Text, name: str, alike: Sequence[str] | None) -> str:
    if not alike:
        return told(text, name=name)
    *others, last = map(repr, sorted(alike))
    names = told(texts.OR).join([told(texts.LIST).join(others), last] if others else [last])
    return told(text, name=name) + told(texts.MEANT, names=names)


def _is_flag(command: click.Command, name: str) -> bool:
    named = (one for one in command.params if name in (*one.opts, *one.secondary_opts))
    return any(isinstance(one, click.Option) and one.is_flag for one in named)


def _wanted(kind: click.ParamType[Any]) -> str:
    """What a value of that type must be; empty where that can't be told."""
    match kind:
        case click.Choice():
            return told(texts.ONE_OF, choices=told(texts.LIST).join(map(repr, kind.choices)))
        case click.IntRange() | click.FloatRange():
            whole = isinstance(kind, click.IntRange)
            return told(texts.WHOLE_NUMBER if whole else texts.NUMBER, range=_range(kind))
    return ""


def _range(kind: click.IntRange | click.FloatRange) -> str:
    """`, 1 <= x <= 256`; a bound that isn't there is left out."""
    low = "" if kind.min is None else f"{kind.min} {'<' if kind.min_open else '<='} "
    high = "" if kind.max is None else f" {'<' if kind.max_open else '<='} {kind.max}"
    return told(texts.RANGE, range=f"{low}x{high}") if low or high else ""
