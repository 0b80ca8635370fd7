"""Incomplete blobs, which later uploads can resume."""

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


PART_KEEP_S = 86_400.0
"""Seconds after its last write until a partial blob is deleted."""

DISK_FULL_ERRNOS = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""Error numbers for a full disk."""

_FILE = re.compile(r"([0-9a-f]{64})\.[0-9a-f]{32}\.part")


class PartialBlob:
    """The first bytes of a blob, used by at most one upload."""

    def __init__(self, path: Path, size: int, digest: Any = None) -> None:
        """`digest` is the SHA-256 state after these bytes, if known."""
        self.path = path
        self.size = size
        self.digest = digest

    @property
    def name(self) -> str:
        return self.path.name[:64]


class PartialBlobs:
    """Partial blobs without an active upload; for each blob, only the longest is kept."""

    def __init__(self, folder: Path) -> None:
        """Finds the partial blobs of an earlier run. Raises OSError."""
        self.folder = folder
        self._lock = threading.RLock()
        self._idle: dict[str, PartialBlob] = {}
        self.bytes = 0
        """Total bytes of partial blobs, including those being uploaded."""
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            if _FILE.fullmatch(path.name):
                size = path.stat().st_size
                self.bytes += size
                self.leave(PartialBlob(path, size))

    def new(self, name: str) -> PartialBlob:
        """Returns an empty partial blob. The upload creates its file."""
        return PartialBlob(self.folder / f"{name}.{uuid.uuid4().hex}.part", 0, hashlib.sha256())

    def offset(self, name: str) -> int:
        """Returns the offset in bytes from which an upload can resume; 0 to start anew."""
        with self._lock:
            part = self._idle.get(name)
            if part is not None and _size(part.path) != part.size:
                # The file was deleted or changed.
                self.forget(name)
                return 0
            return part.size if part else 0

    def take(self, name: str, offset: int) -> PartialBlob | None:
        """Takes the partial blob with `offset` bytes, or a new one for 0. Returns None if there is none."""
        with self._lock:
            if offset != self.offset(name):
                return None
            return self._idle.pop(name, None) or self.new(name)

    def leave(self, part: PartialBlob) -> None:
        """Stores a partial blob for a later upload to resume. Of two, the longer one is kept."""
        with self._lock:
            other = self._idle.get(part.name)
            longer, shorter = (part, other) if other is None or part.size > other.size else (other, part)
            if longer.size:
                self._idle[part.name] = longer
            else:
                self.drop(longer)
            if shorter is not None:
                self.drop(shorter)

    def drop(self, part: PartialBlob) -> None:
        """Deletes the file of a partial blob."""
        with contextlib.suppress(OSError):
            part.path.unlink(missing_ok=True)
        self.account(-part.size)

    def forget(self, name: str) -> None:
        """Deletes the partial blob `name`."""
        with self._lock:
            if part := self._idle.pop(name, None):
                self.drop(part)

    def expire(self, before: float) -> int:
        """Deletes those not written since `before`. Returns the number of bytes freed."""
        with self._lock:
            late = [part for part in self._idle.values() if _time(part.path) < before]
            for part in late:
                self.forget(part.name)
        return sum(part.size for part in late)

    def account(self, size: int) -> None:
        """Adds `size` bytes, possibly negative, to the total."""
        with self._lock:
            self.bytes += size


class Upload:
    """An upload of a blob. `commit` makes the blob available under its name.

    Without `commit`, the received bytes stay for a resumed upload, unless they were rejected.
    """

    def __init__(self, store: BlobStore, place: Path, part: PartialBlob | None) -> None:
        self._store = store
        self._place = place
        self._part: PartialBlob | None = part or store.parts.new(place.name)
        self._file: FileIO | None = None
        # It may be closed while a thread is still writing.
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
        """Number of bytes received so far."""
        return self._part.size if self._part else 0

    def write(self, *pieces: bytes) -> None:
        """Appends bytes. Raises RequestError: `too_large`, `storage_full`, or `bad_input` if the earlier
        bytes are gone. Raises OSError for a full disk."""
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
                # Part of it may have been written.
                file.truncate(part.size)
                raise
            for piece in pieces:
                part.digest.update(piece)
            part.size += size
            self._store.parts.account(size)

    def commit(self) -> None:
        """Verifies the SHA-256 and stores the blob. Raises RequestError `bad_input` for another digest."""
        with self._lock:
            file, part = self._open(), self._part
            assert part is not None
            if part.digest.hexdigest() != self.name:
                reason = text(
                    "the bytes have SHA-256 {hexdigest}; upload the blob again",
                    hexdigest=part.digest.hexdigest(),
                )
                raise RequestError(errors.BAD_INPUT, name=text("Blob {name}", name=self.name), reason=reason)
            # The client may now delete its copy, so a power failure must not lose this one.
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
                reason = text("the earlier bytes were deleted; upload the blob again")
                raise RequestError(errors.BAD_INPUT, name=text("Blob {name}", name=self.name), reason=reason)
            if self._part.digest is None:
                with self._part.path.open("rb") as written:
                    self._part.digest = hashlib.file_digest(written, hashlib.sha256)
            self._file = FileIO(self._part.path, "ab")
        return self._file

    def _end(self) -> PartialBlob | None:
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
