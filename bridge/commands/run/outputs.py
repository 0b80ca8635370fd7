"""Output files: their names and places, and the manifest of earlier runs."""

from __future__ import annotations

import errno
import functools
import hashlib
import itertools
import os
import platform
import re
import shutil
import sqlite3
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from accel.atomic_file import replace_file
from accel.execution.protocol import ResultFile
from accel.image.records import ALIASES, IMAGES, suffix_of
from accel.text import text
from accel.workload import WorkloadError
from bridge.commands.run.inputs import INVALID_CHARACTERS, RunItem
from bridge.core.errors import UserError
from bridge.store.records import FAILURES
from bridge.store.response_tables import open_cache

VERSION = 1
MAX_AGE_S = 180 * 86_400
"""Jobs that aren't run again for this long are forgotten."""

_TABLES = f"""
CREATE TABLE IF NOT EXISTS outputs (
    path BLOB PRIMARY KEY, job BLOB, size INTEGER, modified INTEGER, seen INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (key BLOB PRIMARY KEY, inputs BLOB, outputs BLOB, seen INTEGER) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

FileState = tuple[int, int]
"""Size in bytes and modification time in nanoseconds."""
Inputs = Sequence[FileState]
"""The states of a job's files before it began."""


class Manifest:
    """The jobs of earlier runs by key, and their outputs by path, in a database.

    Its failures are ignored: without it, no output is up to date and no file is ours.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = _open(path)
        except (*FAILURES, OSError):
            self._db = _open(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def current(self, key: bytes, inputs: Inputs) -> list[str] | None:
        """Returns the outputs of a job if neither its inputs nor its outputs have changed since; else
        None.
        """
        row = self._row("SELECT inputs, outputs FROM jobs WHERE key = ?", key)
        outputs = None if row is None else _outputs(row[0], row[1], inputs)
        # Another job may have overwritten a file since.
        if outputs is None or any(self._job_of(path) != key for path in outputs):
            return None
        return outputs

    def is_ours(self, path: str) -> bool:
        """Whether a file is an unchanged output of an earlier run."""
        return self._job_of(path) is not None

    def add(self, path: str, key: bytes) -> None:
        """Records a file that a job has just written."""
        row = (_path_bytes(path), key, *_file_state(path), int(time.time()))
        self._run("REPLACE INTO outputs VALUES (?, ?, ?, ?, ?)", row)

    def done(self, key: bytes, inputs: Inputs, outputs: Iterable[str]) -> None:
        """Records a job whose outputs are all written."""
        paths = [os.fsencode(path) for path in outputs]
        row = (key, msgspec.msgpack.encode(inputs), msgspec.msgpack.encode(paths), int(time.time()))
        self._run("REPLACE INTO jobs VALUES (?, ?, ?, ?)", row)

    def _job_of(self, path: str) -> bytes | None:
        """Returns the key of the job that wrote a file; None if the file has changed since."""
        row = self._row("SELECT size, modified, job FROM outputs WHERE path = ?", _path_bytes(path))
        try:
            return row[2] if row is not None and _file_state(path) == tuple(row[:2]) else None
        except (OSError, ValueError):
            return None

    def _row(self, query: str, key: bytes) -> Any:
        try:
            return self._db.execute(query, (key,)).fetchone()
        except FAILURES:
            return None

    def _run(self, statement: str, row: tuple[Any, ...]) -> None:
        try:
            self._db.execute(statement, row)
        except FAILURES:
            # Another run may hold the lock. A job that isn't recorded only runs again.
            return


def job_key(recipe: Any, files: Iterable[str], place: str) -> bytes:
    """Returns a digest of the recipe, the input files and the place of the outputs."""
    parts = [os.fsencode(os.path.abspath(file)) for file in (*files, place)]
    packed = msgspec.msgpack.encode([recipe, parts], enc_hook=str, order="sorted")
    return hashlib.blake2b(packed, digest_size=16).digest()


def file_states(files: Iterable[str]) -> Inputs:
    """Returns the states of files. Raises OSError."""
    return [_file_state(file) for file in files]


def _file_state(file: str) -> FileState:
    stat = os.stat(file)
    return stat.st_size, stat.st_mtime_ns


def _outputs(stored_inputs: Any, outputs: Any, inputs: Inputs) -> list[str] | None:
    """Returns the stored outputs if the stored inputs are `inputs`; else, or if they are damaged, None."""
    try:
        if msgspec.msgpack.decode(stored_inputs) != [list(each) for each in inputs]:
            return None
        return [os.fsdecode(path) for path in msgspec.msgpack.decode(outputs, type=list[bytes])]
    except (ValueError, TypeError):
        return None


def _path_bytes(path: str) -> bytes:
    return os.fsencode(os.path.normcase(os.path.abspath(path)))


def _open(path: Path | None) -> sqlite3.Connection:
    db = open_cache(path, VERSION, _TABLES)
    try:
        for table in ("outputs", "jobs"):
            db.execute(f"DELETE FROM {table} WHERE seen < ?", (int(time.time()) - MAX_AGE_S,))
    except FAILURES:
        db.close()
        raise
    return db


PATH_ERRORS = frozenset(
    (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)
)
"""Errors of a single path: a name that is too long or invalid on this disk (ENOENT on Windows), or something
else in its place. Others would fail for every file."""


class Outputs:
    """The output folder: names files and moves them to their place."""

    def __init__(self, folder: Path, inputs: Collection[str], manifest: Manifest, *, force: bool) -> None:
        """`inputs` are the input files of all jobs, which are never overwritten."""
        self._folder = folder
        self._inputs = {_key(file) for file in inputs}
        self._manifest = manifest
        self._force = force
        self._used: set[str] = set()

    def place(self, job: RunItem) -> str:
        """Returns the folder of a job's outputs."""
        return os.path.normpath(os.path.join(self._folder, job.folder))

    def reserve(self, paths: Sequence[str]) -> None:
        """Marks the outputs of a skipped job as used."""
        self._used.update(map(_key, paths))

    def keep(self, job: RunItem, key: bytes, files: Sequence[ResultFile]) -> list[str]:
        """Moves the files of the job `key` to their places and returns their paths.

        Raises WorkloadError `forbidden` if another file is in the way or a name is invalid, and UserError if
        nothing can be written at all.
        """
        folder = self.place(job)
        paths = [os.path.join(folder, name) for name in self._names(folder, job, files)]
        for path in paths:
            self._refuse_foreign(path)
        uses = Counter(file.path for file in files)
        for file, path in zip(files, paths, strict=True):
            assert file.path is not None
            uses[file.path] -= 1
            self._move(file.path, path, last=not uses[file.path])
            self._manifest.add(path, key)
        return paths

    def _names(self, folder: str, job: RunItem, files: Sequence[ResultFile]) -> list[str]:
        single = len(files) == 1 and files[0].media_type.startswith("image/")
        return [self._unused_name(folder, job, file, single) for file in files]

    def _unused_name(self, folder: str, job: RunItem, file: ResultFile, single: bool) -> str:
        """Returns a name that no input and no other output of this run has."""
        stem = job.stem
        own, suffix = INVALID_CHARACTERS.sub("_", file.name), suffix_of(file.media_type)
        if not suffix:
            # An unknown media type: the workload's file name may have the extension.
            own, suffix = os.path.splitext(own)
            # But nothing else may be called .png.
            suffix = "" if suffix.lower() in IMAGES else suffix
        whole = f"{stem}.{own}" if stem else own
        numbered = (f"{whole}-{number}" for number in itertools.count(2))
        bare = stem[: -len(job.suffix)] if suffix and suffix == ALIASES.get(job.suffix, job.suffix) else ""
        short = [bare, f"{bare}.{own}"] if bare else [stem]
        for name in itertools.chain(short if single and stem else [], [whole], numbered):
            key = _key(os.path.join(folder, name + suffix))
            if key not in self._inputs and key not in self._used:
                self._used.add(key)
                return name + suffix
            if job.exact:
                reason = text(
                    "{file} is an input or another output; choose another name with --name",
                    file=os.path.join(folder, name + suffix),
                )
                raise WorkloadError("forbidden", reason)
        raise AssertionError

    def _refuse_foreign(self, path: str) -> None:
        if self._force or not os.path.lexists(path) or self._manifest.is_ours(path):
            return
        reason = text("{file} exists and no earlier run made it; overwrite it with --force", file=path)
        raise WorkloadError("forbidden", reason)

    def _move(self, source: str, path: str, *, last: bool) -> None:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not last:
                # Two outputs of equal content share one file.
                source = shutil.copyfile(source, f"{source}.copy")
            replace_file(source, path)
        except PermissionError as error:
            # Windows doesn't replace a file that another program has open.
            raise WorkloadError(
                "forbidden", text("can't replace {file} ({reason})", file=path, reason=error.strerror)
            ) from None
        except OSError as error:
            if error.errno not in PATH_ERRORS:
                raise UserError(
                    text("Can't write {file} ({reason}).", file=path, reason=error.strerror)
                ) from None
            reason = text(
                "can't write {file} ({reason}); rename the input or choose another --out",
                file=path,
                reason=error.strerror,
            )
            raise WorkloadError("forbidden", reason) from None


