"""The import advisor's popups: the question, and the toasts that report the result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from accel.text import AnyText, Text, plural
from bridge.advisors.advice import Applied, FileAdvice, Mark, TextureSummary, sort_advice
from bridge.advisors.findings import ERROR
from bridge.advisors.import_batch import MAX_LISTED, Advice, pack_advice
from bridge.advisors.import_items import (
    OptionTexts,
    Outcome,
    Rule,
    conflict_text,
    group_codes,
    list_items,
    of_texture,
    offered_rules,
    outcome_items,
    rule_choices,
    unit_text,
)
from bridge.advisors.naming import group_by_material
from bridge.advisors.texts import TEXTS, evidence_text, finding_text, join_list, memory_text, say
from bridge.api import Action, Popup, SessionView
from bridge.core.text import join_sentences
from bridge.host.observation import asset_name, asset_path
from bridge.locale import translate
from bridge.project import config

KIND = "texture.import"
"""The kind of the popup that asks."""
APPLIED = "texture.applied"
"""The kind of the popup that reports changes and offers to undo them."""
SILENCED = "texture.silenced"
"""The kind of the popup that reports that the project isn't asked about any more."""
RULES_REMOVED = plural("{n} rule was removed from `{file}`.", "{n} rules were removed from `{file}`.", 1)
RESTORED = plural(
    "The settings of {n} texture are as before: {textures}. What was found stays wrong; you aren't asked "
    "about it again.",
    "The settings of {n} textures are as before: {textures}. What was found stays wrong; you aren't asked "
    "about it again.",
    1,
)
MAX_FILES = 6
"""Files that a popup describes; the others are counted."""
MAX_MEMBERS = 12
"""Maps of one material that are described; no engine has more slots than that."""
MAX_OPTIONS = 6
MAX_NAME = 200
MAX_WORDS = 3
UNDO_MINUTES = 2
"""How long a toast offers to undo a change: people look at the result first."""
MAX_COMMANDS = 3
"""Commands by which a change can be undone later; of more only `popbridge receipts` is named."""

RuleMention = Literal["", "rule_kept", "rule_followed"]
"""Mention of a rule in a toast: none, that it was created, or that it was applied."""

Files = Mapping[str, FileAdvice]
"""By their paths."""


class PopupDraft(Struct, frozen=True):
    """The next popup that asks."""

    files: dict[str, FileAdvice]
    """All files in the popup; empty if none needs an answer."""
    changed: bool
    """Whether the files differ from those in the open popup."""
    popup: Popup | None = None
    """Without its `dedupe`; None if there is nothing new to show."""
    advice: Advice | None = None
    """The popup's state."""
    once: Set[Mark] = frozenset()
    """Marks of findings that no import setting fixes: they are shown once."""


def draft_popup(
    found: Sequence[FileAdvice], asked: Files, settled: Set[Mark], examined: Set[str], session: SessionView
) -> PopupDraft:
    """Combines new advice with the open popup's advice on files that weren't examined now."""
    found = unsettled_advice(found, asked, settled)
    files = {path: file for path, file in asked.items() if path not in examined}
    files.update({file.path: _unless_equal(file, asked) for file in found})
    if not files or files == asked:
        return PopupDraft(files, files != asked)
    ordered = sort_advice(files.values())
    once = {mark for file in found for mark in file.once()}
    groups, rules = group_codes(ordered), offered_rules(ordered)
    popup = advice_popup(ordered, groups, rules, session)
    return PopupDraft(files, True, popup, pack_advice(ordered, groups, rules), once)


def unsettled_advice(found: Sequence[FileAdvice], asked: Files, settled: Set[Mark]) -> list[FileAdvice]:
    """Returns the advice that isn't settled yet, or that the open popup asks about; sorted by severity."""
    left = (
        file.unsettled(settled, asked[file.path].marks() if file.path in asked else frozenset())
        for file in found
    )
    return sort_advice(file for file in left if file is not None)


def _unless_equal(file: FileAdvice, asked: Files) -> FileAdvice:
    """Returns the open popup's advice on the file if only the stamp differs; otherwise `file`."""
    before = asked.get(file.path)
    return before if before is not None and replace(file, stamp=before.stamp) == before else file


