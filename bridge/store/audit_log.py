"""The audit log: an append-only file of who did what, which shows whether a line was changed or removed.

A line is a JSON object that ends with `mac`, the HMAC-SHA256 (RFC 2104) of its other bytes. These contain its
number and the previous line's MAC, so without the key, no line can be changed, removed, inserted or moved
unnoticed. The database has the number and the MAC of the last line, which shows if the end was cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import hmac
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from filelock import FileLock, Timeout
from msgspec import Struct

from accel.atomic_file import make_private_folder, replace_file, sync_folder
from accel.text import AnyText, text
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.paths import Paths, write_private
from bridge.store.database import (
    BUSY_TIMEOUT_MS,
    connect_readonly,
    file_uri,
    open_database,
)
from bridge.store.private_files import file_key, open_private
from bridge.store.records import FAILURES, now_text

log = logging.getLogger(__name__)

ACTS = {
    "token.create": text("created the token {subject}"),
    "token.revoke": text("revoked the token {subject}"),
    "token.rotate": text("rotated the token {subject}"),
    "key.rotate": text("rotated the master key; the new one is {subject}"),
    "key.export": text("copied the master key to {subject}"),
    "key.import": text("imported the master key {subject}"),
    "certificate.create": text("created a certificate in {subject}"),
    "certificate.renew": text("renewed the certificate in {subject}"),
    "pairing.offer": text("offered a pairing code for {subject}"),
    "pairing": text("paired the device {subject}"),
    "database.restore": text("restored the database from {subject}"),
    "database.reset": text("set the database {subject} aside"),
    "root.register": text("allowed PopBridge to read the project {subject}"),
    "root.remove": text("no longer allows PopBridge to read the project {subject}"),
    "command.apply": text("changed files of the project {subject}"),
    "command.revert": text("reverted a change of the project {subject}"),
    "audit.fix": text("fixed import settings of the project {subject}"),
    "audit.revert": text("reverted a fix of the project {subject}"),
    "addon.install": text("installed the editor addon in {subject}"),
    "addon.remove": text("removed the editor addon from {subject}"),
    "addon.changed": text("files of the editor addon in {subject} were changed"),
    "plugin.new": text("a new plugin: {subject}"),
    "plugin.changed": text("another version of the plugin {subject}"),
    "auth.failed": text("failed to authenticate from {subject}"),
    "log.torn": text("found an incomplete line of a killed process in {subject}"),
    "log.cut": text("found that lines are missing at the end of {subject}"),
    "log.unanchored": text("found no record of the last line of {subject} in the database"),
    "log.prune": text("deleted the oldest lines, in {subject}"),
}
"""All acts, by name, as predicates for people."""

LOCAL_USER = "local user"
"""The principal of acts on the command line, without a daemon."""
PROGRAM = "popbridge"
"""The principal of what PopBridge itself notices."""

MAX_BYTES = 8 << 20
"""Size at which the file is rotated."""
MAX_ROTATED = 16
"""Number of rotated files to keep."""
MAX_LINE = 16 << 10
"""Maximum bytes of a line."""
MAX_TEXT = 1000
"""Maximum characters of a field; of a value in `detail`, a quarter."""
MAX_DETAILS = 16
LOCK_S = 10.0
"""Seconds to wait for another process that appends."""

_MAC = b',"mac":"'
_MAC_SIZE = len(_MAC) + 64 + len(b'"}')


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the log, without its MAC."""

    number: int
    """Counts all lines of all files, from 1."""
    time: str
    """ISO 8601, UTC."""
    act: str
    """A name of `ACTS`."""
    principal: str
    """Who did it: a token's name or id, or `local user`."""
    session: str = ""
    """The session that asked for it."""
    subject: str
    """What it was done to."""
    detail: Mapping[str, str | int] = {}
    key: str
    """Identifies the key of the MAC."""
    previous: str
    """The MAC of the line before, in hex; empty in the first."""


class Line(Struct, frozen=True):
    """A line as it was read."""

    file: Path
    number: int
    """Its number in the file, from 1."""
    data: bytes
    """Its bytes without the line break; cut after `MAX_LINE`."""
    is_whole: bool
    """Whether it ends with a line break."""
    entry: Entry | None
    """None for a line that isn't an entry."""
    mac: str
    """As it stands in the line; empty for a line that isn't an entry."""
    is_valid: bool
    """Whether the MAC is right."""
    has_other_key: bool
    """Whether it isn't valid and names another key."""


class Head(Struct, frozen=True):
    """The position of the last entry."""

    number: int
    mac: str


START = Head(0, "")


