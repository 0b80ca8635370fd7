"""The pictures and import-file diffs of a report's page."""

from __future__ import annotations

import asyncio
import difflib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from accel.workload import Workload, WorkloadError
from bridge.api import ProjectSupport, TextureIntent
from bridge.audit.examine import Cache, Stat, Workers, question_of
from bridge.audit.project import Project
from bridge.audit.results import LitPair, Report, Row, problems_of
from bridge.core.errors import UserError

MAX_PICTURES = 5000
"""With about 2 KB each, a browser still opens the page at once."""
FEW = 600
"""Up to so many rows, pictures are sharp on the cards of high-resolution screens."""
SIDE, SMALL_SIDE = 224, 96
"""Longest side of a picture in pixels, for few rows and for many."""
MAX_DUPLICATES = 60
"""Groups of duplicates that have a picture."""
MAX_LIT = 400
"""Textures that are drawn as they look in the game, before and after their fix."""
MAX_LIT_BYTES = 8 << 20
LIT_SIDE = 256
FIRST = 4
"""Textures of each problem that are drawn before those of more severe ones."""
LEAST_DIFFERENCES = {"lit": 2.0, "far": 3.0, "detail": 0.1}
"""Mean differences of two pictures, of 255, that can be seen. Enlarged texels show less at a time."""
LEAST_RELIEF = 0.3
"""The same for an inverted green channel: few bumps on a flat surface are seen at once."""
MAX_DIFFS = 1000
"""Import files that are copied and changed to show what a fix changes."""
CONTEXT = 1
"""Unchanged lines around those that a fix changes."""

PREFIX, LIT_PREFIX = "\0picture\0", "\0lit\0"
"""No file name starts with these: the cache has pictures beside examinations."""
PREFIXES = (PREFIX, f"{LIT_PREFIX}auto\0", f"{LIT_PREFIX}far\0")
STATES = ("kind", "color_space", "normal_convention", "mipmaps", "compression")
"""Import settings that change how a texture looks."""


async def illustrate(
    project: Project, report: Report, thumbnail: Workload, lit: Workload, workers: Workers, cache: Cache
) -> None:
    """Adds pictures to the rows and duplicates that have none, lit pictures and diffs to fixable rows.

    Files that fail stay without.
    """
    await embed_pictures(project.image, report, thumbnail, workers, cache)
    await _embed_lit(project, report, lit, workers, cache)
    if project.support is not None:
        await asyncio.to_thread(_add_diffs, project.root, project.support, report.rows)


async def embed_pictures(
    image: Callable[[str], Path], report: Report, workload: Workload, workers: Workers, cache: Cache
) -> None:
    """Adds pictures to the first rows and groups of duplicates that have none."""
    params = {"size": SIDE if len(report.rows) <= FEW else SMALL_SIDE, "format": "webp"}
    store = _Pictures(image, workload, workers, cache)
    rows = [row for row in report.rows[:MAX_PICTURES] if row.width and not row.picture]
    known = {row.file: row for row in report.rows}
    files = {file: "" for group in report.groups[:MAX_DUPLICATES] for file in group.files[:1]}

    async def one(row: Row) -> None:
        found = await store.get(PREFIX, row.file, row.content, params)
        row.picture = found[1][0] if found else b""

    async def duplicate(file: str) -> None:
        if found := await store.get(PREFIX, file, "", params):
            report.pictures[file] = found[1][0]

    await _all(one, rows, workers)
    await _all(duplicate, [file for file in files if file not in known], workers)


async def _embed_lit(
    project: Project, report: Report, workload: Workload, workers: Workers, cache: Cache
) -> None:
    candidates = {row.file: states for row in report.rows if (states := _states(project, row))}
    rows = [row for row in _fairly(report.rows) if row.file in candidates]
    report.unlit = len(rows[MAX_LIT:])
    store = _Pictures(project.image, workload, workers, cache)
    fixed = {"size": LIT_SIDE, "format": "webp"}

    async def one(row: Row) -> None:
        before, after = candidates[row.file]
        row.lit = None
        # Light may show nothing where a distance does, which only says something if the fix adds mipmaps.
        mipmaps = before.get("mipmaps") != after.get("mipmaps")
        for scene in ("auto", "far") if mipmaps else ("auto",):
            params = {"kind": row.kind, "before": before, "after": after, "scene": scene, **fixed}
            found = await store.get(f"{LIT_PREFIX}{scene}\0", row.file, row.content, params)
            drawn = str(found[0].get("scene")) if found else ""
            if drawn == "far" and mipmaps and not after.get("mipmaps"):
                continue
            inverted = drawn == "lit" and before.get("normal_convention") != after.get("normal_convention")
            least = LEAST_RELIEF if inverted else LEAST_DIFFERENCES.get(drawn, 1.0)
            if found and found[0].get("difference", 0.0) >= least:
                row.lit = LitPair(drawn, *found[1][:2])
                return

    await _all(one, rows[:MAX_LIT], workers)
    size = 0
    for row in rows:
        size += len(row.lit.before) + len(row.lit.after) if row.lit else 0
        if row.lit and size > MAX_LIT_BYTES:
            row.lit = None
            report.unlit += 1