def advice_popup(
    files: Sequence[FileAdvice], groups: Sequence[str], rules: Sequence[Rule], session: SessionView
) -> Popup:
    """Asks about `files`, sorted and at least one; in the text, the maps of a material share a paragraph.

    `groups` are the codes of the list's groups, `rules` those that the popup offers.
    """
    locale = session.locale
    body, described = [], 0
    sets = group_by_material(files)
    for name, members in sets:
        if described and described + len(members) > MAX_FILES:
            break
        body.append(material_paragraph(name, members, locale) if name else paragraph(members[0], locale))
        described += len(members)
    if len(files) > described:
        body.append(say("more", locale, count=len(files) - described))
    if len(files) > 1 and (sizes := memory_text(total_memory(files))):
        body.append(say("memory_all", locale, sizes=sizes))
    fixable = [file for file in files if file.options]
    key, listed = ("title", fixable) if fixable else ("file", files)
    material = sets[0][0] if len(sets) == 1 and len(listed) == len(files) else ""
    return Popup(
        id=0,
        kind=KIND,
        title=_title(key, [file.name for file in listed], locale, material),
        body="\n\n".join(body),
        severity="warning" if files[0].rank >= ERROR else "info",
        image=next((file.preview for file in files if file.preview), UNSET),
        actions=_actions([file for file in files[:MAX_LISTED] if file.options], rules, locale),
        present="dock",
        items=list_items(files, groups, OptionTexts(session), locale),
        menu=[
            Action(id="snooze", label=say("snooze", locale)),
            Action(id="never", label=say("never", locale)),
        ],
    )


def material_paragraph(material: str, files: Sequence[FileAdvice], locale: str) -> str:
    """Returns the advice on the maps of one material."""
    path = f"{files[0].folder}/{material}" if files[0].folder else material
    lines = [say("material", locale, name=code(path), count=len(files))]
    lines += [paragraph(file, locale, file.name) for file in files[:MAX_MEMBERS]]
    if len(files) > MAX_MEMBERS:
        lines.append(say("more", locale, count=len(files) - MAX_MEMBERS))
    return "\n".join(lines)


def paragraph(file: FileAdvice, locale: str, name: str = "") -> str:
    """Returns the advice on one file; `name` replaces its path below the project's root."""
    lines: list[AnyText] = [_heading(name or file.file, file.about)]
    for finding in file.findings[:MAX_MEMBERS]:
        line = finding_text(finding.code, finding.sentence, finding.values)
        lines.append(Text("• {line}", values={"line": of_texture(line, finding, code)}))
    lines += [conflict_text(file, name, code) for name in file.conflicts]
    if file.textures:
        lines.append(unit_text("unit" if file.options else "unit_told", file, code))
    if file.options:
        lines.append(TEXTS["sets"].fill(options=_changes(file.present, file.options)))
    if sizes := memory_text(file.memory):
        lines.append(TEXTS["memory"].fill(sizes=sizes))
    return "\n".join(translate(line, locale) for line in lines)


