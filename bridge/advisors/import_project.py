"""Context of an import: other textures of the project, its materials, and the results of audits."""

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
from bridge.advisors.naming import NameGroups, group_names, material_siblings
from bridge.api import SessionView, TextureUses
from bridge.core.textures import NO_USES
from bridge.host import isolation, validation
from bridge.project.config import ProjectFile

if TYPE_CHECKING:
    from accel.texture.context import Context, Portions, Size


log = logging.getLogger(__name__)

VERSION = 3
"""Version of the file that audits write; other versions are ignored."""
MAX_FILES = 20_000
"""Textures of one project; the first seen are forgotten first."""
MAX_PROJECTS = 16
KNOWN_AT_ONCE = 1000
"""Number of audit results added per step, which takes a few milliseconds."""
USES_TTL_S = 60.0
"""Seconds for which the uses in a project's materials are cached: reading them takes seconds."""

Uses = Mapping[str, TextureUses]
"""Uses of textures in materials and scenes, by file below the project's root."""


class AuditResults(Struct, frozen=True):
    """The file in which an audit leaves its classifications for the import advisor."""

    version: int
    judged_by: Sequence[int | str]
    """Versions of the code and the models; results of others are ignored."""
    kinds: Sequence[str]
    files: Sequence[str]
    """Below the project's root, with slashes."""
    extents: bytes
    """Width and height of each file in pixels; native uint32."""
    shares: bytes
    """Each file's probabilities of the kinds without context; native float32."""

    def sizes(self) -> Sequence[Size]:
        """Returns the sizes for `Context.add_all`. Raises ValueError for invalid data."""
        sides = memoryview(self.extents).cast("I").tolist()
        return list(zip(sides[::2], sides[1::2], strict=True))

    def portions(self) -> Portions:
        """Returns the portions for `Context.add_all`. Raises ValueError for invalid data."""
        # numpy is slow to import, and every command loads the advisors.
        import numpy as np

        from accel.texture.context import shares_of

        shares = np.frombuffer(self.shares, np.float32).reshape(len(self.files), len(KINDS))
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("not probabilities")
        return shares_of(shares.astype(np.float64))


class AuditResultsWriter:
    """Collects an audit's classifications and writes them for the import advisor."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._extents = array("I")
        self._shares = array("f")

    def add(self, file: str, found: Examination) -> None:
        """Adds a file; names that aren't Unicode are skipped, as no editor can report them."""
        if file.isprintable():
            self._files.append(file)
            self._extents.extend(found.inspection.extent)
            self._shares.extend(found.classification.probabilities.get(kind, 0.0) for kind in KINDS)

    def replace(self, files: Container[str], other: AuditResultsWriter) -> AuditResultsWriter:
        """Returns these results with those of `files` taken from `other`."""
        merged = AuditResultsWriter()
        for results, replaces in ((self, False), (other, True)):
            for at, file in enumerate(results._files):
                if (file in files) == replaces:
                    merged._files.append(file)
                    merged._extents.extend(results._extents[2 * at : 2 * at + 2])
                    merged._shares.extend(results._shares[len(KINDS) * at : len(KINDS) * (at + 1)])
        return merged

    def write(self, folder: Path, root: Path) -> None:
        """Replaces the project's file in the cache `folder`; if that fails, the old one stays."""
        extents, shares = self._extents.tobytes(), self._shares.tobytes()
        results = AuditResults(VERSION, _judged_by(), KINDS, self._files, extents, shares)
        write_atomic(cache_file(folder / "kinds", root, ".msgpack"), msgspec.msgpack.encode(results))


def read_audit(folder: Path, root: Path) -> tuple[Sequence[str], Sequence[Size], Portions] | None:
    """Returns the project's files, sizes and classifications of its last audit; None without usable ones."""
    try:
        file = cache_file(folder / "kinds", root, ".msgpack")
        known = msgspec.msgpack.decode(file.read_bytes(), type=AuditResults)
        if known.version != VERSION or tuple(known.kinds) != KINDS or known.judged_by != _judged_by():
            return None
        sizes = known.sizes()
        return (known.files, sizes, known.portions()) if len(sizes) == len(known.files) else None
    # Casting bytes that aren't a multiple of the item's size raises TypeError.
    except (OSError, ValueError, TypeError):
        return None


