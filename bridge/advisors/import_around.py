"""What surrounds the textures of an import: the project's file, the names beside them, what uses them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from msgspec import Struct, field

from bridge import failures, projectfile, supports
from bridge.advisors.advice import Asset
from bridge.advisors.import_context import Projects, SeenSoFar
from bridge.advisors.sets import Beside, beside, siblings_of
from bridge.api import Kind, SessionView
from bridge.projectfile import ProjectFile

log = logging.getLogger(__name__)

KEPT_S = 60.0
"""How long it is believed what the project's materials use: reading them all takes seconds."""
MAX_PROJECTS = 16

Uses = Mapping[str, Sequence[Kind]]
"""What materials and scenes use textures as, by file below the project's root."""


class Around(Struct, frozen=True):
    """What is known of a project beside the textures themselves."""

    agreed: ProjectFile = field(default_factory=ProjectFile)
    max_size: int = 4096
    """The longest side that is accepted, pixels."""
    folders: Mapping[str, Beside] = field(default_factory=dict)
    """The names of the files in each."""
    uses: Uses = field(default_factory=dict)
    seen: SeenSoFar = field(default_factory=SeenSoFar)
    """What the project's textures were taken for until now."""

    def of(self, asset: Asset, session: SessionView) -> dict[str, Any]:
        """The parameters of `texture.examine` that say what surrounds `asset`."""
        assert session.adapter is not None and session.version is not None
        adapter = session.adapter
        present = supports.checked_intent(adapter.read_texture(asset.options, session.version), adapter.name)
        return {
            "siblings": siblings_of(asset.file, self.folders.get(_folder(asset.file), {})),
            "slots": list(self.uses.get(asset.file, ())),
            "imported_as": present.kind,
        }


class Surveyor:
    """Looks around in projects; remembers for a while what costs much to find out."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave what they saw; None does without."""
        self._uses: dict[Path, tuple[float, Uses]] = {}
        self._projects = Projects(cache)

    async def look(
        self, session: SessionView, assets: Iterable[Asset], agreed: ProjectFile, max_size: int
    ) -> Around:
        """What surrounds `assets`; `max_size` is what holds where the project's file says nothing."""
        assert session.root is not None
        named = await asyncio.to_thread(_names, session.root, [asset.file for asset in assets])
        uses = await self._used(session, session.root)
        seen = self._projects.of(session.root)
        return Around(agreed, agreed.textures.max_size or max_size, named, uses, seen)

    async def _used(self, session: SessionView, root: Path) -> Uses:
        at, known = self._uses.get(root, (0.0, {}))
        if root in self._uses and time.monotonic() - at < KEPT_S:
            return known
        support = session.adapter.project if session.adapter else None
        uses: Uses = {}
        if support is not None:
            try:
                uses = supports.checked_uses(await asyncio.to_thread(support.uses, root))
            # An adapter is a plugin: without this evidence the others still count.
            except (Exception, SystemExit) as error:
                why = failures.told(error)
                log.warning("%s: what uses its textures can't be told: %s", session.project_name, why)
        while len(self._uses) >= MAX_PROJECTS:
            self._uses.pop(next(iter(self._uses)))
        self._uses[root] = (time.monotonic(), uses)
        return uses


async def agreed_in(root: Path) -> ProjectFile:
    """What the project's file says. Raises UserError that names file and line."""
    return await asyncio.to_thread(projectfile.read, root)


def _folder(file: str) -> str:
    return PurePosixPath(file).parent.as_posix()


def _names(root: Path, files: Iterable[str]) -> dict[str, Beside]:
    """The names of what lies beside files below `root`, by folder; none where that can't be listed."""
    names: dict[str, Beside] = {}
    for folder in set(map(_folder, files)):
        # What an editor reports may point anywhere: nothing outside the project is listed.
        if ".." in PurePosixPath(folder).parts or PurePosixPath(folder).is_absolute():
            continue
        try:
            found = os.listdir(root / folder)
        except (OSError, ValueError):
            continue
        # Names that are no Unicode can't travel to the worker.
        names[folder] = beside(name for name in found if name.isprintable())
    return names
