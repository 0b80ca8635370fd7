"""Content-addressed files, and their garbage collection."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import logging
import os
import re
import stat
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from msgspec import Struct

from accel.atomic_file import DESCRIPTOR_ERRNOS, WAITS_S
from accel.text import AnyText, text
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.settings import MIN_BLOB_KEEP_S
from bridge.store.blob_encryption import PlainCopies, is_encrypted, plain_size, seal_file, seal_in_place
from bridge.store.encryption import SealError, Vault
from bridge.store.uploads import PART_KEEP_S, PartialBlob, PartialBlobs, Upload

Clock = Callable[[], float]

CLOCK_SLACK_S = 3.0
"""Seconds that a file's time may lag behind the clock, as FAT has a resolution of 2 s."""


class ClockMark(Struct, frozen=True):
    """A moment by the wall clock and the monotonic clock, in seconds."""

    wall: float
    steady: float


class BlobClock:
    """A wall clock for the age of files that never runs ahead of the monotonic clock.

    Setting the wall clock forward doesn't age files; setting it back makes them seem younger.
    """

    def __init__(self, wall: Clock = time.time, steady: Clock = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._start = self.mark()

    def mark(self) -> ClockMark:
        """Returns the current moment."""
        return ClockMark(self._wall(), self._steady())

    def now(self) -> float:
        """Returns seconds since 1970, at most the start plus the monotonic time since then."""
        return min(self._wall(), self._start.wall + self._steady() - self._start.steady)

    def since(self, mark: ClockMark) -> float:
        """Returns a lower bound for the times of files written since `mark`, even if the clock was set once
        in between."""
        return min(mark.wall, self._wall() - (self._steady() - mark.steady)) - CLOCK_SLACK_S


class BlobCounter:
    """Counts blobs and their bytes, while scans of the folder correct the totals.

    The caller must hold a lock.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._came: dict[str, int] = {}
        self._is_scanning = False
        self._seen: set[str] = set()

    def came(self, name: str, size: int) -> None:
        """Counts a new blob of `size` bytes, unless a scan already counted it."""
        if name in self._seen:
            self._seen.remove(name)
            return
        if self._is_scanning:
            self._came[name] = size
        self.count += 1
        self.bytes += size

    def went(self, name: str, size: int) -> None:
        """Subtracts a deleted blob."""
        self._came.pop(name, None)
        self._seen.discard(name)
        self.count -= 1
        self.bytes -= size

    def begin(self) -> None:
        """Starts a scan; an earlier one may have ended early."""
        self._is_scanning = True
        self._came.clear()

    def counted(self, count: int, size: int, young: set[str]) -> None:
        """Ends a scan that found `count` blobs of `size` bytes in total.

        `young` are those that may be newer than its start, or will still be counted by `came`.
        """
        missed = [size for name, size in self._came.items() if name not in young]
        self.count = count + len(missed)
        self.bytes = size + sum(missed)
        self._seen = young - self._came.keys()
        self._is_scanning = False
        self._came.clear()


log = logging.getLogger(__name__)

NAME = re.compile(r"[0-9a-f]{64}")
DRAFT = re.compile(r"\.[0-9a-f]{32}\.part")
EMPTY = hashlib.sha256(b"").hexdigest()
FOLDER_REMOVED = (
    "the folder of blobs %s was deleted while the daemon was running; it is created again, its blobs are lost"
)
PRESSURE = 0.9
"""Share of the quota above which `on_pressure` is called."""


class BlobStore:
    """A folder of complete, verified blobs, named by their SHA-256.

    A file's modification time is its last use. All methods are thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        max_size: int,
        quota: int = 0,
        ages: BlobClock | None = None,
        *,
        vault: Vault | None = None,
        seals: bool = False,
    ) -> None:
        """`max_size` limits a single blob and `quota` all of them, in bytes; a quota of 0 means none. Private
        blobs, with `seals` all, are encrypted with `vault`. Raises OSError."""
        self.folder = folder
        self.vault = vault or Vault()
        self._seals = seals
        self.max_size = max_size
        self.quota = quota
        self.ages = ages or BlobClock()
        self.on_pressure: Callable[[], None] = lambda: None
        """Called from any thread when little of the quota is left."""
        self.removed = 0
        """Number of blobs deleted since the start."""
        self.removed_bytes = 0
        self._lock = threading.RLock()
        self._pins: Counter[str] = Counter()
        self._work: dict[WorkLease, ClockMark] = {}
        self._is_lost = False
        self._tally = BlobCounter()
        folder.mkdir(parents=True, exist_ok=True)
        # Files left by a killed daemon.
        for draft in folder.glob(".*.part"):
            draft.unlink(missing_ok=True)
        for gone in folder.glob(".*.gone"):
            os.replace(gone, folder / gone.stem[1:])
        self.drafts = folder / "private"
        """Where workers write private outputs, which are encrypted at once. What an earlier daemon left there
        was never delivered."""
        for entry in self.drafts.iterdir() if self.drafts.is_dir() else ():
            entry.unlink(missing_ok=True)
        self._copies = PlainCopies(folder, self.vault)
        self.parts = PartialBlobs(folder / "uploads")
        self._parts_path = str(self.parts.folder)

    @property
    def count(self) -> int:
        """Number of blobs; like `size`, known after the first sweep."""
        return self._tally.count

    @property
    def size(self) -> int:
        """Total bytes of all blobs."""
        return self._tally.bytes

    @property
    def used(self) -> int:
        """Bytes that count against the quota: blobs and partial blobs."""
        return self.size + self.parts.bytes

    def ready(self) -> None:
        """Recreates the folders if they were deleted. Raises OSError."""
        # Every job waits for this, and `Path` takes longer than the system call.
        if os.path.isdir(self._parts_path):
            return
        with self._lock:
            if not self.folder.is_dir():
                log.log(logging.DEBUG if self._is_lost else logging.WARNING, FOLDER_REMOVED, self.folder)
                self._is_lost = True
                self._tally = BlobCounter()
            self.parts.folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Returns the blob's path. Raises RequestError: `not_found`, or `bad_input` for an invalid name."""
        path = self.place(name)
        if not _is_complete(path):
            raise RequestError(errors.NOT_FOUND, name=text("Blob {name}", name=name))
        return path

    def place(self, name: str) -> Path:
        """Returns the path for a name. Raises RequestError `bad_input` for an invalid name."""
        if not NAME.fullmatch(name):
            reason = text("a blob's name is its SHA-256, 64 lower-case hex digits")
            raise RequestError(errors.BAD_INPUT, name=name[:80], reason=reason)
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether the blob exists. Raises RequestError `bad_input` for an invalid name."""
        return _is_complete(self.place(name))

    def use(self, name: str, *, every_s: float = 0.0) -> Path:
        """Returns the blob's path, and records a use unless the last was less than `every_s` seconds ago."""
        with self._lock:
            path = self.path(name)
            # A file whose time can't be set, for example on a read-only disk, can't be deleted either.
            with contextlib.suppress(OSError):
                if not every_s or self.ages.now() - path.stat().st_mtime > every_s:
                    os.utime(path)
        return path

    @property
    def seals(self) -> bool:
        """Whether all blobs are encrypted."""
        return self._seals and bool(self.vault.form)

    def size_of(self, name: str) -> int:
        """Returns a blob's size in bytes. Raises RequestError like `path`."""
        path = self.path(name)
        size = path.stat().st_size
        return plain_size(size) if is_encrypted(path) else size

    def plain(self, path: Path) -> Path:
        """Returns a file with the content of the blob at `path`: that itself, or a copy if it is encrypted.

        The copy exists as long as work knows it, and some minutes more. Decrypting takes 1 ms per MiB. Raises
        RequestError `not_found` for a blob that can't be decrypted.
        """
        if not is_encrypted(path):
            return path
        try:
            return self._copies.copy(path)
        except SealError as error:
            log.error("blob %s can't be decrypted: %s", path.name, error)
            raise RequestError(errors.NOT_FOUND, name=text("Blob {name}", name=path.name)) from None

    def is_copy(self, path: str) -> bool:
        """Whether a file is the plain copy of an encrypted blob."""
        return os.path.dirname(path) == str(self._copies.folder)

    def put(self, data: bytes, *, private: bool = False) -> str:
        """Stores `data` and returns its name. Raises RequestError `too_large`, `storage_full`
        or `out_of_descriptors`."""
        name = hashlib.sha256(data).hexdigest()
        private = self.seals or (private and bool(self.vault.form))
        with contextlib.suppress(RequestError):
            path = self.use(name)
            if private and not is_encrypted(path):
                self._seal(path, name)
            return name
        self.refuse_size(f"Blob {name}", len(data))
        self.refuse_full(f"Blob {name}", len(data))
        draft = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            self.ready()
            draft.write_bytes(data) if not private else self._write_sealed(draft, data, name)
            self.adopt(draft, name)
        except OSError as error:
            raise write_error(f"Blob {name}", error) from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        return name

    def receive(self, name: str, part: PartialBlob | None = None) -> Upload:
        """Starts an upload or continues `part`. Raises RequestError `bad_input` for an invalid name."""
        return Upload(self, self.place(name), part)

    def _write_sealed(self, draft: Path, data: bytes, name: str) -> None:
        with draft.open("xb") as target:
            seal_file(io.BytesIO(data), target, self.vault, name)

    def _seal(self, path: Path, name: str) -> None:
        """Encrypts a file in place. Raises OSError."""
        before = path.stat()
        seal_in_place(path, self.vault, name)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def adopt_private(self, name: str) -> None:
        """Encrypts an output that a worker wrote to `drafts` and moves it to the blob's path. Raises
        OSError."""
        draft = self.drafts / name
        # Two jobs may have made the same.
        with contextlib.suppress(FileNotFoundError):
            if self.vault.form:
                self._seal(draft, name)
            self.adopt(draft, name)

    def adopt(self, draft: Path, name: str) -> None:
        """Moves a complete, verified file to the blob's path. Raises OSError."""
        if self.seals and not is_encrypted(draft):
            self._seal(draft, name)
        # Virus scanners open new files; wait for them without holding the lock.
        for wait_s in WAITS_S:
            with contextlib.suppress(PermissionError):
                return self._adopt(draft, name)
            time.sleep(wait_s)
        self._adopt(draft, name)

    def _adopt(self, draft: Path, name: str) -> None:
        size = draft.stat().st_size
        with self._lock:
            place = self.folder / name
            # Windows can't replace a file that a worker has open, and there is no need to.
            if _is_complete(place) and (is_encrypted(place) or not is_encrypted(draft)):
                draft.unlink(missing_ok=True)
                os.utime(place)
                return
            os.replace(draft, place)
            self.came(name, size)

    def seal_old(self, path: str) -> os.stat_result | None:
        """Encrypts a blob from before all were encrypted. Returns its new state, None if it is unchanged."""
        if not self.seals or is_encrypted(path):
            return None
        with self._lock:
            self._seal(Path(path), os.path.basename(path))
            return os.stat(path)

    def expire_copies(self, before: float) -> None:
        """Deletes plain copies that weren't used since `before`. Raises OSError."""
        self._copies.expire(before)

    def close(self) -> None:
        """Deletes all plain copies."""
        self._copies.close()

    def refuse_size(self, name: str, size: int) -> None:
        """Raises RequestError `too_large` if `size` exceeds the limit."""
        if size > self.max_size:
            raise RequestError(
                errors.TOO_LARGE,
                name=name,
                size=f"{size} bytes",
                limit=f"{self.max_size} bytes",
                setting="blobs.max_size",
            )

    def over(self, more: int = 0) -> int:
        """Returns by how many bytes the quota would be exceeded with `more` bytes added."""
        return max(0, self.used + more - self.quota) if self.quota else 0

    def refuse_full(self, name: AnyText, more: int) -> None:
        """Raises RequestError `storage_full` if the quota has no room for `more` bytes."""
        if self.over(more):
            self.on_pressure()
            reason = text(
                "the quota for blobs is reached ({used} of {quota} bytes, setting blobs.quota), and no more "
                "blobs can be deleted now",
                used=self.used,
                quota=self.quota,
            )
            raise RequestError(errors.STORAGE_FULL, name=name, reason=reason)

    def came(self, name: str, size: int) -> None:
        """Counts a new blob of `size` bytes."""
        with self._lock:
            self._tally.came(name, size)
        if self.quota and self.used > self.quota * PRESSURE:
            self.on_pressure()

    def counting(self) -> None:
        """Starts a scan of the folder."""
        with self._lock:
            self._tally.begin()

    def counted(self, count: int, size: int, young: set[str]) -> None:
        """Ends a scan with its totals. `young` blobs may be newer than its start or made by running work."""
        with self._lock:
            self._tally.counted(count, size, young)

    @contextlib.contextmanager
    def pin(self, *names: str) -> Iterator[None]:
        """Protects these blobs from deletion within the context."""
        with self._lock:
            self._pins.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._pins.subtract(names)
                for name in names:
                    if self._pins[name] <= 0:
                        del self._pins[name]

    def working(self) -> WorkLease:
        """Protects blobs created or used since the start of this work, which may refer to them."""
        return WorkLease(self._lock, self._work, self.ages)

    def removable(self, age_s: float) -> float:
        """Returns the time before which blobs are `age_s` old and unknown to running work."""
        with self._lock:
            oldest = next(iter(self._work.values()), None)
        before = self.ages.now() - age_s
        return before if oldest is None else min(before, self.ages.since(oldest))

    def remove(self, name: str, before: float) -> int | None:
        """Deletes a blob unless it is pinned, was used since `before` or, on Windows, is open.

        Returns the bytes freed, or None if it stays.
        """
        path, gone = self.folder / name, self.folder / f".{name}.gone"
        with self._lock:
            if name in self._pins:
                return None
            try:
                # Rename first: a worker that found the blob would only update its time, not write it again.
                os.replace(path, gone)
            except OSError:
                return None
            size = _unlink(gone, before)
            if size is None:
                with contextlib.suppress(OSError):
                    os.replace(gone, path)
                return None
            self._tally.went(name, size)
            self.removed += 1
            self.removed_bytes += size
        return size


