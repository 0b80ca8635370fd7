"""What the textures of a project are taken for, of those seen so far: each is judged by the others too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from accel.texture.classification import Classification
from accel.texture.context import Context
from accel.workload import WorkloadError

log = logging.getLogger(__name__)

MAX_PROJECTS = 16
MAX_FILES = 20_000
"""Of one project; those seen first are forgotten first."""


class SeenSoFar:
    """The textures of one project that were looked at since the daemon began."""

    def __init__(self) -> None:
        self._context = Context()
        self._files: dict[str, Classification] = {}

    def judge(self, found: Mapping[str, Classification]) -> dict[str, Classification]:
        """Each of these files by what all others are; they are remembered as they look alone."""
        for file, alone in found.items():
            self._remember(file, alone)
        there = [file for file in found if file in self._files]
        try:
            told = self._context.judge([found[file] for file in there])
        except WorkloadError as error:
            log.warning("textures are judged without their project: %s", error.reason)
            return dict(found)
        return {**found, **dict(zip(there, told, strict=True))}

    def _remember(self, file: str, alone: Classification) -> None:
        if (before := self._files.pop(file, None)) is not None:
            self._context.remove(before)
        elif len(self._files) >= MAX_FILES:
            self._context.remove(self._files.pop(next(iter(self._files))))
        self._files[file] = alone
        self._context.add(alone)


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