def total_memory(files: Sequence[FileAdvice]) -> dict[str, tuple[int, int]]:
    """Returns GPU memory before and after, for all files that change it: bytes by platform."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    for file in files:
        for platform, sizes in file.memory.items():
            before[platform] += sizes[0]
            after[platform] += sizes[1]
    return {platform: (before[platform], after[platform]) for platform in before}


def _heading(name: str, about: TextureSummary | None) -> AnyText:
    if about is None:
        return code(name)
    kind = TEXTS[f"kind_{about.kind}"]
    if about.channels:
        channels = join_list(
            TEXTS["channel"].fill(meaning=TEXTS[f"channel_{about.channels[letter]}"], letter=letter.upper())
            for letter in sorted(about.channels, key="rgba".find)
        )
        kind = TEXTS["channels"].fill(kind=kind, channels=channels)
    if not about.sure:
        return TEXTS["about"].fill(file=code(name), kind=kind)
    words = evidence_text(map(code, about.words[:MAX_WORDS]), about.by_project)
    known = {"file": code(name), "kind": kind, "sure": about.sure}
    if not words:
        return TEXTS["about_sure"].fill(**known)
    return TEXTS["about_named"].fill(words=words, **known)


def _changes(present: Mapping[str, Any], options: Mapping[str, Any]) -> AnyText:
    shown: list[AnyText] = [
        Text(
            "`{name}` {before} → {after}",
            values={
                "name": name,
                "before": _value(present.get(name), TEXTS["absent"]),
                "after": _value(value, TEXTS["takes_away"]),
            },
        )
        for name, value in list(options.items())[:MAX_OPTIONS]
    ]
    return join_list([*shown, "…"] if len(options) > MAX_OPTIONS else shown)


def _value(value: object, none: Text) -> AnyText:
    return none if value is None else shorten(json.dumps(value, ensure_ascii=False, default=str))


def _title(key: str, names: Sequence[str], locale: str, material: str = "") -> str:
    if not names:
        return say(f"{key}_none", locale)
    if len(names) == 1:
        return say(f"{key}_one", locale, name=shorten(names[0]))
    if material:
        return say(f"{key}_material", locale, name=shorten(material), count=len(names))
    return say(f"{key}_many", locale, count=len(names))


def _actions(fixable: Sequence[FileAdvice], rules: Sequence[Rule], locale: str) -> list[Action]:
    if not fixable:
        return [Action(id="later", label=say("ok", locale), default=True)]
    always = "always_many" if len({folder for file in fixable for folder in file.folders}) > 1 else "always"
    return [
        Action(
            id="apply",
            label=say("apply_many", locale, count=len(fixable)) if len(fixable) > 1 else say("apply", locale),
            style="primary",
            default=True,
            label_one=say("apply_one", locale),
            # The client fills in the number.
            label_many=say("apply_many", locale, count="{count}"),
        ),
        Action(id="later", label=say("later", locale)),
        Action(
            id="always",
            label=say(always, locale),
            label_one=say("always_menu", locale),
            label_many=say("always_menu", locale),
            choices=rule_choices(rules, locale),
        ),
    ]


def applied_popup(
    outcomes: Sequence[Outcome],
    errors: Sequence[tuple[str, str]],
    applied: Applied,
    locale: str,
    rule: RuleMention = "",
) -> Popup:
    """Reports what became of each file, other errors, and the rule; `applied` is what can be undone."""
    fixed = [row.file.name for row in outcomes if row.status == "done"]
    incomplete = [row.file.name for row in outcomes if row.status == "partly"]
    # What is said of the whole command is said once.
    whole = join_sentences(message for path, message in errors if not path)
    told = [(row.file.path, row.reason) for row in outcomes if row.status != "done" and row.reason != whole]
    body = _error_lines([*told, *errors], locale)
    if rule == "rule_kept" or (rule and applied.receipts):
        body.append(say(rule, locale, file=config.NAME))
    if applied.rules:
        body.append(say("rule_undone", locale))
    if applied.receipts:
        commands = [f"`popbridge revert {receipt}`" for receipt in reversed(applied.receipts)]
        shown = commands if len(commands) <= MAX_COMMANDS else ["`popbridge receipts`"]
        body.append(say("undo_until", locale, minutes=UNDO_MINUTES, commands=shown))
    action = "undo" if applied.receipts or applied.rules else "ok"
    if fixed and len(fixed) < len(outcomes):
        title = say("applied_partly", locale, done=len(fixed), count=len(outcomes))
    elif incomplete:
        title = _title("incomplete", incomplete, locale)
    else:
        title = _title("applied", fixed, locale)
    severity: Literal["info", "warning", "error"] = "info"
    if told or errors:
        failed = errors or any(row.status == "failed" for row in outcomes)
        severity = "error" if failed and not fixed and not incomplete else "warning"
    return Popup(
        id=0,
        kind=APPLIED,
        title=title,
        body="\n".join(body),
        severity=severity,
        actions=[Action(id=action, label=say(action, locale))],
        expires_ms=UNDO_MINUTES * 60_000,
        present="toast",
        items=outcome_items(outcomes),
    )


def reverted_popup(errors: Sequence[tuple[str, str]], left: Applied, locale: str) -> Popup:
    """Reports that `popbridge revert` undid a change; `left` can still be undone here."""
    body = [say("undone_elsewhere", locale), *_error_lines(errors, locale)]
    popup = message_popup(
        "undo_partly" if errors or left.receipts else "undone", "\n".join(body), locale, "info"
    )
    if left.receipts or left.rules:
        return replace(
            popup, kind=APPLIED, dedupe=UNSET, actions=[Action(id="undo", label=say("undo", locale))]
        )
    return popup


def silenced_popup(locale: str) -> Popup:
    """Reports that no popups are shown in the project any more, and offers to undo it."""
    return Popup(
        id=0,
        kind=SILENCED,
        title=say("silenced", locale),
        body=say("silenced_by", locale, file=config.NAME),
        actions=[Action(id="undo", label=say("undo", locale)), Action(id="ok", label=say("ok", locale))],
        expires_ms=UNDO_MINUTES * 60_000,
        present="toast",
    )


def message_popup(title: str, body: str, locale: str, severity: Literal["info", "error"] = "error") -> Popup:
    """Returns a toast that needs no answer; `title` is a key of `TEXTS`."""
    return Popup(
        id=0,
        kind=f"texture.{title}",
        title=say(title, locale),
        body=body,
        severity=severity,
        actions=[Action(id="ok", label=say("ok", locale))],
        # Of several, the last is enough.
        dedupe="texture.undone" if title == "undone" else UNSET,
        expires_ms=UNDO_MINUTES * 60_000,
        present="toast",
    )


def trouble_popup(title: str, messages: Sequence[AnyText], locale: str) -> Popup:
    """Reports a failure and its reason; `title` is a key of `TEXTS`."""
    return message_popup(title, "\n".join(plain(translate(each, locale)) for each in messages), locale)


def pixels_gone_text(paths: Sequence[str]) -> AnyText:
    """Returns that the pixels of textures have expired; `paths` are the engine's names."""
    shown = [shorten(asset_path(path)) for path in paths[:MAX_FILES]]
    names = join_list([*shown, "…"] if len(paths) > MAX_FILES else shown)
    return TEXTS["pixels_gone_of"].fill(n=len(paths), textures=names)


