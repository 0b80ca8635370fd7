"""Where the project is, when a folder above or below it was named instead."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from bridge.api import Adapter
from bridge.folders import hidden

DEPTH = 2
"""How many folders deep a project is looked for."""
MOST = 2000
"""Folders that are looked into."""
NAMED = 3


def projects_near(adapters: Iterable[Adapter], root: Path) -> str:
    """What to say of the nearest project around `root`, else of those in it; empty where there is none."""
    known, place = list(adapters), root.resolve()
    return _above(known, place) or _below(known, place)


def folders_near(adapters: Iterable[Adapter], root: Path) -> list[Path]:
    """The nearest project around `root`, else those in it, the nearest first."""
    known, place = list(adapters), root.resolve()
    around = next((folder for folder in place.parents if _engine(known, folder)), None)
    below = islice(_folders(place, DEPTH), MOST) if around is None else ()
    return [around] if around is not None else [folder for folder in below if _engine(known, folder)]


def _above(known: Sequence[Adapter], place: Path) -> str:
    for folder in place.parents:
        if engine := _engine(known, folder):
            above = Path(os.path.relpath(folder, place)).as_posix()
            return f"This folder lies in a project of {engine} ({above}): audit that for its import settings."
    return ""


def _below(known: Sequence[Adapter], place: Path) -> str:
    found = [
        (folder.relative_to(place).as_posix(), engine)
        for folder in islice(_folders(place, DEPTH), MOST)
        if (engine := _engine(known, folder))
    ]
    if not found:
        return ""
    engines = {engine for _, engine in found}
    # Said by name where there are several, in signs that every language has.
    named = [name if len(engines) == 1 else f"{name}: {engine}" for name, engine in found[:NAMED]]
    names = ", ".join(named) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    if len(found) == 1:
        return f"There is a project of {found[0][1]} in it ({names}): audit that for its import settings."
    of = f" of {found[0][1]}" if len(engines) == 1 else ""
    return f"There are projects{of} in it ({names}): audit each for its import settings."


def _engine(adapters: Iterable[Adapter], folder: Path) -> str:
    for adapter in adapters:
        # An adapter is a plugin, and a folder may be unreadable: then it says nothing here.
        with suppress(Exception):
            if adapter.editor is not None and adapter.editor.project_version(folder) is not None:
                return adapter.engine
    return ""


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Folders, the nearest first; none that is hidden or a link."""
    try:
        with os.scandir(folder) as listed:
            names = sorted(
                e.name for e in listed if e.is_dir(follow_symlinks=False) and not hidden(e.name, ())
            )
    except OSError:
        return
    yield from (folder / name for name in names)
    if depth > 1:
        for name in names:
            yield from _folders(folder / name, depth - 1)