def _judged_by() -> list[int | str]:
    """Versions of the decoder, the classifier and its models."""
    record = examine.workload
    return [records.VERSION, record.version, *(model.digest for model in models_of(record.name))]


def cache_file(folder: Path, root: Path, suffix: str) -> Path:
    """Returns the project's own file in a cache folder."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
    return folder / f"{name}{suffix}"


class SeenTextures:
    """The textures of one project that imports and the last audit examined."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[Size, Portions]] = {}
        self._warned = False

    def add(self, file: str, alone: Examination) -> None:
        """Adds a file's examination without context, replacing an earlier one."""
        file, size = _key(file), alone.inspection.extent
        if (before := self._files.pop(file, None)) is not None:
            self._context.remove(file, *before)
        self._files[file] = size, self._context.add(file, size, alone.classification)

    def trim(self) -> None:
        """Forgets the oldest of more than `MAX_FILES`; call it after judging."""
        while len(self._files) > MAX_FILES:
            oldest = next(iter(self._files))
            self._context.remove(oldest, *self._files.pop(oldest))

    async def know(self, files: Sequence[str], sizes: Sequence[Size], portions: Portions) -> None:
        """Adds the results of an audit as the oldest; files that were imported since are skipped."""
        room = max(MAX_FILES - len(self._files), 0)
        new = [at for at, file in enumerate(files) if file not in self._files][:room]
        # From the end, as each part is inserted before the others; other tasks run in between.
        for end in range(len(new), 0, -KNOWN_AT_ONCE):
            part = [at for at in new[max(end - KNOWN_AT_ONCE, 0) : end] if files[at] not in self._files]
            self._context.add_all([files[at] for at in part], [sizes[at] for at in part], portions[part])
            self._files = {files[at]: (sizes[at], portions[at]) for at in part} | self._files
            await asyncio.sleep(0)

    def judge(self, files: Sequence[str], found: Sequence[Examination]) -> list[Classification]:
        """Classifies files, which were added before, in the context of all others."""
        alone = [one.classification for one in found]
        images = [one.inspection for one in found]
        try:
            return self._context.judge([_key(file) for file in files], images, alone)
        except WorkloadError as error:
            if not self._warned:
                log.warning("textures are classified without their project's context: %s", error.reason)
            self._warned = True
            return alone

    @cached_property
    def _context(self) -> Context:
        # numpy is slow to import, and every command loads the advisors.
        from accel.texture.context import Context

        return Context()


class ImportContext(Struct, frozen=True):
    """Context of the textures of one import."""

    max_size: int = 4096
    """The accepted longest side, pixels."""
    folders: Mapping[str, NameGroups] = field(default_factory=dict)
    """The file names of each folder."""
    uses: Uses = field(default_factory=dict)
    seen: SeenTextures = field(default_factory=SeenTextures)

    def params_of(self, asset: Asset, session: SessionView) -> dict[str, Any]:
        """Returns the parameters of `texture.examine` that describe the surroundings of `asset`."""
        assert session.adapter is not None and session.version is not None
        adapter = session.adapter
        used = self.uses.get(asset.file, NO_USES)
        present = validation.check_intent(adapter.read_texture(asset.options, session.version), adapter.name)
        return {
            "siblings": material_siblings(asset.file, self.folders.get(_folder(asset.file), {})),
            "slots": used.kinds("slot", "declaration"),
            "named_slots": used.kinds("name"),
            "imported_as": present.kind,
        }


