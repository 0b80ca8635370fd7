"""What earlier runs found out about a project's textures, in a file that can be thrown away."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from accel.image import reading
from bridge.store.cachefile import open_cache
from bridge.store.failures import FAILURES

RACY_NS = 2_000_000_000
"""A file that changed so short before it was examined may have changed once more with the same time."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Another audit of the same project writes, and longer than one waits for it: nothing is broken."""

VERSION = 2
# Not WITHOUT ROWID: rows of more than 1,002 bytes would take a page of 4 KiB each.
_TABLE = f"""
CREATE TABLE IF NOT EXISTS textures (
    file BLOB PRIMARY KEY, size INTEGER, modified INTEGER, trusted INTEGER, question BLOB, content BLOB,
    answer BLOB
);
CREATE INDEX IF NOT EXISTS by_content ON textures (size, question, content);
PRAGMA user_version = {VERSION};
"""


class Stat(Struct, frozen=True):
    """What tells without reading it whether a file is the one that was examined."""

    size: int
    modified: int
    """Nanoseconds."""

    @classmethod
    def of(cls, path: Path) -> Stat:
        """Raises OSError."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns)


class Cache:
    """Answers by file and question; a question is a digest of all that an answer depends on but the file.

    It is never worth an error: a broken file is made anew, and one that can't be used is done without.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lasting = False
        """Whether the next run will know what this one finds: not where the file can't be used."""
        try:
            self._db = self._open(path)
        except (*FAILURES, OSError) as error:
            self._db = self._open(None) if _busy(error) else self._anew()

    def get(self, path: Path, file: str, stat: Stat, question: bytes) -> bytes | None:
        """The answer for a file that is unchanged, or whose bytes were examined under another time."""
        try:
            return self._get(path, file, stat, question)
        except FAILURES as error:
            self._failed(error)
            return None

    def put(self, file: str, stat: Stat, question: bytes, content: str, answer: bytes) -> None:
        """Keeps an answer; `content` is the SHA-256 of the file, empty if it isn't known."""
        trusted = stat.modified < time.time_ns() - RACY_NS
        row = (os.fsencode(file), stat.size, stat.modified, trusted, question, _digest(content), answer)
        try:
            self._db.execute("REPLACE INTO textures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except FAILURES as error:
            self._failed(error)

    def prune(self, files: Iterable[str], count: int) -> None:
        """Forgets all but `count` files, once the others are as many."""
        with contextlib.suppress(*FAILURES):
            (rows,) = self._db.execute("SELECT count(*) FROM textures").fetchone()
            if rows <= 2 * count + 100:
                return
            self._db.execute("CREATE TEMP TABLE there (file BLOB PRIMARY KEY) WITHOUT ROWID")
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO there VALUES (?)", ((os.fsencode(file),) for file in files))
            self._db.execute("DELETE FROM textures WHERE file NOT IN (SELECT file FROM there)")
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Keeps everything for the next run."""
        self._db.close()

    def _get(self, path: Path, file: str, stat: Stat, question: bytes) -> bytes | None:
        key = os.fsencode(file)
        known = self._db.execute(
            "SELECT modified, trusted, size, answer FROM textures WHERE file = ? AND question = ?",
            (key, question),
        ).fetchone()
        if known and known[:3] == (stat.modified, 1, stat.size):
            return _blob(known[3])
        # Reading the file is worth while only where one of its size has answered the same question.
        candidate = self._db.execute(
            "SELECT 1 FROM textures WHERE size = ? AND question = ? AND content != x'' LIMIT 1",
            (stat.size, question),
        ).fetchone()
        if not candidate:
            return None
        content = content_of(path)
        found = self._db.execute(
            "SELECT answer FROM textures WHERE size = ? AND question = ? AND content = ? LIMIT 1",
            (stat.size, question, _digest(content)),
        ).fetchone()
        answer = _blob(found[0]) if found and content else None
        if answer is not None:
            self.put(file, stat, question, content, answer)
        return answer

    def _failed(self, error: Exception) -> None:
        if not _busy(error):
            self._db = self._anew()

    def _anew(self) -> sqlite3.Connection:
        with contextlib.suppress(AttributeError, *FAILURES):
            self._db.close()
        try:
            for suffix in () if self._path is None else ("", "-journal", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            return self._open(self._path)
        except (*FAILURES, OSError):
            return self._open(None)

    def _open(self, path: Path | None) -> sqlite3.Connection:
        db = open_cache(path, VERSION, _TABLE)
        self.lasting = path is not None
        return db


def content_of(path: Path) -> str:
    """SHA-256 of a file; empty where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def question_of(*parts: Any) -> bytes:
    """A digest of what an answer depends on, among it how images are read."""
    import msgspec

    asked = msgspec.msgpack.encode([reading.VERSION, *parts], order="sorted")
    return hashlib.blake2b(asked, digest_size=16).digest()


def _digest(content: str) -> bytes:
    with contextlib.suppress(ValueError):
        return bytes.fromhex(content)
    return b""


def _blob(value: Any) -> bytes | None:
    # In a damaged file a value may be of any type.
    return value if isinstance(value, bytes) else None


def _busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY
