"""Names, staging, manifest."""

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
from typing import TYPE_CHECKING, Any, Self

import msgspec
import psutil

from accel.atomic_file import replace_file
from accel.image.records import ALIASES, IMAGES, suffix_of
from accel.text import text
from bridge.audit.examine import Stat
from bridge.commands.run.inputs import UNFIT, Job
from bridge.core.errors import UserError
from bridge.store.records import FAILURES
from bridge.store.response_tables import open_cache

if TYPE_CHECKING:
    from accel.execution.protocol import ResultFile


VERSION = 1
KEPT_S = 180 * 86_400
"""How long a job is remembered that isn't met again."""

_TABLES = f"""
CREATE TABLE IF NOT EXISTS outputs (
    path BLOB PRIMARY KEY, job BLOB, size INTEGER, modified INTEGER, seen INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (key BLOB PRIMARY KEY, inputs BLOB, outputs BLOB, seen INTEGER) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""

Inputs = Sequence[tuple[int, int]]
"""Size and time of change (nanoseconds) of a job's files, before it began."""


class Manifest:
    """Jobs by what is done to which files and where to, and outputs by their paths.

    It is never worth an error: without it, nothing is current and no file is ours.
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
        """The outputs of a job whose files haven't changed since, if they all are there as they were made."""
        row = self._row("SELECT inputs, outputs FROM jobs WHERE key = ?", key)
        outputs = None if row is None else _outputs(row[0], row[1], inputs)
        # Another job may have made a file of the same name since.
        return outputs if outputs is not None and all(self._maker(path) == key for path in outputs) else None

    def is_ours(self, path: str) -> bool:
        """Whether a file is what an earlier run made, unchanged."""
        return self._maker(path) is not None

    def add(self, path: str, key: bytes) -> None:
        """Remembers a file that a job has just written."""
        stat = Stat.of(Path(path))
        row = (_path_bytes(path), key, stat.size, stat.modified, int(time.time()))
        self._run("REPLACE INTO outputs VALUES (?, ?, ?, ?, ?)", row)

    def done(self, key: bytes, inputs: Inputs, outputs: Iterable[str]) -> None:
        """Remembers a job whose outputs are all written."""
        paths = [os.fsencode(path) for path in outputs]
        row = (key, msgspec.msgpack.encode(inputs), msgspec.msgpack.encode(paths), int(time.time()))
        self._run("REPLACE INTO jobs VALUES (?, ?, ?, ?)", row)

    def _maker(self, path: str) -> bytes | None:
        """The job that made a file which hasn't changed since."""
        row = self._row("SELECT size, modified, job FROM outputs WHERE path = ?", _path_bytes(path))
        try:
            return row[2] if row is not None and Stat.of(Path(path)) == Stat(*row[:2]) else None
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
            # Another run may be writing for long: what isn't remembered is only made anew.
            return


def job_key(recipe: Any, files: Iterable[str], place: str) -> bytes:
    """A digest of what is done, to which files, and where the outputs belong."""
    parts = [os.fsencode(os.path.abspath(file)) for file in (*files, place)]
    packed = msgspec.msgpack.encode([recipe, parts], enc_hook=str, order="sorted")
    return hashlib.blake2b(packed, digest_size=16).digest()


def file_states(files: Iterable[str]) -> Inputs:
    """Raises OSError."""
    return [(stat.size, stat.modified) for stat in (Stat.of(Path(file)) for file in files)]


def _outputs(kept: Any, outputs: Any, inputs: Inputs) -> list[str] | None:
    """Those of a job whose inputs are the kept ones; None also where they can't be read."""
    try:
        if msgspec.msgpack.decode(kept) != [list(each) for each in inputs]:
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
            db.execute(f"DELETE FROM {table} WHERE seen < ?", (int(time.time()) - KEPT_S,))
    except FAILURES:
        db.close()
        raise
    return db


ITS_OWN = frozenset(
    (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)
)
"""What is wrong with one path alone: its name is too long or none on this disk (Windows says that there is no
such path), or something is in the way of its file or folder."""