class ContextReader:
    """Reads the context of imports and caches data that is slow to read."""

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave their results; None ignores them."""
        self._cache = cache
        self._uses: dict[Path, tuple[float, Uses]] = {}
        self._seen: dict[Path, SeenTextures] = {}
        self._loading: set[asyncio.Task[None]] = set()

    async def read(
        self, session: SessionView, assets: Iterable[Asset], project_file: ProjectFile, max_size: int
    ) -> ImportContext:
        """Reads what surrounds `assets`; `max_size` is the limit unless the project's file has one."""
        assert session.root is not None
        assets = list(assets)
        files = [asset.file for asset in assets if asset.has_file]
        folders = await asyncio.to_thread(_names, session.root, files)
        folders |= _names_without_files(asset.file for asset in assets if not asset.has_file)
        uses = dict(await self._read_uses(session, session.root))
        for asset in assets:
            if asset.used_as:
                uses[asset.file] = uses.get(asset.file, NO_USES).with_uses(asset.used_as)
        seen = self.seen_in(session.root)
        return ImportContext(project_file.textures.max_size or max_size, folders, uses, seen)

    def seen_in(self, root: Path) -> SeenTextures:
        """Returns the textures seen in a project; the results of an audit are added later, in the background.

        Of more than `MAX_PROJECTS` the least recently used is forgotten.
        """
        seen = self._seen.pop(root, None)
        if seen is None:
            seen = SeenTextures()
            if self._cache is not None:
                task = asyncio.create_task(_load_audit(self._cache, root, seen))
                self._loading.add(task)
                task.add_done_callback(self._loading.discard)
        while len(self._seen) >= MAX_PROJECTS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[root] = seen
        return seen

    async def _read_uses(self, session: SessionView, root: Path) -> Uses:
        at, known = self._uses.get(root, (0.0, {}))
        if root in self._uses and time.monotonic() - at < USES_TTL_S:
            return known
        support = session.adapter.project if session.adapter else None
        uses: Uses = {}
        if support is not None:
            try:
                uses = validation.check_uses(await asyncio.to_thread(support.uses, root))
            # An adapter is a plugin: the other evidence still counts.
            except (Exception, SystemExit) as error:
                reason = isolation.describe(error)
                log.warning("%s: can't read what uses its textures: %s", session.project_name, reason)
        while len(self._uses) >= MAX_PROJECTS:
            self._uses.pop(next(iter(self._uses)))
        self._uses[root] = (time.monotonic(), uses)
        return uses


async def _load_audit(cache: Path, root: Path, seen: SeenTextures) -> None:
    # In a thread also for numpy, which is slow to import.
    if (known := await asyncio.to_thread(read_audit, cache, root)) is not None:
        await seen.know(*known)


def _key(file: str) -> str:
    """Returns the name that audits use: an editor may write `./a.png`, and backslashes on Windows."""
    return PurePath(file).as_posix()


def _folder(file: str) -> str:
    return PurePosixPath(file).parent.as_posix()


def _is_image(name: str) -> bool:
    suffix = PurePath(name).suffix.lower()
    return suffix in records.IMAGES or suffix in records.ALIASES


def _names_without_files(files: Iterable[str]) -> dict[str, NameGroups]:
    """Returns the names of textures that have no files, by the folders of their names."""
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(_folder(file), []).append(PurePosixPath(file).name)
    return {folder: group_names(own) for folder, own in names.items()}


def _names(root: Path, files: Iterable[str]) -> dict[str, NameGroups]:
    """Returns the file names in the folders of `files`; folders that can't be listed are left out."""
    names: dict[str, NameGroups] = {}
    for folder in set(map(_folder, files)):
        # An editor may report any path: nothing outside the project is listed.
        if ".." in PurePosixPath(folder).parts or PurePosixPath(folder).is_absolute():
            continue
        try:
            found = os.listdir(root / folder)
        except (OSError, ValueError):
            continue
        # Images only, as in an audit. Names that aren't Unicode can't be sent to the worker.
        names[folder] = group_names(name for name in found if name.isprintable() and _is_image(name))
    return names
