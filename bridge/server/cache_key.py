"""Cache keys of jobs, and fingerprints of their inputs."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import hmac
import importlib.util
import os
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.confinement import is_at
from accel.execution.executor import Job
from accel.execution.pool import FairTurns
from accel.image import records
from accel.models.catalog import models_of
from accel.workload import Input, Limits, Params, Workload
from bridge.store.blobs import BlobStore

FORM = 2
"""Version of the keys and stored responses; raise it when either changes."""

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class CacheKey(Struct, frozen=True):
    """A job's identity without the contents of its inputs."""

    digest: bytes
    """HMAC of the workload, its code and models, the parameters, and the inputs' names."""

    def outline(self, sizes: Sequence[int]) -> int:
        """Returns a 64-bit hash of the key and the inputs' sizes, which are known without reading them."""
        digest = hashlib.sha256(self.digest + _encoder.encode(sizes)).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def with_contents(self, contents: Sequence[bytes]) -> bytes:
        """Returns the key combined with digests of the inputs' contents, or with what else identifies
        them."""
        return hashlib.sha256(self.digest + b"".join(contents)).digest()


class CacheKeys:
    """Makes the keys of jobs."""

    def __init__(
        self,
        workloads: Mapping[str, Workload],
        origins: Mapping[str, str],
        limits: Limits,
        secret: bytes = b"",
    ) -> None:
        """`origins` has the distribution and version of workloads, by name, where known. Keys are HMACs with
        `secret`, so that those in a file don't confirm guesses of what was asked."""
        self._secret = secret
        self._origins = origins
        self._limits = limits
        self._sources: dict[str, str] = {}
        self._workloads = {name: self._identity(workload) for name, workload in workloads.items()}

    def of(self, job: Job) -> CacheKey | None:
        """Returns the job's key.

        Returns None for a job that can't be told apart from others, for example because its parameters can't
        be encoded, and for a pipeline with a step whose results aren't cached.
        """
        workload, params = job.workload, job.params
        steps: Sequence[Workload] = ()
        if workload.composed is not None:
            params, steps = workload.composed(params, self._limits)
            if not all(step.cached for step in steps):
                return None
        try:
            encoded = canonical_params(params)
            names = canonical_params([one.name for one in job.inputs])
        # Numbers of more than 64 bits, lone surrogates, keys that can't be sorted.
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None
        workloads = [self._workloads[workload.name], *map(self._identity, steps)]
        return CacheKey(hmac.digest(self._secret, _encoder.encode([workloads, encoded, names]), "sha256"))

    def _identity(self, workload: Workload) -> bytes:
        models = [[model.name, model.version, model.digest] for model in models_of(workload.name)]
        origin = self._origins.get(workload.name, "")
        source = self._source(workload.target)
        code = [workload.name, workload.version, origin, source, records.VERSION]
        return _encoder.encode([FORM, *code, models, self._limits.max_pixels])

    def _source(self, target: str) -> str:
        """Returns the digest of the workload's module, because plugin authors change it without raising the
        version."""
        module = target.partition(":")[0]
        if module not in self._sources:
            self._sources[module] = _digest_of(module)
        return self._sources[module]


def canonical_params(value: Params | Sequence[str]) -> bytes:
    """Encodes equal values to equal bytes, whatever the order of keys.

    Raises ValueError, TypeError, OverflowError or RecursionError for values that can't be encoded.
    """
    return _encoder.encode(value)


def _digest_of(module: str) -> str:
    loaded = sys.modules.get(module)
    try:
        spec = getattr(loaded, "__spec__", None) or importlib.util.find_spec(module)
        source = Path(spec.origin).read_bytes() if spec is not None and spec.origin else b""
    except (OSError, ValueError, ImportError):
        source = b""
    return hashlib.sha256(source).hexdigest()


THREADS = 2
"""More threads would compete with the workers."""
CHUNK_BYTES = 1 << 20