class WorkLease:
    """A context for work that may refer to blobs. A class, because a generator costs more for each job."""

    def __init__(self, lock: threading.RLock, begun: dict[WorkLease, ClockMark], ages: BlobClock) -> None:
        self._lock, self._begun, self._ages = lock, begun, ages

    def __enter__(self) -> None:
        with self._lock:
            self._begun[self] = self._ages.mark()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            del self._begun[self]


def write_error(name: AnyText, error: OSError) -> RequestError:
    """Returns the error for a blob that can't be written: `storage_full` or `out_of_descriptors`."""
    if error.errno in DESCRIPTOR_ERRNOS:
        return RequestError(errors.OUT_OF_DESCRIPTORS, name=name)
    said = (error.strerror or str(error)).lower()
    return RequestError(
        errors.STORAGE_FULL, name=name, reason=text("{said} in the daemon's data folder", said=said)
    )


def _is_complete(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    # A power failure may leave an empty file.
    return stat.S_ISREG(found.st_mode) and (found.st_size > 0 or path.name == EMPTY)


def _unlink(gone: Path, before: float) -> int | None:
    """Deletes a file not used since `before`. Returns its size, or None if it stays."""
    try:
        found = gone.stat()
        if found.st_mtime >= before:
            return None
        gone.unlink()
    except OSError:
        return None
    return found.st_size


FILES_PER_STEP = 256
"""Number of files examined per step."""


class EvictionCandidate(Struct, frozen=True, order=True):
    """A blob that may be deleted when space is needed."""

    used: float
    name: str
    size: int


class Sweep:
    """Counts all blobs and deletes expired unreferenced ones, step by step.

    After the last step, `candidates` are the others that may be deleted, least recently used last.
    """

    def __init__(
        self, store: BlobStore, named: Container[str], keep_s: float, cached: Container[str] = ()
    ) -> None:
        """`named` blobs are referenced; `cached` ones stay while there is space. Raises OSError."""
        self._store = store
        self._named = named
        self._cached = cached
        self._expired = store.removable(max(keep_s, MIN_BLOB_KEEP_S))
        self._young = store.removable(MIN_BLOB_KEEP_S)
        store.ready()
        store.counting()
        # Running work may not report its blobs until it ends.
        self._begun = min(store.removable(0.0), store.ages.now() - CLOCK_SLACK_S)
        self._entries = os.scandir(store.folder)
        self._count = self._bytes = 0
        self._new: set[str] = set()
        self.candidates: list[EvictionCandidate] = []
        store.parts.expire(store.ages.now() - PART_KEEP_S)
        store.expire_copies(self._young)

    def step(self) -> bool:
        """Examines some files. Returns False after the last."""
        entries = list(itertools.islice(self._entries, FILES_PER_STEP))
        for entry in entries:
            with contextlib.suppress(OSError):
                self._look(entry)
        if entries:
            return True
        self._entries.close()
        self._store.counted(self._count, self._bytes, self._new)
        self.candidates.sort(reverse=True)
        return False

    def _look(self, entry: os.DirEntry[str]) -> None:
        found = entry.stat(follow_symlinks=False)
        if not NAME.fullmatch(entry.name):
            # Left by a killed worker.
            if DRAFT.fullmatch(entry.name) and found.st_mtime < self._young:
                os.unlink(entry)
            return
        if entry.name not in self._named:
            broken = found.st_size == 0 and entry.name != EMPTY
            before = self._young if broken else self._expired
            is_expired = found.st_mtime < before and (broken or entry.name not in self._cached)
            if is_expired and self._store.remove(entry.name, before) is not None:
                return
            if found.st_mtime < self._young:
                # No work has it open.
                found = self._store.seal_old(entry.path) or found
                self.candidates.append(EvictionCandidate(found.st_mtime, entry.name, found.st_size))
        if found.st_mtime >= self._begun:
            self._new.add(entry.name)
        self._count += 1
        self._bytes += found.st_size

    def relieve(self, size: int) -> int:
        """Deletes candidates, at most one step's worth, until `size` bytes are freed. Returns the bytes
        freed."""
        freed = 0
        for _ in range(FILES_PER_STEP):
            if freed >= size or not self.candidates:
                break
            freed += self._store.remove(self.candidates.pop().name, self._young) or 0
        return freed
