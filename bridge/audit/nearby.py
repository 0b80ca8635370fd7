"""Where a project is, when a folder around it or in it was named instead."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from accel.text import AnyText, text
from bridge.api import Adapter
from bridge.folders import hidden

DEPTH = 2
"""How many folders deep a project is looked for."""
MOST = 2000
"""Folders that are looked into."""
NAMED = 3


def projects_below(adapters: Iterable[Adapter], root: Path) -> AnyText:
    """What to say of the projects in `root`; empty where there is none."""
    place = root.resolve()
    found = list(_below(list(adapters), place))
    return _told(place, found) if found else ""


def folders_near(adapters: Iterable[Adapter], root: Path) -> list[Path]:
    """The nearest project around `root`, else those in it, the nearest first."""
    known, place = list(adapters), root.resolve()
    around = next(_projects(known, place.parents), None)
    return [folder for folder, _ in ([around] if around else _below(known, place))]


def _below(known: Sequence[Adapter], place: Path) -> Iterator[tuple[Path, str]]:
    """The projects in `place`, the nearest first, each with its engine."""
    return _projects(known, islice(_folders(place, DEPTH), MOST))


def _projects(known: Sequence[Adapter], folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        if engine := engine_of(known, folder):
            yield folder, engine


def _told(place: Path, near: Sequence[tuple[Path, str]]) -> AnyText:
    found = [(folder.relative_to(place).as_posix(), engine) for folder, engine in near]
    engines = {engine for _, engine in found}
    # Said by name where there are several, in signs that every language has.
    named = [name if len(engines) == 1 else f"{name}: {engine}" for name, engine in found[:NAMED]]
    names = ", ".join(named) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
    if len(found) == 1:
        return text(
            "There is a project of {found} in it ({names}): audit that for its import settings.",
            found=found[0][1],
            names=names,
        )
    of = f" of {found[0][1]}" if len(engines) == 1 else ""
    return f"There are projects{of} in it ({names}): audit each for its import settings."


def engine_of(adapters: Iterable[Adapter], folder: Path) -> str:
    """The engine of the project in a folder; empty for none, also where that can't be told."""
    for adapter in adapters:
        # An adapter is a plugin, and a folder may be unreadable: then it says nothing here.
        with suppress(Exception, SystemExit):
            if adapter.project is not None and adapter.project.project_version(folder) is not None:
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
