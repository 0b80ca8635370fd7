"""Carries out the answer to a popup: sends commands, adds and removes rules, undoes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from accel.text import text
from bridge.advisors.advice import Applied, FileAdvice
from bridge.advisors.import_batch import AdviceSummary, Parts, StalenessCheck, interleave, portions
from bridge.advisors.import_items import OptionTexts, Outcome
from bridge.advisors.import_popups import RuleMention, applied_popup, reverted_popup, undo_popup
from bridge.advisors.texts import say
from bridge.api import Context, Popup, RequestError, SessionView
from bridge.core.errors import UNSUPPORTED
from bridge.core.revert import error_text
from bridge.core.text import join_sentences
from bridge.core.verification import is_same
from bridge.locale import translate

RULES_AT_ONCE = 500
NO_FILES: Mapping[str, str] = {}


async def add_rules(context: Context, session: SessionView, rules: Sequence[tuple[str, str]]) -> str:
    """Adds rules, each a folder and a code, that fix these findings there without asking.

    Returns why that failed; empty on success.
    """
    try:
        for at in range(0, len(rules), RULES_AT_ONCE):
            some = rules[at : at + RULES_AT_ONCE]
            # Rules that are added concurrently are written to the file together.
            await asyncio.gather(*(context.add_rule(session, folder, code) for folder, code in some))
    except RequestError as error:
        return translate(error.text, session.locale)
    return ""


class Fix(Struct, frozen=True):
    """Changes to carry out, and how to report them."""

    parts: Parts
    summary: AdviceSummary
    """Of the files that aren't skipped."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Files that stay unchanged, by path, with the reason."""
    mention: RuleMention = ""
    rules: Sequence[tuple[str, str]] = ()
    """Rules that were added with the fix, and are removed if it is undone."""
    popup_id: int | None = None
    """The popup whose answer this is."""


class _Observed(Struct):
    """What the editor has answered so far."""

    applied: list[int] = field(default_factory=list)
    """Receipts of the changes that can be undone."""
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By path: the values after the change."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """The path, or an empty text, and the sentence."""


async def apply(context: Context, session: SessionView, fix: Fix) -> Set[str]:
    """Sends the changes, waits for the editor's results and reports them; returns the paths that were fixed.

    What the popup says of a file is what the daemon observed, or the editor where its files
    can't be read.
    """
    receipts, count = await _send(context, session, fix)
    if not receipts and not fix.skipped and not fix.rules:
        # Exactly one step in any case: later steps must have the same number when the answer is repeated.
        await context.previous_command()
        return set()
    observed = _Observed()
    for number, receipt in enumerate(receipts, 1):
        await _observe(context, session, receipt, observed)
        if fix.popup_id is not None:
            done = number / len(receipts)
            await _report(context, session, fix.popup_id, done, len(observed.options), count)
    outcomes = await _outcomes(session, fix, observed)
    told = {row.file.path for row in outcomes}
    others = [(path, message) for path, message in observed.errors if path not in told]
    applied = Applied(observed.applied, list(fix.rules))
    popup = applied_popup(outcomes, others, applied, session.locale, fix.mention)
    popup = _in_place_of(popup, fix.popup_id)
    # It asks about no texture: a fix by rule is carried out while an import is handled.
    await context.popup(session, popup, msgspec.to_builtins(applied), textures=())
    return {row.file.path for row in outcomes if row.status == "done"}


def _in_place_of(popup: Popup, popup_id: int | None) -> Popup:
    return replace(popup, replaces=UNSET if popup_id is None else popup_id)


async def _report(
    context: Context, session: SessionView, popup_id: int, fraction: float, done: int, count: int
) -> None:
    message = say("progress", session.locale, done=done, count=count)
    await context.popup_progress(session, popup_id, fraction, message)


async def _send(context: Context, session: SessionView, fix: Fix) -> tuple[Sequence[int], int]:
    """Returns the receipts of the changes to all files that aren't skipped, and the number of files.

    Which files are skipped differs when an answer is repeated: the portions are those of all files, and each
    is one step, so that earlier commands are found again.
    """
    note = str(text("texture import: {codes}", codes=[*sorted(fix.summary.codes)]))
    receipts, count = [], 0
    async for portion in portions(fix.parts):
        changes = [change for change in portion if change["path"] not in fix.skipped]
        count += len(changes)
        if changes:
            receipts.append(await context.command(session, "texture.apply", {"changes": changes}, note=note))
        elif (earlier := await context.previous_command()) is not None:
            receipts.append(earlier)
    return receipts, count


async def _observe(context: Context, session: SessionView, receipt: int, observed: _Observed) -> None:
    """Waits for the editor's answer to a change."""
    try:
        answer = await context.receipt(receipt)
    except RequestError as error:
        # A damaged database can't undo this one either; the others it can.
        observed.errors.append(("", translate(error.text, session.locale)))
        return
    observed.applied += [receipt] if answer["state"] == "applied" else []
    for entry in _entries(answer.get("after"), "options"):
        options = entry["options"]
        observed.options[str(entry.get("path", ""))] = dict(options) if isinstance(options, Mapping) else {}
    observed.errors += _errors(answer, session.locale)


