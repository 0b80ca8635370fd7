"""What the textures of a project are taken for, of those seen so far: each is judged by the others too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from accel.texture.classification import Classification
from accel.texture.examine import Examination
from accel.workload import WorkloadError
from bridge.advisors import import_known

if TYPE_CHECKING:
    from accel.texture.context import Context, Portions
    from accel.texture.neighbours import Size

log = logging.getLogger(__name__)

MAX_PROJECTS = 16
MAX_FILES = 20_000
"""Of one project; those seen first are forgotten first."""
KNOWN_AT_ONCE = 1000
"""Of what an audit saw, how many join at once: a few milliseconds."""


class SeenSoFar:
    """The textures of one project that were looked at since the daemon began, and by an audit before."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Size, Portions]] = {}
        self._warned = False

    def add(self, file: str, alone: Examination) -> None:
        """Remembers what a file is taken for alone, in the place of what it was before."""
        file, size = _key(file), alone.inspection.extent
        if (before := self._files.pop(file, None)) is not None:
            self._context.remove(file, *before)
        self._files[file] = size, self._context.add(file, size, alone.classification)

    def trim(self) -> None:
        """Forgets what was seen first, of more than are remembered; after those that came were judged."""
        while len(self._files) > MAX_FILES:
            oldest = next(iter(self._files))
            self._context.remove(oldest, *self._files.pop(oldest))

    async def know(self, files: Sequence[str], sizes: Sequence[Size], portions: Portions) -> None:
        """What an audit took files for: as if seen before all others, save those that were seen since."""
        room = max(MAX_FILES - len(self._files), 0)
        new = [at for at, file in enumerate(files) if file not in self._files][:room]
        # From the end, as each goes before those that are there; others are heard in between.
        for end in range(len(new), 0, -KNOWN_AT_ONCE):
            part = [at for at in new[max(end - KNOWN_AT_ONCE, 0) : end] if files[at] not in self._files]
            self._context.add_all([files[at] for at in part], [sizes[at] for at in part], portions[part])
            self._files = {files[at]: (sizes[at], portions[at]) for at in part} | self._files
            await asyncio.sleep(0)

    def judge(self, files: Sequence[str], found: Sequence[Examination]) -> list[Classification]:
        """Each of these, which were added, by what all others are."""
        alone = [one.classification for one in found]
        sizes = [one.inspection.extent for one in found]
        try:
            return self._context.judge([_key(file) for file in files], sizes, alone)
        except WorkloadError as error:
            if not self._warned:
                log.warning("textures are judged without their project: %s", error.reason)
            self._warned = True
            return alone

    @cached_property
    def _context(self) -> Context:
        # Imported here, as every command loads the advisors, and few judge textures: numpy takes its time.
        from accel.texture.context import Context

        return Context()


class Projects:
    """What was seen of each project; the one that was asked for least recently is forgotten first."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave what they saw; None does without."""
        self._cache = cache
        self._seen: dict[Path, SeenSoFar] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def of(self, root: Path) -> SeenSoFar:
        """What was seen of a project. What an audit saw joins it a little later: nobody waits for that."""
        seen = self._seen.pop(root, None)
        if seen is None:
            seen = SeenSoFar()
            if self._cache is not None:
                task = asyncio.create_task(_read(self._cache, root, seen))
                self._reading.add(task)
                task.add_done_callback(self._reading.discard)
        while len(self._seen) >= MAX_PROJECTS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[root] = seen
        return seen


async def _read(cache: Path, root: Path, seen: SeenSoFar) -> None:
    # In a thread also for numpy, which takes its time when it is first imported.
    if (known := await asyncio.to_thread(import_known.read, cache, root)) is not None:
        await seen.know(*known)


def _key(file: str) -> str:
    """As audits name it: an editor may write `./a.png`, and backslashes on Windows."""
    return PurePath(file).as_posix()
