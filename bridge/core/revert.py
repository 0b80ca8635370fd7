"""Setting what was judged, and putting back what was set: only where it is still so, as somebody may have set
it anew since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec

from accel.text import AnyText, readable, text
from bridge.core.text import value_text

APPLY, REVERT = "texture.apply", "texture.revert"
LEFT = text("{name} has changed since (it is {now}, and was set to {set}): left as it is.")
"""What is said of an option that isn't put back; editors that say it themselves use the same words."""
CHANGED = text(
    "{file} has changed since the audit read it ({name} is {now}, and was {was}): left "
    "as it is; run the audit again."
)
LEFT_UNSET = text(
    "{name} is {now}, and wasn't set: the engine may have written that, or somebody: left as it is."
)
"""The same where nothing was left in its place, and an engine may have written its own value since."""
OLD_ADDON = text(
    "Nothing was put back: the PopBridge addon in this project is an older one, which "
    "can't tell what has changed since. Run `{install}`, open the project anew, and put "
    "the change back by `popbridge revert`: `popbridge receipts` has its number."
)
OLD_EDITOR = text(
    "Nothing was put back: what connects this editor to PopBridge is older, and can't "
    "tell what has changed since. Update it, and put the change back by `popbridge "
    "revert`: `popbridge receipts` has its number."
)


def reverse_changes(command: str) -> str:
    """The name of the command that puts back what `command` has changed."""
    # Of the same name, an editor's side that knows no `expected` would overwrite what was set since.
    return REVERT if command == APPLY else command


def revert_command(before: Any, after: Any, done: Sequence[Any] = ()) -> Any:
    """The changes that bring back `before`, each with what was observed last as `expected`.

    All are as an editor has answered `texture.apply`; what is no change stays as it is. `done` are the
    `after` of earlier tries, the newest first: what these have taken away isn't taken away once more, unless
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
    """By path, the options as they were seen last: by tries to put them back (`done`, the newest first), or
    `after` the change itself."""
    seen: dict[str, dict[str, Any]] = {}
    for each in (after, *reversed(done)):
        for change in _changes(each):
            seen.setdefault(str(change.get("path")), {}).update(change["options"])
    return seen


def remaining_changes(
    options: Mapping[str, Any], expected: Mapping[str, Any], present: Mapping[str, Any]
) -> tuple[dict[str, Any], list[AnyText]]:
    """What is to be set of `options`, and for each of the others a sentence that says why not.

    An option is left alone where `present` has neither what is `expected` there nor what it would be set to.
    """
    due: dict[str, Any] = {}
    left: list[AnyText] = []
    for name, value in options.items():
        now = present.get(name)
        if name in expected and now not in (expected[name], value):
            says = LEFT_UNSET if expected[name] is None else LEFT
            left.append(says.fill(name=name, now=value_text(now), set=value_text(expected[name])))
        else:
            due[name] = value
    return due, left


def changed_since(change: Mapping[str, Any], present: Mapping[str, Any], file: str) -> AnyText:
    """Why nothing of a change may be written into `file`, whose settings are `present`; empty where it may.

    `seen` of the change, where it has that, are all settings by which it was decided on: whoever has set one
    of them otherwise since, or another one, knew what for. What is as the change wants it is no matter.
    """
    seen = change.get("seen")
    if not isinstance(seen, Mapping):
        return ""
    wanted = change["options"]
    for name in {**seen, **present}:
        was, now = seen.get(name), present.get(name)
        if not _same(now, was) and not (name in wanted and _same(now, wanted[name])):
            return CHANGED.fill(file=file, name=name, now=value_text(now), was=value_text(was))
    return ""


def _same(one: Any, other: Any) -> bool:
    # What is no number isn't equal to itself.
    return bool(one == other) or repr(one) == repr(other)


def _expecting(change: Any, seen: Mapping[str, Mapping[str, Any]]) -> Any:
    if not _is_change(change) or (after := seen.get(str(change.get("path")))) is None:
        return change
    return {**change, "expected": {name: after[name] for name in change["options"] if name in after}}


def _without(change: Any, gone: Set[tuple[str, Any]]) -> Any:
    """A change without what is `gone` already; None where nothing is left of it."""
    if not _is_change(change):
        return change
    # An engine writes its own value where there is none: nobody can tell that from what is set later.
    path, options = str(change.get("path")), change["options"]
    left = {name: value for name, value in options.items() if value is not None or (path, name) not in gone}
    return {**change, "options": left} if left or not options else None


def _changes(entries: Any) -> Iterator[Mapping[str, Any]]:
    return filter(_is_change, entries if isinstance(entries, list) else ())


def _is_change(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("options"), Mapping)


def file_error(path: str, said: AnyText) -> dict[str, Any]:
    """What an answer to a command says of a file for which it wasn't done."""
    plain = {"path": path, "message": str(said)}
    return plain if isinstance(said, str) else {**plain, "message_text": msgspec.to_builtins(said)}


def error_text(error: Mapping[str, Any]) -> AnyText:
    """What such an entry says; an editor may say it in its own words."""
    return readable(error.get("message_text") or error.get("message", ""))