def restored_text(paths: Sequence[str]) -> AnyText:
    """Returns which textures have the settings of before a fix; `paths` are the engine's names."""
    names = [code(asset_name(path)) for path in paths[:MAX_FILES]]
    shown = join_list([*names, "…"] if len(paths) > MAX_FILES else names)
    return RESTORED.fill(n=len(paths), textures=shown)


def undo_popup(
    errors: Sequence[tuple[str, str]],
    locale: str,
    *,
    partly: bool,
    rules: int = 0,
    restored: Sequence[str] = (),
) -> Popup:
    """Reports that a change was undone, or the files that failed; `partly` if others were undone.

    `rules` is the number of rules that were removed, `restored` are the paths of the textures whose settings
    are as before.
    """
    removed = [translate(RULES_REMOVED.fill(n=rules, file=config.NAME), locale)] if rules else []
    if not errors:
        paths = list(dict.fromkeys(restored))
        told = [translate(restored_text(paths), locale)] if paths else []
        return message_popup("undone", "\n".join([*told, *removed]), locale, "info")
    title = "undo_partly" if partly or rules else "undo_failed"
    return message_popup(title, "\n".join([*_error_lines(errors, locale), *removed]), locale)


def _error_lines(errors: Sequence[tuple[str, str]], locale: str) -> list[str]:
    """Returns a line for each file with errors, and for each error without a file; the rest is counted."""
    by_path: dict[object, list[str]] = {}
    for number, (path, message) in enumerate(errors):
        by_path.setdefault(path or number, []).append(plain(message))
    lines = [
        f"{code(asset_path(path))}: {join_sentences(messages)}"
        if isinstance(path, str)
        else join_sentences(messages)
        for path, messages in by_path.items()
    ]
    more = [say("more", locale, count=len(lines) - MAX_FILES)] if len(lines) > MAX_FILES else []
    return lines[:MAX_FILES] + more


def code(name: str) -> str:
    """Returns a name as a code span: a file may be called `[click](http://...)`."""
    return f"`{shorten(name.replace('`', chr(39)))}`"


def plain(message: str) -> str:
    """Returns an editor's message with markup escaped, since file names in it may look like markup."""
    return message.replace("](", "] (").replace("`", "'").replace("**", "*")


def shorten(name: str) -> str:
    """Returns the end of a name that is too long to show."""
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"