class FileHasher:
    """Hashes files in threads. Cancelling a caller stops the reading."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "hashing")
        self._free = THREADS
        self._turns: FairTurns[asyncio.Future[None]] = FairTurns()

    async def digest(self, path: str, priority: str, *, confined: bool = False) -> bytes:
        """Returns a file's SHA-256; `confined` is as in `Input`. Raises OSError."""
        await self._enter(priority)
        cancelled = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _digest, path, cancelled, confined
            )
        finally:
            cancelled.set()
            self._leave()

    def close(self) -> None:
        """Stops the threads without waiting."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, priority: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.add(turn, priority)
        try:
            await turn
        except asyncio.CancelledError:
            if not self._turns.remove(turn):
                self._leave()
            raise

    def _leave(self) -> None:
        turn = self._turns.next()
        if turn is None:
            self._free += 1
        else:
            turn.set_result(None)


def _digest(path: str, cancelled: threading.Event, confined: bool) -> bytes:
    digest = hashlib.sha256()
    with Path(path).open("rb", buffering=0) as file:
        if confined and not is_at(file.fileno(), path):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        while not cancelled.is_set() and (chunk := file.read(CHUNK_BYTES)):
            digest.update(chunk)
    return digest.digest()


RACY_NS = 2_000_000_000
"""A file that changed this recently before it was read may change again within the same clock tick. FAT
stores times in steps of 2 s."""
MAX_KNOWN = 16_384
"""Maximum number of files whose digests are remembered."""
BLOB = re.compile(r"[0-9a-f]{64}")


class FileStamp(Struct, frozen=True):
    """Metadata that changes when a file's contents change."""

    size: int
    """In bytes."""
    modified: int
    """Nanoseconds since 1970."""
    changed: int
    """ctime, which programs can't set; on Windows, the creation time."""
    device: int
    file: int

    @classmethod
    def of(cls, path: str) -> FileStamp:
        """Raises OSError."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino)

    @property
    def settled(self) -> bool:
        """Whether another change would change the stamp."""
        return time.time_ns() - max(self.modified, self.changed) > RACY_NS


class InputFingerprint(Struct, frozen=True):
    """An input as it was when its request arrived."""

    path: str
    stamp: FileStamp
    settled: bool
    digest: bytes | None
    """SHA-256 of its contents, if already read."""
    is_blob: bool = False
    """Whether its file name is the digest."""
    confined: bool = False
    """As in `Input`."""

    @property
    def identity(self) -> bytes:
        """32 bytes that identify the contents, or the stamp if the contents are unknown."""
        if self.digest is not None:
            return self.digest
        return hashlib.sha256(msgspec.msgpack.encode((os.fsencode(self.path), self.stamp))).digest()


class Fingerprints:
    """Digests of inputs. Blobs have them as names; those of files are remembered by stamp."""

    def __init__(self, blobs: BlobStore, hasher: FileHasher) -> None:
        self._blobs = blobs
        self._folder = str(blobs.folder)
        self._hasher = hasher
        self._known: OrderedDict[str, tuple[FileStamp, bytes]] = OrderedDict()

    def look(self, inputs: Sequence[Input]) -> list[InputFingerprint]:
        """Returns fingerprints without reading the files. Raises OSError."""
        return [self._look(one.path, one.confined) for one in inputs]

    async def digests(self, inputs: Sequence[InputFingerprint], priority: str) -> list[bytes] | None:
        """Returns the digests of all inputs, reading files if needed, or None if a file changed in the
        meantime.

        Raises OSError.
        """
        found = [one.digest or await self._digest(one, priority) for one in inputs]
        whole = [digest for digest in found if digest is not None]
        return whole if len(whole) == len(found) else None

    async def confirmed(
        self, inputs: Sequence[InputFingerprint], earlier: Sequence[bytes] | None
    ) -> list[bytes] | None:
        """Returns the digests of all inputs if they can't have changed since `inputs`, otherwise None.

        `earlier` is the result of `digests` from that time, if there is one. Raises OSError.
        """
        again = [
            one if one.settled else InputFingerprint(one.path, one.stamp, False, None, confined=one.confined)
            for one in inputs
        ]
        now = await self.digests(again, "bulk")
        if now is None or any(not one.is_blob and FileStamp.of(one.path) != one.stamp for one in inputs):
            return None
        sure = all(one.settled for one in inputs) or now == earlier
        return now if sure and earlier in (None, now) else None

    def _look(self, path: str, confined: bool) -> InputFingerprint:
        stamp = FileStamp.of(path)
        folder, name = os.path.split(path)
        if (folder == self._folder or self._blobs.is_copy(path)) and BLOB.fullmatch(name):
            return InputFingerprint(path, stamp, True, bytes.fromhex(name), is_blob=True)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            return InputFingerprint(path, stamp, stamp.settled, None, confined=confined)
        self._known.move_to_end(path)
        return InputFingerprint(path, stamp, True, known[1], confined=confined)

    async def _digest(self, look: InputFingerprint, priority: str) -> bytes | None:
        known = self._known.get(look.path)
        if known is not None and known[0] == look.stamp:
            return known[1]
        if FileStamp.of(look.path) != look.stamp:
            return None
        digest = await self._hasher.digest(look.path, priority, confined=look.confined)
        if FileStamp.of(look.path) != look.stamp:
            return None
        if look.settled:
            self._known[look.path] = look.stamp, digest
            self._known.move_to_end(look.path)
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return digest
