"""Project context of an import.

import advisor, which has seen nothing of the project when the daemon begins.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from array import array
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from accel.atomic_file import write_atomic
from accel.image import records
from accel.models.catalog import models_of
from accel.texture.kinds import KINDS, Classification
from accel.texture.workloads import Examination, examine
from accel.workload import WorkloadError
from bridge.advisors.advice import Asset
from bridge.advisors.naming import Beside, material_siblings, neighbours
from bridge.api import Kind, SessionView
from bridge.host import isolation, validation
from bridge.project import config
from bridge.project.config import ProjectFile

if TYPE_CHECKING:
    from accel.texture.context import Context, Portions, Size


VERSION = 3
"""Raised when the file changes its form: one of another form says nothing."""


class KnownImports(Struct, frozen=True):
    """What is kept."""

    version: int
    judged_by: Sequence[int | str]
    """What textures were read and judged by: of what changed since, nothing is said."""
    kinds: Sequence[str]
    files: Sequence[str]
    """Below the project's root, with slashes."""
    extents: bytes
    """Width and height, texels, file after file, as this machine has its uint32."""
    shares: bytes
    """Probabilities of the kinds by the texture alone, file after file, as this machine has its float32."""

    def sizes(self) -> Sequence[Size]:
        """As `Context.add_all` takes them. Raises ValueError where they aren't what they should be."""
        sides = memoryview(self.extents).cast("I").tolist()
        return list(zip(sides[::2], sides[1::2], strict=True))

    def portions(self) -> Portions:
        """As `Context.add_all` takes them. Raises ValueError where they aren't what they should be."""
        import numpy as np

        from accel.texture.context import shares_of

        shares = np.frombuffer(self.shares, np.float32).reshape(len(self.files), len(KINDS))
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("no probabilities")
        return shares_of(shares.astype(np.float64))


class KnownFile:
    """What textures are taken for alone, gathered to be kept."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._extents = array("I")
        self._shares = array("f")

    def add(self, file: str, found: Examination) -> None:
        """One more; a name that is no Unicode isn't kept, as no editor can report it."""
        if file.isprintable():
            self._files.append(file)
            self._extents.extend(found.inspection.extent)
            self._shares.extend(found.classification.probabilities.get(kind, 0.0) for kind in KINDS)

    def with_those_of(self, other: KnownFile, files: Container[str]) -> KnownFile:
        """These, and of `files` what `other` says."""
        made = KnownFile()
        for taken, wanted in ((self, False), (other, True)):
            for at, file in enumerate(taken._files):
                if (file in files) == wanted:
                    made._files.append(file)
                    made._extents.extend(taken._extents[2 * at : 2 * at + 2])
                    made._shares.extend(taken._shares[len(KINDS) * at : len(KINDS) * (at + 1)])
        return made

    def keep(self, folder: Path, root: Path) -> None:
        """Puts it in the place of what was kept of the project; where that can't be done, that stays."""
        extents, shares = self._extents.tobytes(), self._shares.tobytes()
        known = KnownImports(VERSION, _judged_by(), KINDS, self._files, extents, shares)
        write_atomic(_file(folder, root), msgspec.msgpack.encode(known))


def read(folder: Path, root: Path) -> tuple[Sequence[str], Sequence[Size], Portions] | None:
    """A project's files with their sizes and what each was taken for; None where nothing that can be used is
    kept."""
    try:
        known = msgspec.msgpack.decode(_file(folder, root).read_bytes(), type=KnownImports)
        if known.version != VERSION or tuple(known.kinds) != KINDS or known.judged_by != _judged_by():
            return None
        sizes = known.sizes()
        return (known.files, sizes, known.portions()) if len(sizes) == len(known.files) else None
    # A view whose bytes are no whole numbers raises TypeError.
    except (OSError, ValueError, TypeError):
        return None


def _judged_by() -> list[int | str]:
    """How images are read, and the code and the models that judge them."""
    record = examine.workload
    return [records.VERSION, record.version, *(model.digest for model in models_of(record.name))]


def _file(folder: Path, root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
    return folder / "kinds" / f"{name}.msgpack"


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
    if (known := await asyncio.to_thread(read, cache, root)) is not None:
        await seen.know(*known)


def _key(file: str) -> str:
    """As audits name it: an editor may write `./a.png`, and backslashes on Windows."""
    return PurePath(file).as_posix()


log = logging.getLogger(__name__)

KEPT_S = 60.0
"""How long it is believed what the project's materials use: reading them all takes seconds."""
MAX_PROJECTS = 16

Uses = Mapping[str, Sequence[Kind]]
"""What materials and scenes use textures as, by file below the project's root."""


class ImportContext(Struct, frozen=True):
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
        present = validation.check_intent(adapter.read_texture(asset.options, session.version), adapter.name)
        return {
            "siblings": material_siblings(asset.file, self.folders.get(_folder(asset.file), {})),
            "slots": list(self.uses.get(asset.file, ())),
            "imported_as": present.kind,
        }


class ContextReader:
    """Looks around in projects; remembers for a while what costs much to find out."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave what they saw; None does without."""
        self._uses: dict[Path, tuple[float, Uses]] = {}
        self._projects = Projects(cache)

    async def look(
        self, session: SessionView, assets: Iterable[Asset], agreed: ProjectFile, max_size: int
    ) -> ImportContext:
        """What surrounds `assets`; `max_size` is what holds where the project's file says nothing."""
        assert session.root is not None
        named = await asyncio.to_thread(_names, session.root, [asset.file for asset in assets])
        uses = await self._used(session, session.root)
        seen = self._projects.of(session.root)
        return ImportContext(agreed, agreed.textures.max_size or max_size, named, uses, seen)

    async def _used(self, session: SessionView, root: Path) -> Uses:
        at, known = self._uses.get(root, (0.0, {}))
        if root in self._uses and time.monotonic() - at < KEPT_S:
            return known
        support = session.adapter.project if session.adapter else None
        uses: Uses = {}
        if support is not None:
            try:
                uses = validation.check_uses(await asyncio.to_thread(support.uses, root))
            # An adapter is a plugin: without this evidence the others still count.
            except (Exception, SystemExit) as error:
                why = isolation.describe(error)
                log.warning("%s: what uses its textures can't be told: %s", session.project_name, why)
        while len(self._uses) >= MAX_PROJECTS:
            self._uses.pop(next(iter(self._uses)))
        self._uses[root] = (time.monotonic(), uses)
        return uses


async def agreed_settings(root: Path) -> ProjectFile:
    """What the project's file says. Raises UserError that names file and line."""
    return await asyncio.to_thread(config.read, root)


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
        names[folder] = neighbours(name for name in found if name.isprintable())
    return names