def _key(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    # Ignores case on every system, because Windows and macOS do.
    return os.path.join(_real(folder), name).casefold()


@functools.lru_cache(1024)
def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder)
    except OSError:
        # Windows can't resolve the name of a device.
        return folder


ABANDONED_S = 86_400
"""A folder of unknown origin that hasn't changed for this long is abandoned."""

_NAME = re.compile(r"\.popbridge-(?:([0-9a-f]{8})-(\d+)-)?\w+")


def staging_folder(out: Path) -> Path:
    """Returns a new folder in `out`, so that files can be moved atomically; removes those of dead runs.

    Raises UserError.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for folder in _abandoned(out):
            shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f".popbridge-{_machine()}-{os.getpid()}-", dir=out.absolute()))
    except OSError as error:
        raise UserError(
            text("Can't create or write to {folder} ({reason}).", folder=out, reason=error.strerror)
        ) from None


def _abandoned(out: Path) -> Iterator[Path]:
    for path in out.glob(".popbridge-*"):
        name = _NAME.fullmatch(path.name)
        if name and path.is_dir() and not path.is_symlink() and _is_abandoned(path, name[1], name[2]):
            yield path


def _is_abandoned(folder: Path, machine: str | None, pid: str | None) -> bool:
    # Another machine may write to the same disk; its processes aren't visible.
    if pid is not None and machine == _machine() and not psutil.pid_exists(int(pid)):
        return True
    try:
        changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return False
    return time.time() - changed > ABANDONED_S


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
