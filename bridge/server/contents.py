"""Which bytes the inputs of a request hold, read again only where a file has changed."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import OrderedDict
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from accel.workload import Input
from bridge.server.hashing import Hashing
from bridge.store.blobs import BlobStore

RACY_NS = 2_000_000_000
"""A file that changed so short before it was read may have changed once more within the same tick of a clock:
FAT counts two seconds."""
REMEMBERED = 16_384
"""Files whose digests are remembered."""
BLOB = re.compile(r"[0-9a-f]{64}")


class Stamp(Struct, frozen=True):
    """What tells without reading it whether a file is the one that was read."""

    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970, as all times here."""
    changed: int
    """When its metadata changed, which no program can set back; on Windows when it was made."""
    device: int
    file: int

    @classmethod
    def of(cls, path: str) -> Stamp:
        """Raises OSError."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino)

    @property
    def settled(self) -> bool:
        """Whether another change would be seen in it."""
        return time.time_ns() - max(self.modified, self.changed) > RACY_NS


class Look(Struct, frozen=True):
    """An input, as it was when a request came."""

    path: str
    stamp: Stamp
    settled: bool
    digest: bytes | None
    """SHA-256 of what is in it; None where that isn't known yet."""
    is_blob: bool = False
    """Whether its name says what is in it, whenever it was touched."""

    @property
    def identity(self) -> bytes:
        """32 bytes that are others for other contents; where those aren't known, for another stamp."""
        if self.digest is not None:
            return self.digest
        return hashlib.sha256(msgspec.msgpack.encode((os.fsencode(self.path), self.stamp))).digest()


class Contents:
    """Digests of inputs: blobs have them as their names, files by their stamps."""

    def __init__(self, blobs: BlobStore, hashing: Hashing) -> None:
        self._folder = str(blobs.folder)
        self._hashing = hashing
        self._known: OrderedDict[str, tuple[Stamp, bytes]] = OrderedDict()

    def look(self, inputs: Sequence[Input]) -> list[Look]:
        """What can be told without reading. Raises OSError."""
        return [self._look(one.path) for one in inputs]

    async def digests(self, looks: Sequence[Look], priority: str) -> list[bytes] | None:
        """The digests of all, read where they aren't known; None where a file has changed since.

        Raises OSError."""
        found = [one.digest or await self._digest(one, priority) for one in looks]
        whole = [digest for digest in found if digest is not None]
        return whole if len(whole) == len(found) else None

    async def confirmed(self, looks: Sequence[Look], earlier: Sequence[bytes] | None) -> list[bytes] | None:
        """The digests of what is in all files, if that was in them ever since `looks`, as far as can be told:
        who has read them meanwhile has read that. None where it may not be so. Raises OSError.

        `earlier`: what `digests` gave before that, if it was asked.
        """
        again = [one if one.settled else Look(one.path, one.stamp, False, None) for one in looks]
        now = await self.digests(again, "bulk")
        if now is None or any(not one.is_blob and Stamp.of(one.path) != one.stamp for one in looks):
            return None
        sure = all(one.settled for one in looks) or now == earlier
        return now if sure and earlier in (None, now) else None

    def _look(self, path: str) -> Look:
        stamp = Stamp.of(path)
        folder, name = os.path.split(path)
        if folder == self._folder and BLOB.fullmatch(name):
            return Look(path, stamp, True, bytes.fromhex(name), is_blob=True)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            return Look(path, stamp, stamp.settled, None)
        self._known.move_to_end(path)
        return Look(path, stamp, True, known[1])

    async def _digest(self, look: Look, priority: str) -> bytes | None:
        known = self._known.get(look.path)
        if known is not None and known[0] == look.stamp:
            return known[1]
        if Stamp.of(look.path) != look.stamp:
            return None
        made = await self._hashing.digest(look.path, priority)
        if Stamp.of(look.path) != look.stamp:
            return None
        if look.settled:
            self._known[look.path] = look.stamp, made
            self._known.move_to_end(look.path)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return made
