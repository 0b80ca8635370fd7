"""What has arrived of blobs that aren't whole yet: files in a folder, that an upload goes on with."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import threading
import uuid
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError

if TYPE_CHECKING:
    from bridge.store.blobs import BlobStore


KEEP_S = 86_400.0
"""How long a part waits for the rest, seconds since something of it came."""

NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""How systems say that a disk is full."""

_FILE = re.compile(r"([0-9a-f]{64})\.[0-9a-f]{32}\.part")


class Part:
    """The first bytes of a blob, that no upload is at work on, or one alone."""

    def __init__(self, path: Path, size: int, digest: Any = None) -> None:
        """`digest` is of these bytes, None where it isn't known (any more)."""
        self.path = path
        self.size = size
        self.digest = digest

    @property
    def name(self) -> str:
        return self.path.name[:64]


class Parts:
    """The parts that wait for the rest: one, the longest, of each blob."""

    def __init__(self, folder: Path) -> None:
        """Finds those of an earlier daemon. Raises OSError."""
        self.folder = folder
        self._lock = threading.RLock()
        self._idle: dict[str, Part] = {}
        self.bytes = 0
        """Bytes of all parts, those under way too."""
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if _FILE.fullmatch(path.name):
                size = path.stat().st_size
                self.bytes += size
                self.leave(Part(path, size))

    def new(self, name: str) -> Part:
        """An empty one, which its upload makes."""
        return Part(self.folder / f"{name}.{uuid.uuid4().hex}.part", 0, hashlib.sha256())

    def offset(self, name: str) -> int:
        """Bytes that an upload can go on after; 0 where nothing waits."""
        with self._lock:
            part = self._idle.get(name)
            if part is not None and _size(part.path) != part.size:
                # Somebody has removed it.
                self.forget(name)
                return 0
            return part.size if part else 0

    def take(self, name: str, offset: int) -> Part | None:
        """The part with so many bytes, for one upload alone; an empty one for 0. None where there is none."""
        with self._lock:
            if offset != self.offset(name):
                return None
            return self._idle.pop(name, None) or self.new(name)

    def leave(self, part: Part) -> None:
        """Has the part wait for the rest; of two the longer one stays."""
        with self._lock:
            other = self._idle.get(part.name)
            kept, passed = (part, other) if other is None or part.size > other.size else (other, part)
            if kept.size:
                self._idle[part.name] = kept
            else:
                self.drop(kept)
            if passed is not None:
                self.drop(passed)

    def drop(self, part: Part) -> None:
        """Removes the part's file."""
        with contextlib.suppress(OSError):
            part.path.unlink(missing_ok=True)
        self.account(-part.size)

    def forget(self, name: str) -> None:
        """Removes what waits of a blob."""
        with self._lock:
            if part := self._idle.pop(name, None):
                self.drop(part)

    def expire(self, before: float) -> int:
        """Removes what nothing was added to since `before`; gives the bytes that this freed."""
        with self._lock:
            late = [part for part in self._idle.values() if _time(part.path) < before]
            for part in late:
                self.forget(part.name)
        return sum(part.size for part in late)

    def account(self, size: int) -> None:
        """So many bytes came, or went."""
        with self._lock:
            self.bytes += size


class Upload:
    """One blob on its way in; a file appears under its name only by `commit`.

    What has come when it is left before that waits for the rest, unless it was refused.
    """

    def __init__(self, store: BlobStore, place: Path, part: Part | None) -> None:
        self._store = store
        self._place = place
        self._part: Part | None = part or store.parts.new(place.name)
        self._file: FileIO | None = None
        # One may be left while a thread is still writing.
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            part = self._end()
            if part is not None:
                (self._store.parts.drop if isinstance(error, RequestError) else self._store.parts.leave)(part)

    @property
    def name(self) -> str:
        return self._place.name

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._part.size if self._part else 0

    def write(self, *pieces: bytes) -> None:
        """Adds bytes. Raises RequestError: `too_large`, `storage_full`, `bad_input` where what came before is
        gone; OSError for a full disk."""
        with self._lock:
            file, part = self._open(), self._part
            assert part is not None
            size = sum(map(len, pieces))
            self._store.refuse_size(f"Blob {self.name}", part.size + size)
            self._store.refuse_full(f"Blob {self.name}", size)
            try:
                for piece in pieces:
                    _write(file, piece)
            except OSError:
                # A part of it may have been written.
                file.truncate(part.size)
                raise
            for piece in pieces:
                part.digest.update(piece)
            part.size += size
            self._store.parts.account(size)

    def commit(self) -> None:
        """The blob is there. Raises RequestError `bad_input` where the bytes aren't those of the name."""
        with self._lock:
            file, part = self._open(), self._part
            assert part is not None
            if part.digest.hexdigest() != self.name:
                reason = text(
                    "the bytes have SHA-256 {hexdigest}; send them again from the first one",
                    hexdigest=part.digest.hexdigest(),
                )
                raise RequestError(errors.BAD_INPUT, name=text("Blob {self}", self=self.name), reason=reason)
            # Who sent it may forget it now, which the machine's power must not undo.
            os.fsync(file.fileno())
            self._end()
            try:
                self._store.adopt(part.path, self.name)
            except OSError:
                self._store.parts.leave(part)
                raise
            self._store.parts.account(-part.size)
            self._store.parts.forget(self.name)

    def _open(self) -> FileIO:
        if self._part is None:
            raise ValueError("the upload has ended")
        if self._file is None:
            self._store.ready()
            if _size(self._part.path) != self._part.size:
                reason = text("what had come of it was removed; send it again from the first byte")
                raise RequestError(errors.BAD_INPUT, name=text("Blob {self}", self=self.name), reason=reason)
            if self._part.digest is None:
                with self._part.path.open("rb") as written:
                    self._part.digest = hashlib.file_digest(written, hashlib.sha256)
            self._file = FileIO(self._part.path, "ab")
        return self._file

    def _end(self) -> Part | None:
        part, self._part = self._part, None
        if self._file is not None:
            self._file.close()
            self._file = None
        return part


def _write(file: FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:
        rest = rest[file.write(rest) :]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
