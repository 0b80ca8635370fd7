"""Keeps fixes and reverts from overwriting import settings that changed in the meantime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec

from accel.text import AnyText, readable, text
from bridge.core.text import value_text

APPLY, REVERT = "texture.apply", "texture.revert"
REVERTED = "change.reverted"
"""The daemon's event for advisors after a revert; the data are the ids `receipt`, of the reverted change, and
`by`, of the revert."""
CHANGED_MEANWHILE = text("{option} was changed meanwhile: it is {now}, not {expected}. Left unchanged.")
SET_MEANWHILE = text(
    "{option} is {now} but wasn't set before: the engine or somebody else set it. Left unchanged."
)
CHANGED_DURING_AUDIT = text(
    "{file} was changed during the audit: {option} is {now}, not {expected}. Left unchanged; run the audit "
    "again."
)
OLD_ADDON = text(
    "Nothing was undone: this project's PopBridge addon is too old to detect changes. Run `{install}`, "
    "reopen the project, and run `popbridge revert` with the number from `popbridge receipts`."
)
OLD_EDITOR = text(
    "Nothing was undone: this editor's PopBridge client is too old to detect changes. Update it, and run "
    "`popbridge revert` with the number from `popbridge receipts`."
)


def reverse_changes(command: str) -> str:
    """Returns the name of the command that reverts `command`."""
    # A separate name, because old clients ignore `expected` and would overwrite newer settings.
    return REVERT if command == APPLY else command


def revert_command(before: Any, after: Any, done: Sequence[Any] = ()) -> Any:
    """Returns the changes that restore `before`, each with the last observed options as `expected`.

    All arguments are from an editor's replies to `texture.apply`; other values are returned unchanged. `done`
    has the `after` of earlier attempts, newest first. Options that these removed aren't removed again, unless
    nothing else is left.
    """
    if not isinstance(before, list):
        return before
    seen = observed_options(after, done)
    gone = {
        (str(change.get("path")), name)
        for each in done
        for change in _changes(each)
        for name in change["options"]
    }
    left = [one for one in (_without(change, gone) for change in before) if one is not None]
    return [_expecting(change, seen) for change in left or before]


def observed_options(after: Any, done: Sequence[Any] = ()) -> dict[str, dict[str, Any]]:
    """Returns the last observed options by path, from attempts to revert (`done`, newest first) or from
    `after`."""
    seen: dict[str, dict[str, Any]] = {}
    for each in (after, *reversed(done)):
        for change in _changes(each):
            seen.setdefault(str(change.get("path")), {}).update(change["options"])
    return seen


def remaining_changes(
    options: Mapping[str, Any], expected: Mapping[str, Any], present: Mapping[str, Any]
) -> tuple[dict[str, Any], list[AnyText]]:
    """Returns the options that may be set, and a sentence for each that may not.

    An option may not be set if its value in `present` is neither the `expected` nor the new one.
    """
    due: dict[str, Any] = {}
    left: list[AnyText] = []
    for name, value in options.items():
        now = present.get(name)
        if name in expected and now not in (expected[name], value):
            template = SET_MEANWHILE if expected[name] is None else CHANGED_MEANWHILE
            left.append(template.fill(option=name, now=value_text(now), expected=value_text(expected[name])))
        else:
            due[name] = value
    return due, left


def changed_since(change: Mapping[str, Any], present: Mapping[str, Any], file: str) -> AnyText:
    """Returns why an audit's change must not be written into `file`, whose settings are `present`; empty if
    it may be.

    The change's `seen` are all settings of the file when it was judged. Neither these nor any others may have
    changed since, except to the values that the change sets.
    """
    seen = change.get("seen")
    if not isinstance(seen, Mapping):
        return ""
    options = change["options"]
    for name in {**seen, **present}:
        was, now = seen.get(name), present.get(name)
        if not _same(now, was) and not (name in options and _same(now, options[name])):
            return CHANGED_DURING_AUDIT.fill(
                file=file, option=name, now=value_text(now), expected=value_text(was)
            )
    return ""


def _same(one: Any, other: Any) -> bool:
    # NaN isn't equal to itself.
    return bool(one == other) or repr(one) == repr(other)


def _expecting(change: Any, seen: Mapping[str, Mapping[str, Any]]) -> Any:
    if not _is_change(change) or (after := seen.get(str(change.get("path")))) is None:
        return change
    return {**change, "expected": {name: after[name] for name in change["options"] if name in after}}


def _without(change: Any, gone: Set[tuple[str, Any]]) -> Any:
    """Returns a change without the removals in `gone`, or None if nothing else is left."""
    if not _is_change(change):
        return change
    # An engine may write a default for a removed option, which looks the same as a later change.
    path, options = str(change.get("path")), change["options"]
    left = {name: value for name, value in options.items() if value is not None or (path, name) not in gone}
    return {**change, "options": left} if left or not options else None


def _changes(entries: Any) -> Iterator[Mapping[str, Any]]:
    return filter(_is_change, entries if isinstance(entries, list) else ())


def _is_change(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("options"), Mapping)


def file_error(path: str, reason: AnyText) -> dict[str, Any]:
    """Returns an entry for `errors` in the reply to a command: why a file wasn't changed."""
    entry = {"path": path, "message": str(reason)}
    return entry if isinstance(reason, str) else {**entry, "message_text": msgspec.to_builtins(reason)}


def error_text(error: Mapping[str, Any]) -> AnyText:
    """Returns the sentence in such an entry; an editor may send its own."""
    return readable(error.get("message_text") or error.get("message", ""))
