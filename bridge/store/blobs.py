"""Content-addressed files and their sweep."""

from __future__ import annotations

import contextlib
import hashlib
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

from accel.atomic_file import WAITS_S
from accel.text import AnyText, text
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.settings import MIN_BLOB_KEEP_S
from bridge.store.uploads import KEEP_S, Part, Parts, Upload

Clock = Callable[[], float]

SLACK_S = 3.0
"""How much a file's time may lag behind the clock: FAT counts in steps of 2 s."""


class AgeMark(Struct, frozen=True):
    """A moment, on both clocks."""

    wall: float
    steady: float


class BlobAges:
    """The wall clock, by which files are dated, held to the pace of a clock that nobody sets.

    If the wall clock is put forward, no file grows old by it; if it is put back, files seem younger.
    """

    def __init__(self, wall: Clock = time.time, steady: Clock = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._start = self.mark()

    def mark(self) -> AgeMark:
        """Now."""
        return AgeMark(self._wall(), self._steady())

    def now(self) -> float:
        """Seconds since the epoch; never later than the steady clock makes it."""
        return min(self._wall(), self._start.wall + self._steady() - self._start.steady)

    def since(self, mark: AgeMark) -> float:
        """No file that was written after `mark` has an earlier time, though the clock was set since, once."""
        return min(mark.wall, self._wall() - (self._steady() - mark.steady)) - SLACK_S


class BlobCounter:
    """Each blob counts once, whether the look that goes on has come by it or not.

    The caller sees to it that one thread at a time is here.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._came: dict[str, int] = {}
        self._is_looking = False
        self._seen: set[str] = set()

    def came(self, name: str, size: int) -> None:
        """A blob of `size` bytes is told; a look may have counted it before."""
        if name in self._seen:
            self._seen.remove(name)
            return
        if self._is_looking:
            self._came[name] = size
        self.count += 1
        self.bytes += size

    def went(self, name: str, size: int) -> None:
        """The blob was removed."""
        self._came.pop(name, None)
        self._seen.discard(name)
        self.count -= 1
        self.bytes -= size

    def begin(self) -> None:
        """A look through the folder begins; one before it may have ended early."""
        self._is_looking = True
        self._came.clear()

    def counted(self, count: int, size: int, young: set[str]) -> None:
        """The look found so much; `young` are those of what it found that may have come since it began, or
        are still to be told."""
        missed = [size for name, size in self._came.items() if name not in young]
        self.count = count + len(missed)
        self.bytes = size + sum(missed)
        self._seen = young - self._came.keys()
        self._is_looking = False
        self._came.clear()


log = logging.getLogger(__name__)

NAME = re.compile(r"[0-9a-f]{64}")
DRAFT = re.compile(r"\.[0-9a-f]{32}\.part")
EMPTY = hashlib.sha256(b"").hexdigest()
LOST = (
    "the folder of blobs %s was removed while the daemon ran; it is made anew, and what was in it isn't there"
)
PRESSED = 0.9
"""The part of the quota from which `on_pressure` is called."""


class BlobStore:
    """A folder of blobs; what is in it under a name is whole and was verified.

    The time of a file is that of its last use. All methods may be called from any thread.
    """

    def __init__(self, folder: Path, max_size: int, quota: int = 0, ages: BlobAges | None = None) -> None:
        """`max_size` is of one blob, `quota` of all together, bytes; 0 is none. Raises OSError."""
        self.folder = folder
        self.max_size = max_size
        self.quota = quota
        self.ages = ages or BlobAges()
        self.on_pressure: Callable[[], None] = lambda: None
        """Called from any thread when little of the quota is left."""
        self.removed = 0
        """Blobs that were removed since the start."""
        self.removed_bytes = 0
        self._lock = threading.RLock()
        self._pins: Counter[str] = Counter()
        self._work: dict[Working, AgeMark] = {}
        self._is_lost = False
        self._tally = BlobCounter()
        folder.mkdir(parents=True, exist_ok=True)
        # Of a daemon that was killed.
        for draft in folder.glob(".*.part"):
            draft.unlink(missing_ok=True)
        for gone in folder.glob(".*.gone"):
            os.replace(gone, folder / gone.stem[1:])
        self.parts = Parts(folder / "uploads")
        self._parts_path = str(self.parts.folder)

    @property
    def count(self) -> int:
        """Blobs; known after the first sweep, as is `size`."""
        return self._tally.count

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return self._tally.bytes

    @property
    def used(self) -> int:
        """Bytes that count against the quota: blobs, and what has arrived of others."""
        return self.size + self.parts.bytes

    def ready(self) -> None:
        """Makes the folders anew where somebody has removed them. Raises OSError."""
        # By its text, as each job waits for it: `Path` takes longer than the system.
        if os.path.isdir(self._parts_path):
            return
        with self._lock:
            if not self.folder.is_dir():
                log.log(logging.DEBUG if self._is_lost else logging.WARNING, LOST, self.folder)
                self._is_lost = True
                self._tally = BlobCounter()
            self.parts.folder.mkdir(parents=True, exist_ok=True)

    # Names.

    def path(self, name: str) -> Path:
        """Where the blob lies. Raises RequestError: `not_found`, or `bad_input` for what is no name."""
        path = self.place(name)
        if not _whole(path):
            raise RequestError(errors.NOT_FOUND, name=text("Blob {name}", name=name))
        return path

    def place(self, name: str) -> Path:
        """Where the blob would lie. Raises RequestError `bad_input` for what is no name."""
        if not NAME.fullmatch(name):
            reason = text("a blob's name is its SHA-256, 64 lower-case hex digits")
            raise RequestError(errors.BAD_INPUT, name=name[:80], reason=reason)
        return self.folder / name

    def has(self, name: str) -> bool:
        """Whether the blob is there. Raises RequestError `bad_input` for what is no name."""
        return _whole(self.place(name))

    def use(self, name: str, *, every_s: float = 0.0) -> Path:
        """As `path`; counts as a use, unless the last one is less than `every_s` seconds ago."""
        with self._lock:
            path = self.path(name)
            # What can't be dated anew, on a read-only disk say, can't be removed either.
            with contextlib.suppress(OSError):
                if not every_s or self.ages.now() - path.stat().st_mtime > every_s:
                    os.utime(path)
        return path

    # Coming.

    def put(self, data: bytes) -> str:
        """Keeps `data`; gives its name. Raises RequestError: `too_large`, `storage_full`."""
        name = hashlib.sha256(data).hexdigest()
        with contextlib.suppress(RequestError):
            self.use(name)
            return name
        self.refuse_size(f"Blob {name}", len(data))
        self.refuse_full(f"Blob {name}", len(data))
        draft = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            self.ready()
            draft.write_bytes(data)
            self.adopt(draft, name)
        except OSError as error:
            raise full(f"Blob {name}", error) from None
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        return name

    def receive(self, name: str, part: Part | None = None) -> Upload:
        """Takes a blob in pieces, or what is missing after `part`. Raises RequestError `bad_input`."""
        return Upload(self, self.place(name), part)

    def adopt(self, draft: Path, name: str) -> None:
        """Puts a whole and verified file in the blob's place. Raises OSError."""
        # Virus scanners have what is new open: they are waited for without the lock.
        for wait_s in WAITS_S:
            with contextlib.suppress(PermissionError):
                return self._adopt(draft, name)
            time.sleep(wait_s)
        self._adopt(draft, name)

    def _adopt(self, draft: Path, name: str) -> None:
        size = draft.stat().st_size
        with self._lock:
            place = self.folder / name
            # Windows replaces no file that a worker has open, and there is no need to.
            if _whole(place):
                draft.unlink(missing_ok=True)
                os.utime(place)
                return
            os.replace(draft, place)
            self.came(name, size)

    def refuse_size(self, name: str, size: int) -> None:
        """Raises RequestError where `size` is more than is taken."""
        if size > self.max_size:
            raise RequestError(
                errors.TOO_LARGE,
                name=name,
                size=f"{size} bytes",
                limit=f"{self.max_size} bytes",
                setting="blobs.max_size",
            )

    def over(self, more: int = 0) -> int:
        """Bytes above the quota if `more` came."""
        return max(0, self.used + more - self.quota) if self.quota else 0

    def refuse_full(self, name: AnyText, more: int) -> None:
        """Raises RequestError where the quota has no room for `more` bytes."""
        if self.over(more):
            self.on_pressure()
            reason = text(
                "the daemon's quota (setting blobs.quota) is reached: {used} of {quota} bytes, and "
                "nothing more can be removed now",
                used=self.used,
                quota=self.quota,
            )
            raise RequestError(errors.STORAGE_FULL, name=name, reason=reason)

    def came(self, name: str, size: int) -> None:
        """A blob of `size` bytes is there that wasn't."""
        with self._lock:
            self._tally.came(name, size)
        if self.quota and self.used > self.quota * PRESSED:
            self.on_pressure()

    def counting(self) -> None:
        """A look through the folder begins."""
        with self._lock:
            self._tally.begin()

    def counted(self, count: int, size: int, young: set[str]) -> None:
        """The look found so many blobs and bytes; `young` may have come since it began, or in work."""
        with self._lock:
            self._tally.counted(count, size, young)

    # Going.

    @contextlib.contextmanager
    def pin(self, *names: str) -> Iterator[None]:
        """While it lasts these aren't removed."""
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

    def working(self) -> Working:
        """While it lasts nothing is removed that was made or used since it began: the work may mean it."""
        return Working(self._lock, self._work, self.ages)

    def removable(self, age_s: float) -> float:
        """What was last used before this time is `age_s` old, and no work that goes on can mean it."""
        with self._lock:
            oldest = next(iter(self._work.values()), None)
        before = self.ages.now() - age_s
        return before if oldest is None else min(before, self.ages.since(oldest))

    def remove(self, name: str, before: float) -> int | None:
        """Removes the blob unless it is pinned, was used at or after `before`, or (on Windows) is open.

        Gives the bytes that this freed, None where it stays.
        """
        path, gone = self.folder / name, self.folder / f".{name}.gone"
        with self._lock:
            if name in self._pins:
                return None
            try:
                # Out of reach first: a worker that finds it there dates it anew and makes it no second time.
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


class Working:
    """Work that may mean blobs, in `with`, by when it began; a job each, so that it is no generator."""

    def __init__(self, lock: threading.RLock, begun: dict[Working, AgeMark], ages: BlobAges) -> None:
        self._lock, self._begun, self._ages = lock, begun, ages

    def __enter__(self) -> None:
        with self._lock:
            self._begun[self] = self._ages.mark()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            del self._begun[self]


def full(name: AnyText, error: OSError) -> RequestError:
    """What is said where something can't be written."""
    said = (error.strerror or str(error)).lower()
    return RequestError(
        errors.STORAGE_FULL, name=name, reason=text("{said} in the daemon's data folder", said=said)
    )


def _whole(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    # A machine that loses its power may leave the name of a file, and nothing in it.
    return stat.S_ISREG(found.st_mode) and (found.st_size > 0 or path.name == EMPTY)


def _unlink(gone: Path, before: float) -> int | None:
    """Bytes of the file that was removed; None if it stays."""
    try:
        found = gone.stat()
        if found.st_mtime >= before:
            return None
        gone.unlink()
    except OSError:
        return None
    return found.st_size


SLICE = 256
"""Files that are looked at in one step."""
LEAST_AGE_S = MIN_BLOB_KEEP_S


class Candidate(Struct, frozen=True, order=True):
    """A blob that may go if there is need."""

    used: float
    name: str
    size: int


class Sweep:
    """Counts everything and removes what nothing names and nobody used for a while; step by step.

    `candidates` are then those that could go as well, the least recently used last.
    """

    def __init__(
        self, store: BlobStore, named: Container[str], keep_s: float, cached: Container[str] = ()
    ) -> None:
        """`named` are the blobs that stay, `cached` those that stay while there is room. Raises OSError."""
        self._store = store
        self._named = named
        self._cached = cached
        self._expired = store.removable(max(keep_s, LEAST_AGE_S))
        self._young = store.removable(LEAST_AGE_S)
        store.ready()
        store.counting()
        # What work that goes on has made may be told at its end.
        self._begun = min(store.removable(0.0), store.ages.now() - SLACK_S)
        self._entries = os.scandir(store.folder)
        self._count = self._bytes = 0
        self._new: set[str] = set()
        self.candidates: list[Candidate] = []
        store.parts.expire(store.ages.now() - KEEP_S)

    def step(self) -> bool:
        """Looks at some files; False when all were looked at."""
        entries = list(itertools.islice(self._entries, SLICE))
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
            # A worker was ended while it wrote.
            if DRAFT.fullmatch(entry.name) and found.st_mtime < self._young:
                os.unlink(entry)
            return
        if entry.name not in self._named:
            broken = found.st_size == 0 and entry.name != EMPTY
            before = self._young if broken else self._expired
            goes = found.st_mtime < before and (broken or entry.name not in self._cached)
            if goes and self._store.remove(entry.name, before) is not None:
                return
            if found.st_mtime < self._young:
                self.candidates.append(Candidate(found.st_mtime, entry.name, found.st_size))
        if found.st_mtime >= self._begun:
            self._new.add(entry.name)
        self._count += 1
        self._bytes += found.st_size

    def relieve(self, size: int) -> int:
        """Removes some of the candidates, until `size` bytes are free; gives how many are."""
        freed = 0
        for _ in range(SLICE):
            if freed >= size or not self.candidates:
                break
            freed += self._store.remove(self.candidates.pop().name, self._young) or 0
        return freed
