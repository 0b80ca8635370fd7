"""Compares the textures that advice was made from with those that a command would change."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec
from msgspec import Struct

from accel.text import AnyText, text
from bridge.api import SessionView
from bridge.core.messages import Event
from bridge.core.revert import remaining_changes
from bridge.core.verification import Observed
from bridge.host.observation import file_of, leads_out, read_settings
from bridge.store.claims import Stamp, States, TextureState

IMPORTED = "asset.imported"
CHANGED = text("The file was changed meanwhile. Left unchanged.")


class _Asset(Struct, frozen=True):
    path: str
    file: str = ""
    options: dict[str, Any] = {}
    blob: str = ""
    used_as: list[Any] = []
    unit: str = ""


def reported_states(event: Event, root: Path | None) -> dict[str, TextureState]:
    """Returns the textures of an `asset.imported` as they were reported; blocks while it looks at the files.

    What isn't an asset is skipped, as all else in an event.
    """
    assets = event.data.get("assets") if event.name == IMPORTED else None
    found = {}
    for each in assets if isinstance(assets, list) else ():
        try:
            asset = msgspec.convert(each, _Asset)
        except msgspec.ValidationError:
            continue
        known = _stamp(root, asset.file) if asset.file else None
        found[asset.path] = TextureState(
            asset.file, known, asset.options, asset.blob, asset.used_as, asset.unit
        )
    return found


def imported_event(view: SessionView, states: States) -> Event | None:
    """Returns an `asset.imported` with these textures as they are now, to ask about them anew; blocks.

    None if none of them is there.
    """
    support = view.adapter.project if view.adapter else None
    files = {path: state.file for path, state in states.items() if state.file}
    present = read_settings(support, view.root.resolve() if view.root else None, files)
    assets = []
    for path, state in states.items():
        options = present.get(path, state.options)
        if options is not None:
            more = {"file": state.file, "blob": state.blob, "used_as": state.used_as, "unit": state.unit}
            known = {name: value for name, value in more.items() if value}
            assets.append({"path": path, "type": "texture", "options": dict(options), **known})
    return Event(name=IMPORTED, data={"batch": 0, "more": False, "assets": assets}) if assets else None


def named_states(paths: Iterable[str], known: States) -> dict[str, TextureState]:
    """Returns the states of `paths`; without options for those that aren't in `known`."""
    return {path: known.get(path) or TextureState(file_of(path)) for path in paths}


def expecting(changes: list[Any], known: States) -> list[Any]:
    """Adds to each change the values of its options in `known` as `expected`, unless it has its own."""
    return [_expecting(change, known) if isinstance(change, Mapping) else change for change in changes]


def _expecting(change: Mapping[str, Any], known: States) -> Mapping[str, Any]:
    state, options = known.get(str(change.get("path"))), change.get("options")
    if "expected" in change or state is None or state.options is None or not isinstance(options, Mapping):
        return change
    return {**change, "expected": {name: state.options.get(name) for name in options}}


def stale_reasons(
    change: Any, known: States, own: bool, present: Observed, root: Path | None
) -> list[AnyText]:
    """Returns why a change must not be made, as its file isn't as it was when the advice was made.

    `own`: whether the advisor itself named what it expects, and so has compared the file.
    """
    if not isinstance(change, Mapping) or not isinstance(change.get("options"), Mapping):
        return []
    path, expected = str(change.get("path")), change.get("expected")
    reasons: list[AnyText] = []
    if isinstance(expected, Mapping) and path in present:
        _, reasons = remaining_changes(change["options"], expected, present[path])
    state = known.get(path)
    if not reasons and not own and state is not None and state.stamp is not None:
        reasons = [CHANGED] if _stamp(root, state.file) != state.stamp else []
    return reasons


def _stamp(root: Path | None, file: str) -> Stamp | None:
    if root is None or leads_out(file):
        return None
    try:
        found = os.stat(PurePath(root, file))
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
