"""The popups of the import advisor: what was found, and what was done about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

from msgspec import UNSET
from msgspec.structs import replace

from accel.text import AnyText
from bridge import projectfile
from bridge.advisors.advice import FileAdvice
from bridge.advisors.import_paragraphs import code, paragraph, plain, set_paragraph, shortened, total
from bridge.advisors.sets import by_material
from bridge.advisors.texts import memory_text, say
from bridge.advisors.wanted import WRONG
from bridge.api import Action, Popup
from bridge.core.texts import in_a_row
from bridge.locale import translate

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
    sets = by_material(files)
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
        f"{code(path)}: {in_a_row(said)}" if isinstance(path, str) else in_a_row(said)
        for path, said in by_path.items()
    ]
    more = [say("more", locale, count=len(told) - MAX_FILES)] if len(told) > MAX_FILES else []
    return told[:MAX_FILES] + more


def _of_rule(rule: str, undoable: bool, locale: str) -> list[str]:
    """What is said of the rule that this was done by, or that it made."""
    if not rule or (rule == FOLLOWED and not undoable):
        return []
    said = [say(rule, locale, file=projectfile.NAME)]
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
