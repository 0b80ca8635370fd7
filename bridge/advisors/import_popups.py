"""The popups of the import advisor: what was found, and what was done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from msgspec import UNSET

from bridge.advisors.advice import FileAdvice
from bridge.advisors.findings import WRONG
from bridge.advisors.texts import say
from bridge.api import Action, Popup

MAX_FILES = 6
"""Files that a popup describes; the others are counted."""
MAX_OPTIONS = 6
MAX_NAME = 200
UNDO_MS = 30_000
ERRORS_MS = 120_000


def advice_popup(files: Sequence[FileAdvice], locale: str, dedupe: str) -> Popup:
    """Asks about `files`, which are in order and at least one."""
    body = [_paragraph(file, locale) for file in files[:MAX_FILES]]
    if len(files) > MAX_FILES:
        body.append(say("more", locale, count=len(files) - MAX_FILES))
    return Popup(
        id=0,
        kind="texture.import",
        title=_title("title", [file.file for file in files], locale),
        body="\n\n".join(body),
        severity="warning" if files[0].rank >= WRONG else "info",
        image=next((file.preview for file in files if file.preview), UNSET),
        actions=_actions(any(file.options for file in files), locale),
        dedupe=dedupe,
        present="dock",
    )


def applied_popup(
    paths: Sequence[str], errors: Sequence[tuple[str, str]], undoable: bool, locale: str
) -> Popup:
    """Tells what was applied to which files, and what went wrong with which."""
    body = [
        f"{_code(path)}: {_plain(message)}" if path else _plain(message)
        for path, message in errors[:MAX_FILES]
    ]
    if len(errors) > MAX_FILES:
        body.append(say("more", locale, count=len(errors) - MAX_FILES))
    label = (
        Action(id="undo", label=say("undo", locale)) if undoable else Action(id="ok", label=say("ok", locale))
    )
    return Popup(
        id=0,
        kind="texture.applied",
        title=_title("applied", paths, locale),
        body="\n".join(body),
        severity="info" if not errors else "warning" if paths else "error",
        actions=[label],
        expires_ms=ERRORS_MS if errors else UNDO_MS,
        present="toast",
    )


def failed_undo_popup(message: str, locale: str) -> Popup:
    """Tells that nothing was put back, and why."""
    return Popup(
        id=0,
        kind="texture.undo_failed",
        title=say("undo_failed", locale),
        body=_plain(message),
        severity="error",
        actions=[Action(id="ok", label=say("ok", locale))],
        expires_ms=ERRORS_MS,
        present="toast",
    )


def _title(key: str, files: Sequence[str], locale: str) -> str:
    if not files:
        return say(f"{key}_none", locale)
    if len(files) == 1:
        return say(f"{key}_one", locale, name=_shortened(PurePosixPath(files[0]).name))
    return say(f"{key}_many", locale, count=len(files))


def _actions(applicable: bool, locale: str) -> list[Action]:
    if not applicable:
        return [Action(id="later", label=say("ok", locale), default=True)]
    return [
        Action(id="apply", label=say("apply", locale), style="primary", default=True),
        Action(id="later", label=say("later", locale)),
        Action(id="always", label=say("always", locale)),
    ]


def _paragraph(file: FileAdvice, locale: str) -> str:
    lines = [_code(file.file)]
    lines += [f"• {say(finding.sentence, locale, **finding.values)}" for finding in file.findings]
    if file.options:
        lines.append(say("sets", locale, options=_changes(file.present, file.options, locale)))
    return "\n".join(lines)


def _changes(present: Mapping[str, Any], options: Mapping[str, Any], locale: str) -> str:
    shown = [
        f"`{name}` {_value(present.get(name), locale)} → {_value(value, locale)}"
        for name, value in list(options.items())[:MAX_OPTIONS]
    ]
    return ", ".join(shown) + (", …" if len(options) > MAX_OPTIONS else "")


def _value(value: object, locale: str) -> str:
    if value is None:
        return say("takes_away", locale)
    return _shortened(json.dumps(value, ensure_ascii=False, default=str))


def _code(name: str) -> str:
    # A file may be called `[click](http://...)`: in a code span it stays a name.
    plain = name.replace("`", "'")
    return f"`{_shortened(plain)}`"


def _plain(message: str) -> str:
    # An editor's words may hold names that look like markup: they are shown, never followed.
    return message.replace("](", "] (").replace("`", "'").replace("**", "*")


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"
