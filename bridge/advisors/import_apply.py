"""Carries out the answer to a popup: sends commands, adds rules, undoes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec

from accel.text import text
from bridge.advisors.advice import Applied
from bridge.advisors.import_batch import AdviceSummary, Parts, StalenessCheck, portions
from bridge.advisors.import_popups import Rule, applied_popup, undo_popup
from bridge.advisors.texts import say
from bridge.api import Context, RequestError, SessionView
from bridge.core.errors import UNSUPPORTED
from bridge.core.revert import error_text
from bridge.locale import translate

RULES_AT_ONCE = 500
NO_FILES: Mapping[str, str] = {}


async def add_rules(context: Context, session: SessionView, summary: AdviceSummary) -> str:
    """Adds rules that fix these findings in these files' folders without asking.

    Returns why that failed; empty on success.
    """
    rules = sorted(summary.rules)
    try:
        for at in range(0, len(rules), RULES_AT_ONCE):
            some = rules[at : at + RULES_AT_ONCE]
            # Rules that are added concurrently are written to the file together.
            await asyncio.gather(*(context.add_rule(session, folder, code) for folder, code in some))
    except RequestError as error:
        return translate(error.text, session.locale)
    return ""


async def apply(
    context: Context,
    session: SessionView,
    parts: Parts,
    summary: AdviceSummary,
    rule: Rule = "",
    skipped: Mapping[str, str] = NO_FILES,
) -> Set[str]:
    """Sends the changes, waits for the editor's results and shows a toast; returns the paths that were set.

    `skipped` maps the paths of files that stay unchanged to the reason; `summary` is of the other files.
    """
    receipts = await _send(context, session, parts, skipped.keys(), summary)
    applied: list[int] = []
    paths: list[str] = []
    errors: list[tuple[str, str]] = []
    for receipt in receipts:
        # The answers aren't collected: all of them take as much memory as all files.
        try:
            answer = await context.receipt(receipt)
        except RequestError as error:
            # A damaged database can't undo this one either; the others it can.
            errors.append(("", translate(error.text, session.locale)))
            continue
        applied += [receipt] if answer["state"] == "applied" else []
        paths += [str(entry.get("path", "")) for entry in _entries(answer.get("after"), "options")]
        errors += _errors(answer, session.locale)
    if receipts or skipped:
        # If the answer is carried out again, an earlier run may have set or tried files that changed since.
        done = {*paths, *(path for path, _ in errors)}
        shown = [*errors, *((path, reason) for path, reason in skipped.items() if path not in done)]
        popup = applied_popup(paths, shown, applied, session.locale, rule, failed=bool(errors))
        await context.popup(session, popup, msgspec.to_builtins(Applied(applied)), textures=())
    else:
        # Exactly one step in any case: later steps must have the same number when the answer is repeated.
        await context.earlier_command()
    return set(paths)


async def _send(
    context: Context, session: SessionView, parts: Parts, skipped: Set[str], summary: AdviceSummary
) -> Sequence[int]:
    """Returns the receipts of the changes to all files that aren't skipped.

    Which files are skipped differs when an answer is repeated: the portions are those of all files, and each
    is one step, so that earlier commands are found again.
    """
    note = str(text("texture import: {codes}", codes=[*sorted(summary.codes)]))
    receipts = []
    async for portion in portions(parts):
        changes = [change for change in portion if change["path"] not in skipped]
        if changes:
            receipts.append(await context.command(session, "texture.apply", {"changes": changes}, note=note))
        elif (earlier := await context.earlier_command()) is not None:
            receipts.append(earlier)
    return receipts


def skipped_files(checked: StalenessCheck, locale: str) -> dict[str, str]:
    """Maps each file that changed since it was judged to a reason for people."""
    changed = dict.fromkeys(checked.changed, say("changed_since", locale))
    other = dict.fromkeys(sorted(checked.other), say("other_since", locale))
    return changed | other | dict.fromkeys(sorted(checked.gone), say("gone_since", locale))


async def undo(context: Context, session: SessionView, applied: Applied) -> None:
    """Undoes the changes, the last first, and shows the result in a toast."""
    sent: list[int] = []
    errors: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    for receipt in reversed(applied.receipts):
        try:
            # One by one, so that those that were sent are known when another can't be.
            sent += await context.revert([receipt])
        except RequestError as error:
            failures = refused if error.code.name == UNSUPPORTED.name else errors
            failures.append(("", translate(error.text, session.locale)))
    if not sent and not errors:
        # That a change was undone before is an error only if it is so of all.
        errors = refused[-1:]
    partly = False
    for receipt in sent:
        try:
            answer = await context.receipt(receipt)
        except RequestError as error:
            errors.append(("", translate(error.text, session.locale)))
            # It was sent, with an unknown result.
            partly = True
            continue
        partly = partly or answer["state"] == "applied"
        errors += _errors(answer, session.locale)
    # Each error once, also if all portions have it.
    popup = undo_popup(list(dict.fromkeys(errors)), session.locale, partly=partly)
    await context.popup(session, popup, {})


def _errors(answer: Mapping[str, Any], locale: str) -> list[tuple[str, str]]:
    """Returns the editor's errors: the file's path, or empty for the whole command, and the sentence."""
    errors = [
        (str(entry.get("path", "")), translate(error_text(entry), locale))
        for entry in _entries(answer.get("errors"), "message")
    ]
    return errors or ([("", say("refused", locale))] if answer["state"] == "failed" else [])


def _entries(entries: object, name: str) -> list[Mapping[str, Any]]:
    """Returns the maps with a field `name` in a list from an editor; everything else in it is ignored."""
    if not isinstance(entries, (list, tuple)):
        return []
    return [entry for entry in entries if isinstance(entry, Mapping) and name in entry]
