"""The import advisor's popups: the question, and the toasts that report the result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePosixPath
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from accel.text import AnyText, Text
from bridge.advisors.advice import FileAdvice, Mark, TextureSummary, sort_advice
from bridge.advisors.findings import ERROR
from bridge.advisors.import_batch import Advice, pack_advice
from bridge.advisors.naming import group_by_material
from bridge.advisors.texts import TEXTS, evidence_text, finding_text, join_list, memory_text, say
from bridge.api import Action, Popup
from bridge.core.text import join_sentences
from bridge.locale import translate
from bridge.project import config

KIND = "texture.import"
"""The kind of the popup that asks."""
MAX_FILES = 6
"""Files that a popup describes; the others are counted."""
MAX_MEMBERS = 12
"""Maps of one material that are described; no engine has more slots than that."""
MAX_OPTIONS = 6
MAX_NAME = 200
MAX_WORDS = 3
UNDO_MINUTES = 2
"""Time for which a toast offers to undo: people look at the result first."""
MAX_COMMANDS = 3
"""Commands by which a change can be undone later; of more only `popbridge receipts` is named."""

Rule = Literal["", "rule_kept", "rule_followed"]
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
    found: Sequence[FileAdvice], asked: Files, settled: Set[Mark], examined: Set[str], locale: str
) -> PopupDraft:
    """Combines new advice with the open popup's advice on files that weren't examined now."""
    found = unsettled_advice(found, asked, settled)
    files = {path: file for path, file in asked.items() if path not in examined}
    files.update({file.path: _unless_equal(file, asked) for file in found})
    if not files or files == asked:
        return PopupDraft(files, files != asked)
    ordered = sort_advice(files.values())
    once = {mark for file in found for mark in file.once()}
    return PopupDraft(files, True, advice_popup(ordered, locale, ""), pack_advice(ordered), once)


def unsettled_advice(found: Sequence[FileAdvice], asked: Files, settled: Set[Mark]) -> list[FileAdvice]:
    """Returns the advice that isn't settled yet, or that the open popup asks about; sorted by severity."""
    return sort_advice(
        file
        for file in found
        if not file.marks() <= settled or (file.path in asked and asked[file.path].marks() == file.marks())
    )


def _unless_equal(file: FileAdvice, asked: Files) -> FileAdvice:
    """Returns the open popup's advice on the file if only the stamp differs; otherwise `file`."""
    before = asked.get(file.path)
    return before if before is not None and replace(file, stamp=before.stamp) == before else file


def advice_popup(files: Sequence[FileAdvice], locale: str, dedupe: str) -> Popup:
    """Asks about `files`, sorted and at least one; the maps of a material share a paragraph."""
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
        title=_title(key, [file.file for file in listed], locale, material),
        body="\n\n".join(body),
        severity="warning" if files[0].rank >= ERROR else "info",
        image=next((file.preview for file in files if file.preview), UNSET),
        actions=_actions(fixable, locale),
        dedupe=dedupe,
        present="dock",
    )


def material_paragraph(material: str, files: Sequence[FileAdvice], locale: str) -> str:
    """Returns the advice on the maps of one material."""
    path = f"{files[0].folder}/{material}" if files[0].folder else material
    lines = [say("material", locale, name=code(path), count=len(files))]
    lines += [paragraph(file, locale, PurePosixPath(file.file).name) for file in files[:MAX_MEMBERS]]
    if len(files) > MAX_MEMBERS:
        lines.append(say("more", locale, count=len(files) - MAX_MEMBERS))
    return "\n".join(lines)


def paragraph(file: FileAdvice, locale: str, name: str = "") -> str:
    """Returns the advice on one file; `name` replaces its path below the project's root."""
    lines = [_heading(name or file.file, file.about)]
    lines += [
        Text("• {line}", values={"line": finding_text(finding.code, finding.sentence, finding.values)})
        for finding in file.findings
    ]
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


def _title(key: str, files: Sequence[str], locale: str, material: str = "") -> str:
    if not files:
        return say(f"{key}_none", locale)
    if len(files) == 1:
        return say(f"{key}_one", locale, name=shorten(PurePosixPath(files[0]).name))
    if material:
        return say(f"{key}_material", locale, name=shorten(material), count=len(files))
    return say(f"{key}_many", locale, count=len(files))


def _actions(fixable: Sequence[FileAdvice], locale: str) -> list[Action]:
    if not fixable:
        return [Action(id="later", label=say("ok", locale), default=True)]
    apply = say("apply_many", locale, count=len(fixable)) if len(fixable) > 1 else say("apply", locale)
    always = "always_many" if len({file.folder for file in fixable}) > 1 else "always"
    return [
        Action(id="apply", label=apply, style="primary", default=True),
        Action(id="later", label=say("later", locale)),
        Action(id="always", label=say(always, locale)),
    ]


def applied_popup(
    paths: Sequence[str],
    errors: Sequence[tuple[str, str]],
    receipts: Sequence[int],
    locale: str,
    rule: Rule = "",
    *,
    failed: bool = True,
) -> Popup:
    """Reports the fixed files, the errors, and the rule.

    `receipts` are of the changes that can be undone. With `failed` False, the errors aren't failures.
    """
    body = _error_lines(errors, locale)
    if rule == "rule_kept" or (rule and receipts):
        body.append(say(rule, locale, file=config.NAME))
    if rule == "rule_kept" and receipts:
        body.append(say("rule_stays", locale))
    if receipts:
        commands = [f"`popbridge revert {receipt}`" for receipt in reversed(receipts)]
        shown = commands if len(commands) <= MAX_COMMANDS else ["`popbridge receipts`"]
        body.append(say("undo_until", locale, minutes=UNDO_MINUTES, commands=shown))
    action = "undo" if receipts else "ok"
    return Popup(
        id=0,
        kind="texture.applied",
        title=_title("applied", paths, locale),
        body="\n".join(body),
        severity="info" if not errors else "warning" if paths or not failed else "error",
        actions=[Action(id=action, label=say(action, locale))],
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


def undo_popup(errors: Sequence[tuple[str, str]], locale: str, *, partly: bool) -> Popup:
    """Reports that a change was undone, or the files that failed; `partly` if others were undone."""
    if not errors:
        return message_popup("undone", "", locale, "info")
    title = "undo_partly" if partly else "undo_failed"
    return message_popup(title, "\n".join(_error_lines(errors, locale)), locale)


def _error_lines(errors: Sequence[tuple[str, str]], locale: str) -> list[str]:
    """Returns a line for each file with errors, and for each error without a file; the rest is counted."""
    by_path: dict[object, list[str]] = {}
    for number, (path, message) in enumerate(errors):
        by_path.setdefault(path or number, []).append(plain(message))
    lines = [
        f"{code(path)}: {join_sentences(messages)}" if isinstance(path, str) else join_sentences(messages)
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