async def _outcomes(session: SessionView, fix: Fix, observed: _Observed) -> list[Outcome]:
    """Returns what became of each file that has options: what was observed, and why others weren't set."""
    texts = OptionTexts(session)
    reasons: dict[str, list[str]] = {}
    for path, message in observed.errors:
        reasons.setdefault(path, []).append(message)
    outcomes = []
    async for files in interleave(fix.parts):
        for file in files:
            if not file.options:
                continue
            seen, messages = observed.options.get(file.path), reasons.get(file.path)
            if seen is not None or messages:
                # An earlier try of this answer counts even if the file has changed since.
                outcomes.append(_outcome(file, seen or {}, messages or [], texts, session.locale))
            elif file.path in fix.skipped:
                outcomes.append(Outcome(file, "kept", fix.skipped[file.path]))
            else:
                said = reasons.get("") or [say("refused", session.locale)]
                outcomes.append(Outcome(file, "failed", join_sentences(said)))
    return outcomes


def _outcome(
    file: FileAdvice, seen: Mapping[str, Any], messages: Sequence[str], texts: OptionTexts, locale: str
) -> Outcome:
    """Returns what became of a file: `seen` are the observed options, `messages` the editor's errors.

    Options that the editor left as they were aren't in `seen`; then there is an error.
    """
    # Where an option was removed, an engine writes its default.
    done = {
        name: seen[name]
        for name, value in file.options.items()
        if name in seen and (value is None or is_same(seen[name], value))
    }
    if len(done) == len(file.options) and not messages:
        changes = (texts.change(name, file.present.get(name), value) for name, value in done.items())
        return Outcome(file, "done", " · ".join(changes))
    left = {name: value for name, value in file.options.items() if name not in done}
    unknown = {name: value for name, value in left.items() if name not in seen and not messages}
    refused = {name: value for name, value in left.items() if name not in unknown}
    lists = {"set": done, "not_set": refused, "not_reported": unknown}
    told = [say(key, locale, options=texts.state(options)) for key, options in lists.items() if options]
    if not messages:
        messages = [
            say(
                "not_observed",
                locale,
                option=texts.name(name),
                now=texts.value(name, seen[name]),
                wanted=texts.value(name, value),
            )
            for name, value in refused.items()
        ]
    return Outcome(file, "partly" if done else "failed", join_sentences([*told, *messages]))


def skipped_files(checked: StalenessCheck, locale: str) -> dict[str, str]:
    """Maps each file that changed since it was judged to a reason for people."""
    reasons = (
        ("changed_since", sorted(checked.changed)),
        ("other_since", sorted(checked.other)),
        ("gone_since", sorted(checked.gone)),
    )
    return {path: say(reason, locale) for reason, paths in reasons for path in paths}


async def undo(context: Context, session: SessionView, applied: Applied, popup_id: int) -> None:
    """Undoes the changes, the last first, removes the rules that were added with them, and reports it."""
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
    restored: list[str] = []
    for number, receipt in enumerate(sent, 1):
        try:
            answer = await context.receipt(receipt)
        except RequestError as error:
            errors.append(("", translate(error.text, session.locale)))
            # It was sent, with an unknown result.
            partly = True
            continue
        partly = partly or answer["state"] == "applied"
        errors += _errors(answer, session.locale)
        restored += [str(entry.get("path", "")) for entry in _entries(answer.get("after"), "options")]
        await context.popup_progress(session, popup_id, number / len(sent))
    removed = len(applied.rules)
    try:
        await _remove_rules(context, session, applied.rules)
    except RequestError as error:
        errors.append(("", translate(error.text, session.locale)))
        removed = 0
    # Each error once, also if all portions have it.
    popup = undo_popup(
        list(dict.fromkeys(errors)), session.locale, partly=partly, rules=removed, restored=restored
    )
    await context.popup(session, _in_place_of(popup, popup_id), {}, textures=())


async def _remove_rules(context: Context, session: SessionView, rules: Sequence[tuple[str, str]]) -> None:
    by_folder: dict[str, list[str]] = {}
    for folder, code in rules:
        by_folder.setdefault(folder, []).append(code)
    if by_folder:
        await context.remove_rules(session, by_folder)


async def report_revert(context: Context, session: SessionView, receipt_id: int, by: int) -> None:
    """Updates the open popup that offers to undo a change, after the receipt `by` has reverted it."""
    for popup, state in await context.open_popups(session):
        applied = _applied(state)
        if applied is None or receipt_id not in applied.receipts:
            continue
        answer = await context.receipt(by)
        left = replace(applied, receipts=[each for each in applied.receipts if each != receipt_id])
        shown = reverted_popup(_errors(answer, session.locale), left, session.locale)
        await context.popup(session, _in_place_of(shown, popup.id), msgspec.to_builtins(left), textures=())


def _applied(state: object) -> Applied | None:
    try:
        return msgspec.convert(state, Applied)
    except msgspec.ValidationError:
        return None


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