class Outputs:
    """The folder of all outputs."""

    def __init__(self, folder: Path, inputs: Collection[str], made: Manifest, *, force: bool) -> None:
        """`inputs` are all files that are worked on: none of them is ever overwritten."""
        self._folder = folder
        self._inputs = {_key(file) for file in inputs}
        self._made = made
        self._force = force
        self._taken: set[str] = set()

    def place(self, job: Job) -> str:
        """The folder for a job's outputs."""
        return os.path.normpath(os.path.join(self._folder, job.folder))

    def reserve(self, paths: Sequence[str]) -> None:
        """Keeps the names of files that an earlier run made for a job that is skipped."""
        self._taken.update(map(_key, paths))

    def keep(self, job: Job, key: bytes, files: Sequence[ResultFile]) -> list[str]:
        """Moves the files of the job `key` to where they belong; gives their paths.

        Raises WorkloadError `forbidden` where something is in the way, or one of them can have no such name,
        and UserError where nothing can be written at all.
        """
        folder = self.place(job)
        paths = [os.path.join(folder, name) for name in self._names(folder, job, files)]
        for path in paths:
            self._refuse_foreign(path)
        left = Counter(file.path for file in files)
        for file, path in zip(files, paths, strict=True):
            assert file.path is not None
            left[file.path] -= 1
            self._move(file.path, path, last=not left[file.path])
            self._made.add(path, key)
        return paths

    def _names(self, folder: str, job: Job, files: Sequence[ResultFile]) -> list[str]:
        alone = len(files) == 1 and files[0].media_type.startswith("image/")
        return [self._free(folder, job, file, alone) for file in files]

    def _free(self, folder: str, job: Job, file: ResultFile, alone: bool) -> str:
        """A name that neither an input nor another output of this run has."""
        from accel.workload import WorkloadError

        stem = job.stem
        own, suffix = UNFIT.sub("_", file.name), suffix_of(file.media_type)
        if not suffix:
            # Of a type that only its workload knows: it may have named the suffix.
            own, suffix = os.path.splitext(own)
            # But what ends in .png is taken for a PNG by whoever opens it.
            suffix = "" if suffix.lower() in IMAGES else suffix
        whole = f"{stem}.{own}" if stem else own
        numbered = (f"{whole}-{number}" for number in itertools.count(2))
        bare = stem[: -len(job.suffix)] if suffix and suffix == ALIASES.get(job.suffix, job.suffix) else ""
        short = [bare, f"{bare}.{own}"] if bare else [stem]
        for name in itertools.chain(short if alone and stem else [], [whole], numbered):
            key = _key(os.path.join(folder, name + suffix))
            if key not in self._inputs and key not in self._taken:
                self._taken.add(key)
                return name + suffix
            if job.exact:
                reason = text(
                    "{folder} is an input, or another output of this run",
                    folder=os.path.join(folder, name + suffix),
                )
                raise WorkloadError(
                    "forbidden", text("{reason}; give the outputs another name with --name", reason=reason)
                )
        raise AssertionError

    def _refuse_foreign(self, path: str) -> None:
        from accel.workload import WorkloadError

        if self._force or not os.path.lexists(path) or self._made.is_ours(path):
            return
        reason = text(
            "{path} is there already and wasn't made by an earlier run; --force replaces it", path=path
        )
        raise WorkloadError("forbidden", reason)

    def _move(self, source: str, path: str, *, last: bool) -> None:
        from accel.workload import WorkloadError

        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not last:
                # Two outputs of equal content are one file as yet.
                source = shutil.copyfile(source, f"{source}.copy")
            replace_file(source, path)
        except PermissionError as error:
            # Windows replaces no file that another program has open, and goes on having.
            raise WorkloadError(
                "forbidden", text("{path} can't be replaced ({strerror})", path=path, strerror=error.strerror)
            ) from None
        except OSError as error:
            if error.errno not in ITS_OWN:
                raise UserError(
                    text("{path} can't be written ({reason}).", path=path, reason=error.strerror)
                ) from None
            said = text("{path} can't be written ({strerror})", path=path, strerror=error.strerror)
            reason = text("{said}; call the input otherwise, or choose another --out", said=said)
            raise WorkloadError("forbidden", reason) from None


def _key(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    # Without case everywhere: Windows and macOS take names for equal that differ in nothing else.
    return os.path.join(_real(folder), name).casefold()


@functools.lru_cache(1024)
def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder)
    except OSError:
        # Windows can't tell where a device lies, for which it takes some names.
        return folder


LEFT_S = 86_400
"""How old a folder is that certainly no run uses any more."""

_NAME = re.compile(r"\.popbridge-(?:([0-9a-f]{8})-(\d+)-)?\w+")


def drafts(out: Path) -> Path:
    """A new folder on the outputs' own disk; those of runs that are gone are cleared. Raises UserError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for left in _left(out):
            shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f".popbridge-{_machine()}-{os.getpid()}-", dir=out.absolute()))
    except OSError as error:
        raise UserError(
            text("The folder {out} can't be made or written to ({reason}).", out=out, reason=error.strerror)
        ) from None


def _left(out: Path) -> Iterator[Path]:
    for path in out.glob(".popbridge-*"):
        name = _NAME.fullmatch(path.name)
        if name and path.is_dir() and not path.is_symlink() and _is_gone(path, name[1], name[2]):
            yield path


def _is_gone(folder: Path, machine: str | None, pid: str | None) -> bool:
    # Processes of another machine that writes to the same disk can't be seen.
    if pid is not None and machine == _machine() and not psutil.pid_exists(int(pid)):
        return True
    try:
        changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return False
    return time.time() - changed > LEFT_S


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
