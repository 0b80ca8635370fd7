"""One look through a folder of blobs: what is there, and what may go of it."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Container

from msgspec import Struct

from bridge.core.settings import LEAST_BLOB_KEEP_S
from bridge.store.ages import SLACK_S
from bridge.store.blobs import DRAFT, EMPTY, NAME, BlobStore
from bridge.store.uploads import KEEP_S

SLICE = 256
"""Files that are looked at in one step."""
LEAST_AGE_S = LEAST_BLOB_KEEP_S


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
