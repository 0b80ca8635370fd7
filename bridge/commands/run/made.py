"""What earlier runs made, in a file that can be thrown away: what is current, and what is ours to replace."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from bridge.audit.cache import Stat
from bridge.store.cachefile import open_cache
from bridge.store.failures import FAILURES

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


class Made:
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
        row = (_key(path), key, stat.size, stat.modified, int(time.time()))
        self._run("REPLACE INTO outputs VALUES (?, ?, ?, ?, ?)", row)

    def done(self, key: bytes, inputs: Inputs, outputs: Iterable[str]) -> None:
        """Remembers a job whose outputs are all written."""
        paths = [os.fsencode(path) for path in outputs]
        row = (key, msgspec.msgpack.encode(inputs), msgspec.msgpack.encode(paths), int(time.time()))
        self._run("REPLACE INTO jobs VALUES (?, ?, ?, ?)", row)

    def _maker(self, path: str) -> bytes | None:
        """The job that made a file which hasn't changed since."""
        row = self._row("SELECT size, modified, job FROM outputs WHERE path = ?", _key(path))
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


def states(files: Iterable[str]) -> Inputs:
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


def _key(path: str) -> bytes:
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
