"""Whether textures are still what a popup asked about: its answer may come days later."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any

from msgspec import Struct, field

from bridge import failures, supports
from bridge.advisors.advice import Asset, FileAdvice, Stamp, digest
from bridge.advisors.import_parts import Parts, in_turns
from bridge.api import ProjectSupport, SessionView, TextureAsset

log = logging.getLogger(__name__)

RACY_NS = 2_000_000_000
"""A file that changed so short ago may change once more without another time: FAT counts two seconds."""


class Checked(Struct):
    """What isn't any more what was asked about."""

    changed: dict[str, Asset | None] = field(default_factory=dict)
    """By path: as it is now; None where its settings can't be read here."""
    gone: set[str] = field(default_factory=set)
    """Paths of files that aren't there any more."""
    other: set[str] = field(default_factory=set)
    """Paths of files that are imported as something else, not as textures."""

    @property
    def paths(self) -> Set[str]:
        return self.changed.keys() | self.gone | self.other


class Without(Struct, frozen=True):
    """Parts without some of their files."""

    parts: Parts
    paths: Set[str]

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        for files in self.parts:
            yield [file for file in files if file.path not in self.paths]


async def check(session: SessionView, parts: Parts) -> Checked:
    """Which of these files, or of their settings that are to be set, have changed since they were judged.

    Nothing is read of files that have the time and size that they had.
    """
    checked = Checked()
    if session.root is not None:
        root = await asyncio.to_thread(session.root.resolve)
        read = _reader(session.adapter.project if session.adapter else None, root)
        async for files in in_turns(parts):
            await asyncio.to_thread(_check, files, root, read, checked)
    return checked


Read = Callable[[str], TextureAsset | None]
"""A texture as the project's files have it, by its place below the root; None where it is imported as
something else. It has no options where nobody can say them, as of an engine whose plugin reads none."""


def _check(files: Sequence[FileAdvice], root: Path, read: Read, checked: Checked) -> None:
    for file in files:
        found = below(root, file.file)
        if found is None:
            checked.gone.add(file.path)
            continue
        texture = read(file.file)
        if texture is None:
            checked.other.add(file.path)
            continue
        options = texture.options
        if _is_same(found, file) and (options is None or _agree(file, options)):
            continue
        asset = None if options is None else Asset(file.path, file.file, "texture", dict(options))
        checked.changed[file.path] = asset


def _is_same(path: Path, file: FileAdvice) -> bool:
    try:
        if file.stamp is not None and file.stamp == stamp(path):
            return True
        with path.open("rb") as opened:
            return digest(hashlib.file_digest(opened, "sha256").hexdigest()) == file.content
    # Somebody is writing it.
    except OSError:
        return False


def _agree(file: FileAdvice, options: Mapping[str, Any]) -> bool:
    # What is set already was set by this answer, if it is acted on once more.
    return all(options.get(name) in (file.present.get(name), value) for name, value in file.options.items())


def _reader(support: ProjectSupport | None, root: Path) -> Read:
    def read(file: str) -> TextureAsset | None:
        if support is not None and hasattr(support, "texture"):
            try:
                found = support.texture(root, file)
                if found is not None:
                    supports.check_texture(found)
                return found
            # An adapter is a plugin: its trouble keeps nobody from applying what was asked.
            except (Exception, SystemExit) as error:
                log.warning("%s: its import settings can't be compared: %s", file, failures.told(error))
        return TextureAsset(file, file)

    return read


def below(root: Path, file: str) -> Path | None:
    """The file at `file` below `root`, symlinks resolved; None where it lies elsewhere or isn't there, or is
    named from elsewhere, as no rule for a folder would hold it."""
    place = PurePath(file)
    if place.anchor or ".." in place.parts:
        return None
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


def stamp(path: Path) -> Stamp:
    """What tells without reading it whether a file is the one that was read. Raises OSError."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def settled_stamp(path: Path) -> Stamp | None:
    """As `stamp`; None where the file has just changed, or can't be asked."""
    try:
        found = stamp(path)
    except OSError:
        return None
    return found if time.time_ns() - max(found[1:]) > RACY_NS else None
