"""The next popup, laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import PurePosixPath
from typing import Any, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from accel.text import AnyText
from bridge.advisors.advice import FileAdvice, Mark, TextureSummary, sort_advice
from bridge.advisors.findings import WRONG
from bridge.advisors.import_batch import Advice, pack_advice
from bridge.advisors.naming import group_by_material
from bridge.advisors.texts import memory_text, say, with_commas
from bridge.api import Action, Popup
from bridge.core.text import join_sentences
from bridge.locale import translate
from bridge.project import config

MAX_OPTIONS = 6
MAX_NAME = 200
MAX_WORDS = 3
MAX_MEMBERS = 12
"""Maps of one material that are described; no engine has more slots than that."""


def paragraph(file: FileAdvice, locale: str, name: str = "") -> str:
    """What is advised for one file, called `name` or by its place."""
    lines = [_heading(name or file.file, file.about, locale)]
    lines += [f"• {say(finding.sentence, locale, **finding.values)}" for finding in file.findings]
    if file.options:
        lines.append(say("sets", locale, options=_changes(file.present, file.options, locale)))
    if sizes := memory_text(file.memory, locale):
        lines.append(say("memory", locale, sizes=sizes))
    return "\n".join(lines)


def set_paragraph(material: str, files: Sequence[FileAdvice], locale: str) -> str:
    """What is advised for the maps of one material."""
    place = f"{files[0].folder}/{material}" if files[0].folder else material
    lines = [say("material", locale, name=code(place), count=len(files))]
    lines += [paragraph(file, locale, PurePosixPath(file.file).name) for file in files[:MAX_MEMBERS]]
    if len(files) > MAX_MEMBERS:
        lines.append(say("more", locale, count=len(files) - MAX_MEMBERS))
    return "\n".join(lines)


def total(files: Sequence[FileAdvice]) -> dict[str, tuple[int, int]]:
    """Bytes before and after of all that change, by platform."""
    sums: dict[str, tuple[int, int]] = {}
    for file in files:
        for platform, (before, after) in file.memory.items():
            so_far = sums.get(platform, (0, 0))
            sums[platform] = (so_far[0] + before, so_far[1] + after)
    return sums


def _heading(name: str, about: TextureSummary | None, locale: str) -> str:
    if about is None:
        return code(name)
    kind = say(f"kind_{about.kind}", locale)
    if about.channels:
        kind = say("channels", locale, kind=kind, channels=_channels(about.channels, locale))
    if not about.sure:
        return say("about", locale, file=code(name), kind=kind)
    said = [code(word) for word in about.words[:MAX_WORDS]]
    said += [say("by_project", locale)] if about.by_project else []
    if not said:
        return say("about_sure", locale, file=code(name), kind=kind, sure=about.sure)
    told = with_commas(said, locale)
    return say("about_named", locale, file=code(name), kind=kind, sure=about.sure, words=told)


def _channels(channels: Mapping[str, str], locale: str) -> str:
    said = [
        say("channel", locale, meaning=say(f"channel_{meaning}", locale), letter=letter.upper())
        for letter, meaning in sorted(channels.items(), key=lambda item: "rgba".find(item[0]))
    ]
    return with_commas(said, locale)


def _changes(present: Mapping[str, Any], options: Mapping[str, Any], locale: str) -> str:
    shown = [
        f"`{name}` {_value(present.get(name), 'absent', locale)} → {_value(value, 'takes_away', locale)}"
        for name, value in list(options.items())[:MAX_OPTIONS]
    ]
    more = ["…"] if len(options) > MAX_OPTIONS else []
    return with_commas([*shown, *more], locale)


def _value(value: object, none: str, locale: str) -> str:
    """An option's value; `none` is the key of what None is called."""
    if value is None:
        return say(none, locale)
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


def code(name: str) -> str:
    """A name as it is: a file may be called `[click](http://...)`, and in a code span it stays a name."""
    return f"`{shortened(name.replace('`', chr(39)))}`"


def plain(message: str) -> str:
    """An editor's words, which may hold names that look like markup: they are shown, never followed."""
    return message.replace("](", "] (").replace("`", "'").replace("**", "*")


def shortened(name: str) -> str:
    """Its end, where a name is too long to be shown."""
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"


MAX_FILES = 6
"""Files that a popup describes; the others are counted."""
TOLD_MS = 120_000
"""How long there is to read what was done, and to undo it: people look at what has become of it first."""

KIND = "texture.import"
"""Of the popup that asks."""

KEPT, FOLLOWED = "rule_kept", "rule_followed"
"""What is told of a rule, by its key in texts: that it was made, or that this was done by it."""


def advice_popup(files: Sequence[FileAdvice], locale: str, dedupe: str) -> Popup:
    """Asks about `files`, which are in order and at least one; the maps of a material are one paragraph."""
    body, described = [], 0
    sets = group_by_material(files)
    for name, members in sets:
        if described and described + len(members) > MAX_FILES:
            break
        body.append(set_paragraph(name, members, locale) if name else paragraph(members[0], locale))
        described += len(members)
    if len(files) > described:
        body.append(say("more", locale, count=len(files) - described))
    if len(files) > 1 and (sizes := memory_text(total(files), locale)):
        body.append(say("memory_all", locale, sizes=sizes))
    return Popup(
        id=0,
        kind=KIND,
        title=_title("title", [file.file for file in files], locale, sets[0][0] if len(sets) == 1 else ""),
        body="\n\n".join(body),
        severity="warning" if files[0].rank >= WRONG else "info",
        image=next((file.preview for file in files if file.preview), UNSET),
        actions=_actions(any(file.options for file in files), locale),
        dedupe=dedupe,
        present="dock",
    )