class _Tail(Struct, frozen=True):
    """The end of a file."""

    head: Head
    """Of its last valid entry."""
    torn: Sequence[bytes]
    """Lines after that one which aren't entries: killed processes didn't finish them."""
    is_open: bool
    """Whether the last line lacks its line break."""


class AuditLog:
    """The log in the data folder. Processes may append at the same time, and so may threads."""

    def __init__(self, paths: Paths, key: Callable[[], bytes] | None = None) -> None:
        """`key` returns the key of the MACs; without it, the key is in the file `audit.key`."""
        self.path = paths.audit_log
        self._database = paths.database
        self._read_key = key or self._file_key
        self._aside = paths.audit_log.with_suffix(".head")
        """Anchors the last entry while the database is replaced."""
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "audit-log")

    async def record(
        self,
        act: str,
        *,
        principal: str,
        subject: str,
        session: str = "",
        detail: Mapping[str, str | int] = {},
    ) -> None:
        """Records an act of `ACTS` durably, before it is done. In a daemon.

        Raises RequestError if that fails: then the act must not be done.
        """
        work = partial(self._add, act, principal, subject, session, detail)
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        except RuntimeError:
            # `close` was called.
            raise RequestError(errors.SHUTTING_DOWN) from None
        try:
            await future
        except (OSError, *FAILURES, UserError, Timeout) as error:
            code = errors.STORAGE_FULL if _is_full(error) else errors.STORE_UNAVAILABLE
            raise RequestError(
                code, message=self._refusal(error), outcome="not_started", retry_after_ms=5000
            ) from error

    def append(
        self,
        act: str,
        *,
        principal: str = LOCAL_USER,
        subject: str,
        session: str = "",
        detail: Mapping[str, str | int] = {},
    ) -> None:
        """Like `record`, but blocks; for the command line. Raises UserError."""
        self._append(act, principal, subject, session, detail)

    def _append(
        self,
        act: str,
        principal: str,
        subject: str,
        session: str,
        detail: Mapping[str, str | int],
        *,
        anchors: bool = True,
    ) -> Head:
        try:
            return self._add(act, principal, subject, session, detail, anchors=anchors)
        except (OSError, *FAILURES, UserError, Timeout) as error:
            raise UserError(self._refusal(error)) from error

    @contextlib.contextmanager
    def database_change(self, act: str, *, subject: str) -> Iterator[None]:
        """Records an act that replaces the database in the block, and anchors its entry in the new one.

        Raises UserError.
        """
        # The old one is left as it is.
        head = self._append(act, LOCAL_USER, subject, "", {}, anchors=False)
        key = self._read_key()
        try:
            write_private(self._aside, msgspec.json.encode((head.number, head.mac, _seal(key, head))))
        except OSError as error:
            raise UserError(self._refusal(error)) from error
        yield
        if self._database.exists():
            self._write_anchor(key, head)

    def close(self) -> None:
        """Finishes queued records."""
        self._thread.shutdown()

    def files(self) -> list[Path]:
        """Returns the files of the log, oldest first. Raises OSError."""
        rotated = sorted(self.path.parent.glob(f"{self.path.stem}-*{self.path.suffix}"))
        return [*rotated, self.path] if self.path.exists() else rotated

    def lines(self) -> Iterator[Line]:
        """Reads the whole log. Raises UserError if it can't be read."""
        try:
            if not self.files():
                return
            key = self._read_key()
            with contextlib.ExitStack() as stack:
                with self._locked():
                    # A rotation meanwhile moves files, but not those that are open.
                    opened = [
                        (file, stack.enter_context(os.fdopen(open_private(file), "rb")))
                        for file in self.files()
                    ]
                for file, handle in opened:
                    for number, (data, is_whole) in enumerate(_split(handle), 1):
                        yield _parse(file, number, data, is_whole, key)
        except (OSError, Timeout) as error:
            raise self._unreadable(error) from error

    def anchor(self) -> Head | None:
        """Returns what the database recorded of the last entry; None if nothing.

        Raises ValueError if that was changed, and UserError if it can't be read.
        """
        try:
            return self._read_anchor(self._read_key()) if self.files() else None
        except (OSError, *FAILURES) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UserError:
        return UserError(
            text("The audit log {file} can't be read ({reason}).", file=self.path, reason=_reason(error))
        )

    def _file_key(self) -> bytes:
        """Returns the key in `audit.key`, which it creates for a new log. Raises OSError and UserError."""
        path = self.path.with_suffix(".key")
        try:
            return file_key(path, create=not self.files())
        except FileNotFoundError:
            raise UserError(
                text(
                    "The key {key} of the audit log is missing. Restore it, or move the files {log} away to "
                    "start a new log.",
                    key=path,
                    log=self.path.with_name(f"{self.path.stem}*{self.path.suffix}"),
                )
            ) from None

    def _refusal(self, error: Exception) -> AnyText:
        if isinstance(error, UserError):
            return error.text
        return text(
            "Nothing was done, because the audit log {file} can't be written ({reason}). Free disk space, or "
            "make the file writable.",
            file=self.path,
            reason=_reason(error),
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock, FileLock(self.path.with_suffix(".lock"), timeout=LOCK_S, mode=0o600):
            yield

    def _add(
        self,
        act: str,
        principal: str,
        subject: str,
        session: str,
        detail: Mapping[str, str | int],
        *,
        anchors: bool = True,
    ) -> Head:
        if act not in ACTS:
            raise ValueError(f"{act!r} is not declared in ACTS")
        make_private_folder(self.path.parent)
        with self._locked():
            key = self._read_key()
            anchor: Head | None
            try:
                anchor = self._read_anchor(key)
            except ValueError:
                anchor = None
            except (OSError, *FAILURES) as error:
                log.info("the audit log's anchor can't be read: %s", error)
                anchor = START
            tails = [_tail(file, key) for file in self.files()[-2:]]
            head = max((tail.head for tail in tails), key=lambda head: head.number, default=START)
            torn, is_open = (tails[-1].torn, tails[-1].is_open) if self.path.exists() else ((), False)
            expired: list[Path] = []
            if not torn and self.path.exists() and self.path.stat().st_size >= MAX_BYTES:
                expired = self._rotate(head.number)
            batch = _Batch(key, head, self.path.name)
            if anchor is not None and anchor.number >= head.number and anchor != head:
                batch.head = anchor
                batch.add(
                    "log.cut", detail={"first": min(head.number + 1, anchor.number), "last": anchor.number}
                )
            elif anchor is None and head.number:
                batch.add("log.unanchored")
            if torn:
                batch.add("log.torn", detail={"lines": len(torn), "sha256": torn_digest(torn)})
            if expired:
                batch.add("log.prune", expired[-1].name, {"through": _tail(expired[-1], key).head.number})
            batch.add(act, subject, detail, principal, session)
            self._write((b"\n" if is_open else b"") + batch.data)
            for file in expired:
                with contextlib.suppress(OSError):
                    file.unlink()
            if anchors:
                self._write_anchor(key, batch.head)
            return batch.head

    def _write(self, data: bytes) -> None:
        """Appends and syncs, or leaves the file as it was. Raises OSError."""
        is_new = not self.path.exists()
        opened = open_private(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(opened).st_size
            try:
                if os.write(opened, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(opened)
            except OSError:
                # The act won't be done. Where the file may only grow, the next line tells of this one.
                with contextlib.suppress(OSError):
                    os.ftruncate(opened, size)
                raise
        finally:
            os.close(opened)
        if is_new:
            sync_folder(self.path.parent)

    def _rotate(self, last: int) -> list[Path]:
        """Renames the file by its last entry's number. Returns the files that are too many."""
        try:
            replace_file(self.path, self.path.with_name(f"{self.path.stem}-{last:012}{self.path.suffix}"))
            sync_folder(self.path.parent)
        except OSError as error:
            # On Windows, a reader may have it open. It grows until the next try.
            log.info("the audit log isn't rotated: %s", error)
            return []
        return self.files()[:-MAX_ROTATED]

    def _read_anchor(self, key: bytes) -> Head | None:
        """Raises FAILURES, OSError, and ValueError if it was changed."""
        rows = [self._stored_anchor(), self._anchor_aside()]
        heads = [_unsealed(key, row) for row in rows if row is not None]
        return max(heads, key=lambda head: head.number, default=None)

    def _anchor_aside(self) -> tuple[Any, ...] | None:
        try:
            with os.fdopen(open_private(self._aside), "rb") as file:
                return msgspec.json.decode(file.read(MAX_LINE), type=tuple[int, str, str])
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise ValueError(f"{self._aside} is damaged") from error

    def _stored_anchor(self) -> tuple[Any, ...] | None:
        if not self._database.exists():
            return None
        with contextlib.closing(connect_readonly(self._database)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'audit_head'").fetchone():
                return None
            row: tuple[Any, ...] | None = connection.execute(
                "SELECT number, mac, seal FROM audit_head"
            ).fetchone()
        return row

    def _write_anchor(self, key: bytes, head: Head) -> None:
        try:
            # Creates or migrates it for a command that runs before any daemon.
            if not self._database.exists():
                open_database(self._database).conn.close()
            uri = f"{file_uri(self._database.resolve())}?mode=rw"
            with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
                connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
                # A sync would keep the daemon's own writes waiting; in WAL mode, only checkpoints sync then.
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA wal_autocheckpoint = 0")
                if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'audit_head'").fetchone():
                    open_database(self._database).conn.close()
                connection.execute(
                    "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)",
                    (head.number, head.mac, _seal(key, head)),
                )
            self._aside.unlink(missing_ok=True)
        except (OSError, UserError, *FAILURES) as error:
            # The entry is durable, and the next one anchors it.
            log.info("the last line of the audit log isn't anchored in the database: %s", error)


class _Batch:
    """Lines to append, each chained to the one before."""

    def __init__(self, key: bytes, head: Head, file: str) -> None:
        self.head = head
        self.data = b""
        self._key = key
        self._file = file

    def add(
        self,
        act: str,
        subject: str = "",
        detail: Mapping[str, str | int] = {},
        principal: str = PROGRAM,
        session: str = "",
    ) -> None:
        entry = Entry(
            number=self.head.number + 1,
            time=now_text(),
            act=act,
            principal=_clean(principal),
            session=_clean(session),
            subject=_clean(subject or self._file),
            detail={
                _clean(name, 50): value if isinstance(value, int) else _clean(value, MAX_TEXT // 4)
                for name, value in [*detail.items()][:MAX_DETAILS]
            },
            key=_key_id(self._key),
            previous=self.head.mac,
        )
        content = msgspec.json.encode(entry)[:-1]
        mac = _mac(self._key, content)
        self.data += content + _MAC + mac.encode() + b'"}\n'
        self.head = Head(entry.number, mac)


def _tail(file: Path, key: bytes) -> _Tail:
    """Reads the end of a file. Raises OSError."""
    with os.fdopen(open_private(file), "rb") as handle:
        end = size = os.fstat(handle.fileno()).st_size
        torn: list[bytes] = []
        is_open = False
        while end > 0:
            begin = max(0, end - 4 * MAX_LINE)
            handle.seek(begin)
            lines = handle.read(end - begin).split(b"\n")
            is_open = is_open or (end == size and lines[-1] != b"")
            # The first one may have begun earlier.
            for data in reversed(lines[1:] if begin else lines):
                line = _parse(file, 0, data, True, key)
                if line.is_valid and line.entry is not None:
                    return _Tail(Head(line.entry.number, line.mac), torn[::-1], is_open)
                if data and line.entry is None:
                    torn.append(data)
            end = begin + len(lines[0]) + 1 if begin and len(lines) > 1 else begin
    return _Tail(START, torn[::-1], is_open)


def torn_digest(torn: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\n".join(torn)).hexdigest()


def _split(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yields lines without their break, cut after `MAX_LINE`, and whether they have one."""
    while data := file.readline(MAX_LINE):
        rest = data
        while not rest.endswith(b"\n") and (rest := file.readline(MAX_LINE)):
            pass
        yield data.removesuffix(b"\n"), rest.endswith(b"\n")


def _parse(file: Path, number: int, data: bytes, is_whole: bool, key: bytes) -> Line:
    content, end = data[:-_MAC_SIZE], data[-_MAC_SIZE:]
    entry, mac = None, ""
    if end.startswith(_MAC) and end.endswith(b'"}'):
        with contextlib.suppress(msgspec.DecodeError):
            entry = msgspec.json.decode(content + b"}", type=Entry)
            mac = end[len(_MAC) : -2].decode("ascii", "replace")
    is_valid = entry is not None and hmac.compare_digest(_mac(key, content).encode(), mac.encode())
    has_other_key = entry is not None and not is_valid and entry.key != _key_id(key)
    return Line(file, number, data, is_whole, entry, mac, is_valid, has_other_key)


def _mac(key: bytes, content: bytes) -> str:
    return hmac.digest(key, b"entry:" + content, "sha256").hex()


def _unsealed(key: bytes, row: tuple[Any, ...]) -> Head:
    head = Head(row[0], row[1])
    if not hmac.compare_digest(_seal(key, head).encode(), str(row[2]).encode()):
        raise ValueError("the anchor's seal is wrong")
    return head


def _seal(key: bytes, head: Head) -> str:
    return hmac.digest(key, f"head:{head.number}:{head.mac}".encode(), "sha256").hex()


def _key_id(key: bytes) -> str:
    return hmac.digest(key, b"id", "sha256").hex()[:8]


def _clean(value: str, size: int = MAX_TEXT) -> str:
    """Cuts a text, and escapes bytes of file names that aren't UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode()[:size]


def _is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def _reason(error: Exception) -> AnyText:
    if isinstance(error, Timeout):
        return text("another process is writing it")
    return getattr(error, "strerror", None) or str(error)