def _states(project: Project, row: Row) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Returns the settings before and after the fix that change how a texture looks; None if none do."""
    adapter, version = project.adapter, project.version
    if not row.options or not row.kind or not row.width or adapter is None or version is None:
        return None
    try:
        before = _state(adapter.read_texture(row.settings or {}, version))
        after = _state(adapter.read_texture({**(row.settings or {}), **row.options}, version))
    # An adapter is a plugin: without it, the row has no lit pictures.
    except (Exception, SystemExit):
        return None
    return None if before == after else (before, after)


def _state(intent: TextureIntent) -> Mapping[str, Any]:
    return {name: value for name, value in intent.fields().items() if name in STATES}


def _fairly(rows: Sequence[Row]) -> list[Row]:
    """Returns `rows` with the first few of each problem in front."""
    first = [row for problem in problems_of(rows) for row, _ in problem.found[:FIRST]]
    return list({row.file: row for row in (*first, *rows)}.values())


class _Cached(Struct, frozen=True, array_like=True):
    """A workload's result in the cache."""

    value: Mapping[str, Any]
    files: Sequence[bytes]


class _Pictures:
    """Runs a workload on single textures, with the cache of earlier runs."""

    def __init__(
        self, image: Callable[[str], Path], workload: Workload, workers: Workers, cache: Cache
    ) -> None:
        """`image` returns the image of a texture's file."""
        self._image = image
        self._workload = workload
        self._workers = workers
        self._cache = cache

    async def get(
        self, prefix: str, file: str, content: str, params: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Sequence[bytes]] | None:
        """Returns the result and its files; None if the texture can't be read any more."""
        question = question_of(self._workload.name, self._workload.version, params)
        path = self._image(file)
        try:
            stat = Stat.of(path)
            if (encoded := self._cache.get(path, prefix + file, stat, question)) is not None:
                cached = msgspec.msgpack.decode(encoded, type=_Cached)
                return cached.value, cached.files
            result = await self._workers.run(self._workload, params, file, path)
        except (OSError, ValueError, WorkloadError, msgspec.MsgspecError):
            return None
        value = _plain(result.value)
        files = [each.data or b"" for each in result.files]
        encoded = msgspec.msgpack.encode(_Cached(value, files))
        self._cache.put(prefix + file, stat, question, content, encoded)
        return value, files


def _plain(value: Any) -> Mapping[str, Any]:
    plain = structs.asdict(value) if isinstance(value, Struct) else value
    return plain if isinstance(plain, Mapping) else {}


async def _all(job: Callable[[Any], Awaitable[None]], of: Iterable[Any], workers: Workers) -> None:
    places = asyncio.Semaphore(2 * workers.count)

    async def one(item: Any) -> None:
        async with places:
            await job(item)

    await asyncio.gather(*(one(item) for item in of))


def _add_diffs(root: Path, support: ProjectSupport, rows: Sequence[Row]) -> None:
    """Sets the diffs of the first rows with options: copies their import files, and lets the adapter change
    the copies as `--fix` would.
    """
    changed = [row for row in rows if row.options and row.settings is not None and not row.mended][:MAX_DIFFS]
    if not changed:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="popbridge-", ignore_cleanup_errors=True) as folder:
            copy = Path(folder).resolve()
            files = {row.file: list(_copied(root, copy, row.file)) for row in changed}
            before = {file: _contents(file) for names in files.values() for file in names}
            support.apply(copy, [{"path": row.path, "options": row.options} for row in changed])
            for row in changed:
                row.diff = "\n".join(
                    _diff(before[file], _contents(file)) for file in files[row.file] if file in before
                ).strip("\n")
    # An adapter is a plugin, and the disk may be full: the page then has the options without a diff.
    except (Exception, SystemExit, UserError):
        return


def _copied(root: Path, copy: Path, file: str) -> Iterator[Path]:
    """Yields the copies of the files that belong to a texture, and creates an empty texture beside them."""
    original, place = root / file, copy / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    for suffix in SUFFIXES:
        beside = original.with_name(original.name + suffix)
        if beside.is_file():
            yield Path(shutil.copyfile(beside, place.with_name(place.name + suffix)))


SUFFIXES = (".import", ".meta")
"""Of the files in which engines keep a texture's import settings."""


def _contents(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _diff(before: Sequence[str], after: Sequence[str]) -> str:
    lines = difflib.unified_diff(before, after, n=CONTEXT, lineterm="")
    return "\n".join(list(lines)[2:])
