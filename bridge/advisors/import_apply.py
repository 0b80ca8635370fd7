"""Carries out what a person answered: commands with receipts, rules, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from accel.text import text
from bridge.advisors.advice import Applied
from bridge.advisors.import_batch import AdviceSummary, Parts, StalenessCheck, portions
from bridge.advisors.import_popups import applied_popup, undo_popup, undone_popup
from bridge.advisors.texts import say, why
from bridge.api import Context, RequestError, SessionView
from bridge.core.errors import UNSUPPORTED
from bridge.core.revert import error_text
from bridge.locale import translate

RULES_AT_ONCE = 500
NONE_LEFT: Mapping[str, str] = {}


async def remember(context: Context, session: SessionView, gist: AdviceSummary) -> str:
    """From now on these findings are settled without asking in these files' folders.

    Gives why that can't be kept; empty if it is.
    """
    rules = sorted(gist.rules)
    try:
        for at in range(0, len(rules), RULES_AT_ONCE):
            some = rules[at : at + RULES_AT_ONCE]
            # At once, as they are written together then.
            await asyncio.gather(*(context.add_rule(session, folder, code) for folder, code in some))
    except RequestError as error:
        return why(error, session.locale)
    return ""


async def apply(
    context: Context,
    session: SessionView,
    parts: Parts,
    gist: AdviceSummary,
    rule: str = "",
    left: Mapping[str, str] = NONE_LEFT,
) -> Set[str]:
    """Sends the changes, waits for what the editor observed, and tells it in a toast; gives the paths of what
    was set.

    `rule` is KEPT where this made a rule, FOLLOWED where it is done by one. `left` are the paths of files
    that are left alone, and why. `gist` is of the others.
    """
    receipts = await _sent(context, session, parts, left.keys(), gist)
    applied: list[int] = []
    paths: list[str] = []
    errors: list[tuple[str, str]] = []
    for receipt in receipts:
        # Of each only what is told of it is kept: all of them are as much as all files.
        try:
            answer = await context.receipt(receipt)
        except RequestError as error:
            # In a damaged database it can't be put back either; the others can.
            errors.append(("", why(error, session.locale)))
            continue
        applied += [receipt] if answer["state"] == "applied" else []
        paths += [path for path, _ in _pairs(answer.get("after"), "options")]
        errors += _problems(answer, session.locale)
    if receipts or left:
        # An answer that is acted on once more may have set what has changed since, or failed to.
        done = {*paths, *(path for path, _ in errors)}
        told = [*errors, *((path, reason) for path, reason in left.items() if path not in done)]
        popup = applied_popup(paths, told, bool(applied), session.locale, rule, failed=bool(errors))
        await context.popup(session, popup, msgspec.to_builtins(Applied(applied)))
    else:
        # One step in any case: what is told after it is the same step if this answer is acted on once more.
        await context.earlier_command()
    return set(paths)


async def _sent(
    context: Context, session: SessionView, parts: Parts, left: Set[str], gist: AdviceSummary
) -> Sequence[int]:
    """The receipts of the changes to all files that aren't `left` alone.

    What is left differs where an answer is acted on once more: the portions are those of all files, and each
    is one step, or what was sent before wouldn't be found again.
    """
    note = str(text("texture import: {codes}", codes=[*sorted(gist.codes)]))
    receipts = []
    async for portion in portions(parts):
        changes = [change for change in portion if change["path"] not in left]
        if changes:
            receipts.append(await context.command(session, "texture.apply", {"changes": changes}, note=note))
        elif (earlier := await context.earlier_command()) is not None:
            receipts.append(earlier)
    return receipts


def skipped_files(checked: StalenessCheck, locale: str) -> dict[str, str]:
    """By path: why nothing is set where a file isn't any more what was asked about."""
    changed = dict.fromkeys(checked.changed, say("changed_since", locale))
    other = dict.fromkeys(sorted(checked.other), say("other_since", locale))
    return changed | other | dict.fromkeys(sorted(checked.gone), say("gone_since", locale))


def _problems(answer: Mapping[str, Any], locale: str) -> list[tuple[str, str]]:
    """What the editor said about single files, or about the command as a whole."""
    problems = [
        (str(entry.get("path", "")), translate(error_text(entry), locale))
        for entry in _maps(answer.get("errors"), "message")
    ]
    if not problems and answer["state"] == "failed":
        problems.append(("", say("refused", locale)))
    return problems


def _pairs(entries: object, name: str) -> list[tuple[str, Any]]:
    """(path, value of `name`) of each map in a list that an editor sent; all else in it is left out."""
    return [(str(entry.get("path", "")), entry[name]) for entry in _maps(entries, name)]


def _maps(entries: object, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(entries, (list, tuple)):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and name in entry]


async def undo(context: Context, session: SessionView, applied: Applied) -> None:
    """Puts back what was applied; a toast says so, or why that can't be done."""
    sent, errors = await _sent_back(context, applied.receipts, session.locale)
    partly = False
    for receipt in sent:
        try:
            answer = await context.receipt(receipt)
        except RequestError as error:
            errors.append(("", why(error, session.locale)))
            # It was sent, and nobody knows what came of it.
            partly = True
            continue
        partly = partly or answer["state"] == "applied"
        errors += _problems(answer, session.locale)
    # What ails all portions alike is said once.
    told = list(dict.fromkeys(errors))
    popup = undo_popup(told, session.locale, partly=partly) if told else undone_popup(session.locale)
    await context.popup(session, popup, {})


async def _sent_back(
    context: Context, receipts: Sequence[int], locale: str
) -> tuple[Sequence[int], list[tuple[str, str]]]:
    """Asks to put back each of `receipts`, the last first; gives the receipts of that, and what went wrong.

    That there is nothing to put back, as that was done before, is said only where it is so of all.
    """
    sent: list[int] = []
    errors: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    for receipt in reversed(receipts):
        try:
            # Each by itself, so that it is known which were sent when another can't be.
            sent += await context.revert([receipt])
        except RequestError as error:
            which = refused if error.code.name == UNSUPPORTED.name else errors
            which.append(("", why(error, locale)))
    return sent, errors if sent or errors else refused[-1:]