def applied_popup(
    paths: Sequence[str],
    errors: Sequence[tuple[str, str]],
    undoable: bool,
    locale: str,
    rule: str = "",
    *,
    failed: bool = True,
) -> Popup:
    """Tells what was applied to which files, what went wrong with which, and of a `rule` (KEPT, FOLLOWED).

    Where `failed` is false, the errors are no failures.
    """
    body = [*_problems(errors, locale), *_of_rule(rule, undoable, locale)]
    label = (
        Action(id="undo", label=say("undo", locale)) if undoable else Action(id="ok", label=say("ok", locale))
    )
    return Popup(
        id=0,
        kind="texture.applied",
        title=_title("applied", paths, locale),
        body="\n".join(body),
        severity="info" if not errors else "warning" if paths or not failed else "error",
        actions=[label],
        expires_ms=TOLD_MS,
        present="toast",
    )


def _problems(errors: Sequence[tuple[str, str]], locale: str) -> list[str]:
    """What went wrong, a line for each file and for what is of none; others are counted."""
    by_path: dict[object, list[str]] = {}
    for number, (path, message) in enumerate(errors):
        by_path.setdefault(path or number, []).append(plain(message))
    told = [
        f"{code(path)}: {join_sentences(said)}" if isinstance(path, str) else join_sentences(said)
        for path, said in by_path.items()
    ]
    more = [say("more", locale, count=len(told) - MAX_FILES)] if len(told) > MAX_FILES else []
    return told[:MAX_FILES] + more


def _of_rule(rule: str, undoable: bool, locale: str) -> list[str]:
    """What is said of the rule that this was done by, or that it made."""
    if not rule or (rule == FOLLOWED and not undoable):
        return []
    said = [say(rule, locale, file=config.NAME)]
    return [*said, say("rule_stays", locale)] if rule == KEPT and undoable else said


def trouble_popup(title: str, messages: Sequence[AnyText], locale: str) -> Popup:
    """Tells what couldn't be done, and why; `title` is its key in texts."""
    said = (translate(message, locale) for message in messages)
    return _telling(title, "\n".join(map(plain, said)), locale)


def undo_popup(errors: Sequence[tuple[str, str]], locale: str, *, partly: bool) -> Popup:
    """Tells which files couldn't be put back, and why; `partly` if others were."""
    body = "\n".join(_problems(errors, locale))
    return _telling("undo_partly" if partly else "undo_failed", body, locale)


def undone_popup(locale: str) -> Popup:
    """Tells that everything is as it was before; of several the last is enough."""
    return replace(_telling("undone", "", locale, "info"), dedupe="texture.undone")


def _telling(title: str, body: str, locale: str, severity: Literal["info", "error"] = "error") -> Popup:
    return Popup(
        id=0,
        kind=f"texture.{title}",
        title=say(title, locale),
        body=body,
        severity=severity,
        actions=[Action(id="ok", label=say("ok", locale))],
        expires_ms=TOLD_MS,
        present="toast",
    )


def _title(key: str, files: Sequence[str], locale: str, material: str = "") -> str:
    if not files:
        return say(f"{key}_none", locale)
    if len(files) == 1:
        return say(f"{key}_one", locale, name=shortened(PurePosixPath(files[0]).name))
    if material:
        return say(f"{key}_material", locale, name=shortened(material), count=len(files))
    return say(f"{key}_many", locale, count=len(files))


def _actions(applicable: bool, locale: str) -> list[Action]:
    if not applicable:
        return [Action(id="later", label=say("ok", locale), default=True)]
    return [
        Action(id="apply", label=say("apply", locale), style="primary", default=True),
        Action(id="later", label=say("later", locale)),
        Action(id="always", label=say("always", locale)),
    ]


Files = Mapping[str, FileAdvice]
"""By their paths."""


class PopupDraft(Struct, frozen=True):
    """What would be asked now."""

    files: dict[str, FileAdvice]
    """All that it asks about; none where nothing is to be asked."""
    news: bool
    """Whether that differs from what is asked already."""
    popup: Popup | None = None
    """Without its `dedupe`; None where there is nothing new to show."""
    advice: Advice | None = None
    """What is kept with it."""
    once: Set[Mark] = frozenset()
    """What only the author can follow, and so is told once: no setting will ever answer it."""


def unsettled_advice(found: Sequence[FileAdvice], asked: Files, said: Set[Mark]) -> list[FileAdvice]:
    """What of `found` wasn't settled yet (`said`), or is asked by the open popup already; the worst first."""
    return sort_advice(file for file in found if _asked(file, asked) or not file.marks() <= said)


def draft_popup(
    found: Sequence[FileAdvice], asked: Files, said: Set[Mark], looked_at: Set[str], locale: str
) -> PopupDraft:
    """What was found, together with what the open popup asks about files that weren't looked at."""
    found = unsettled_advice(found, asked, said)
    files = {path: file for path, file in asked.items() if path not in looked_at}
    files.update({file.path: _kept(file, asked) for file in found})
    if not files or files == asked:
        return PopupDraft(files, files != asked)
    ordered = sort_advice(files.values())
    once = {mark for file in found for mark in file.once()}
    return PopupDraft(files, True, advice_popup(ordered, locale, ""), pack_advice(ordered), once)


def _kept(file: FileAdvice, asked: Files) -> FileAdvice:
    """`file`, or what is asked already where the two differ in nothing that is said."""
    before = asked.get(file.path)
    return before if before is not None and replace(file, stamp=before.stamp) == before else file


def _asked(file: FileAdvice, asked: Files) -> bool:
    before = asked.get(file.path)
    return before is not None and before.marks() == file.marks()
