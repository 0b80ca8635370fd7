"""What the textures of a project are taken for, of those seen so far: each is judged by the others too."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from accel.texture.classification import Classification
from accel.workload import WorkloadError

if TYPE_CHECKING:
    from accel.texture.context import Context, Portions

log = logging.getLogger(__name__)

MAX_PROJECTS = 16
MAX_FILES = 20_000
"""Of one project; those seen first are forgotten first."""


class SeenSoFar:
    """The textures of one project that were looked at since the daemon began."""

    def __init__(self) -> None:
        self._files: dict[str, Portions] = {}
        self._warned = False

    def add(self, file: str, alone: Classification) -> None:
        """Remembers what a file is taken for alone, in the place of what it was before."""
        if (before := self._files.pop(file, None)) is not None:
            self._context.remove(before)
        elif len(self._files) >= MAX_FILES:
            self._context.remove(self._files.pop(next(iter(self._files))))
        self._files[file] = self._context.add(alone)

    def judge(self, found: Sequence[Classification]) -> list[Classification]:
        """Each of these, which were added, by what all others are."""
        try:
            return self._context.judge(found)
        except WorkloadError as error:
            if not self._warned:
                log.warning("textures are judged without their project: %s", error.reason)
            self._warned = True
            return list(found)

    @cached_property
    def _context(self) -> Context:
        # Imported here, as every command loads the advisors, and few judge textures: numpy takes its time.
        from accel.texture.context import Context

        return Context()


class Projects:
    """What was seen of each project; the one that was asked for least recently is forgotten first."""

    def __init__(self) -> None:
        self._seen: dict[Path, SeenSoFar] = {}

    def of(self, root: Path) -> SeenSoFar:
        seen = self._seen.pop(root, None) or SeenSoFar()
        while len(self._seen) >= MAX_PROJECTS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[root] = seen
        return seen
