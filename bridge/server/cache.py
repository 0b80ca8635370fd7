"""The result cache: looks requests up, shares runs of equal requests and stores results."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.execution.executor import CancelToken, Job
from accel.execution.pool import PRIORITIES
from accel.workload import Limits, WorkloadError
from bridge.core.errors import RequestError
from bridge.core.messages import OutputRef, ResultMeta
from bridge.core.settings import Settings
from bridge.host.host import Registry
from bridge.server.cache_key import CacheKey, CacheKeys, FileHasher, Fingerprints, InputFingerprint
from bridge.server.executors import Response
from bridge.store.blobs import BlobStore
from bridge.store.encryption import Vault
from bridge.store.response_tables import CachedResponse
from bridge.store.responses import Responses

MAX_INPUTS_ON_LOOP = 64
"""With more inputs, their files are checked in a thread, because each takes a system call."""
READ_DELAY_S = 0.02
"""Delay before files are read again, which uses a core, so that the answer is sent first."""
USE_S = 60.0
"""Maximum age in seconds of a blob's recorded use; recording one costs more than a lookup."""
PLAIN = (type(None), bool, int, float, str, bytes)

RunJob = Callable[[Job], Awaitable[Response]]
"""Runs a job. Raises WorkloadError."""

log = logging.getLogger(__name__)
_decoder = msgspec.msgpack.Decoder(Response)


class CachedExecutor:
    """Answers jobs from the cache or runs them; equal jobs share one run."""

    def __init__(
        self,
        keys: CacheKeys,
        responses: Responses,
        blobs: BlobStore,
        run: RunJob,
        off: Collection[str] = (),
    ) -> None:
        """`off` names the workloads whose results aren't stored."""
        self.responses = responses
        self._keys = keys
        self._store = ResponseStore(responses, blobs)
        self._run = run
        self._off = frozenset(off)
        self._hasher = FileHasher()
        self._fingerprints = Fingerprints(blobs, self._hasher)
        self._in_flight: SingleFlight[Response] = SingleFlight()
        self._tasks: set[asyncio.Task[None]] = set()
        self.hits = 0
        """Number of requests answered from the cache."""
        self.misses = 0
        """Number of requests that ran."""
        self.shared = 0
        """Number of requests that joined a run in flight."""

    async def open(self) -> None:
        """Opens the results of earlier runs."""
        await self.responses.open()

    async def close(self) -> None:
        """Cancels all jobs in flight."""
        await self._in_flight.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hasher.close()
        await self.responses.close()

    async def run(self, job: Job, *, fresh: bool = False) -> Response:
        """Returns the job's response, stored or new. Raises WorkloadError.

        `fresh` runs the job even if its response is stored, and replaces that, like `no-cache` in RFC 9111,
        section 5.2.1.4.
        """
        lookup = await self._lookup(job)
        # A job that runs in any case needs its key only afterwards, unless files must be read for it.
        if (
            lookup is None
            or not ((fresh and lookup.settled) or lookup.make_key())
            or not await lookup.read_unsettled()
        ):
            return await self._run(job)
        if fresh:
            response = await self._run(job)
            task = asyncio.create_task(lookup.keep(response))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return response
        key = lookup.response_key
        if key is not None and (stored := self._store.hot(key)) is not None:
            self.hits += 1
            return stored
        return await self._join(lookup)

    async def _lookup(self, job: Job) -> CacheLookup | None:
        """Returns the job's lookup, or None if its result is neither stored nor shared."""
        workload = job.workload
        if workload.inline or not workload.cached or workload.name in self._off:
            return None
        try:
            if len(job.inputs) <= MAX_INPUTS_ON_LOOP:
                inputs = self._fingerprints.look(job.inputs)
            else:
                inputs = await asyncio.to_thread(self._fingerprints.look, job.inputs)
        except OSError:
            # The run will report the problem with the file.
            return None
        return CacheLookup(job, inputs, self._keys, self._store, self._fingerprints, self._run)

    async def _join(self, lookup: CacheLookup) -> Response:
        identity, job = lookup.identity, lookup.job
        flight = self._in_flight.get(identity)
        leads = flight is None
        if flight is None:
            flight = self._in_flight.start(identity, lookup.answer, lookup.keep, job.priority)
        cached = False
        try:
            response = await flight.join(job)
            cached = response.meta.cached
        finally:
            self.hits += cached
            self.misses += leads and not cached
            self.shared += not leads and not cached
        return response


def cached_executor(
    settings: Settings,
    registry: Registry,
    file: Path,
    limits: Limits,
    blobs: BlobStore,
    run: RunJob,
    vault: Vault,
) -> CachedExecutor | None:
    """Returns the cache according to the settings, or None if it is turned off."""
    size, off = settings["cache.max_size"], settings["cache.exclude"]
    if unknown := set(off) - set(registry.workloads):
        log.warning("cache.off names unknown workloads: %s", ", ".join(sorted(unknown)))
    if not size:
        return None
    keys = CacheKeys(registry.workloads, registry.origins, limits, vault.hmac_key("response cache"))
    return CachedExecutor(keys, Responses(file, size, vault), blobs, run, off)


class CacheLookup(Struct):
    """A job and its inputs as they were when it arrived."""

    job: Job
    inputs: list[InputFingerprint]
    keys: CacheKeys
    store: ResponseStore
    fingerprints: Fingerprints
    run: RunJob
    key: CacheKey | None = None
    """The key, without the contents of the inputs."""
    digests: list[bytes] | None = None
    """Digests of the inputs, if they were read before the job ran."""

    def make_key(self) -> bool:
        """Creates the key. Returns False for a job that can't be told apart from others."""
        self.key = self.key or self.keys.of(self.job)
        return self.key is not None

    @property
    def settled(self) -> bool:
        """Whether the stamps of all inputs identify their contents."""
        return all(one.settled for one in self.inputs)

    async def read_unsettled(self) -> bool:
        """Reads the inputs if a file has changed so recently that its stamp doesn't identify it yet.

        Returns False if it changes in the meantime.
        """
        if not self.settled:
            self.digests = await self._read(self.job.priority)
            return self.digests is not None
        return True

    @property
    def identity(self) -> bytes:
        """The same key and the same files; jobs with equal identity share a run."""
        return self._with_contents(self.digests or [one.identity for one in self.inputs])

    @property
    def response_key(self) -> bytes | None:
        """The key of the stored response; None if inputs must be read first."""
        known = self.digests or [one.digest for one in self.inputs if one.digest is not None]
        return self._with_contents(known) if len(known) == len(self.inputs) else None

    @property
    def outline(self) -> int:
        assert self.key is not None
        return self.key.outline([one.stamp.size for one in self.inputs])

    async def answer(self, token: CancelToken, priority: str) -> Response:
        """Returns the stored response, or runs the job and returns a new one."""
        # Reading is a waste of time if nothing can be stored.
        if self.store.responses.may_hold(self.outline):
            self.digests = self.digests or await self._read(priority)
            if self.digests is not None:
                stored = await self.store.find(self._with_contents(self.digests))
                if stored is not None:
                    return stored
        # Waiting requests have their own deadlines, and the run ends with the last of them.
        return await self.run(replace(self.job, priority=priority, deadline=math.inf, token=token))

    async def keep(self, response: Response) -> None:
        """Stores a response if it is certain which contents it was computed from."""
        if response.meta.cached or not self.make_key():
            return
        if any(one.digest is None for one in self.inputs):
            await asyncio.sleep(READ_DELAY_S)
        try:
            contents = await self.fingerprints.confirmed(self.inputs, self.digests)
        except OSError:
            return
        if contents is not None:
            await self.store.put(self._with_contents(contents), self.outline, response)

    def _with_contents(self, contents: Sequence[bytes]) -> bytes:
        assert self.key is not None
        return self.key.with_contents(contents)

    async def _read(self, priority: str) -> list[bytes] | None:
        try:
            return await self.fingerprints.digests(self.inputs, priority)
        except OSError:
            return None


class ResponseStore:
    """Stored responses whose files still exist."""

    def __init__(self, responses: Responses, blobs: BlobStore) -> None:
        self.responses = responses
        self._blobs = blobs

    def hot(self, key: bytes) -> Response | None:
        """Returns the response if it is in memory and its files exist."""
        return self._complete(key, self.responses.hot(key))

    async def find(self, key: bytes) -> Response | None:
        """Returns the response if its files exist."""
        return self._complete(key, await self.responses.find(key))

    async def put(self, key: bytes, outline: int, response: Response) -> None:
        """Stores the response if it can be packed."""
        stored = replace(response, meta=ResultMeta(cached=True, device=response.meta.device))
        try:
            packed = msgspec.msgpack.encode(stored)
        except (TypeError, ValueError, OverflowError):
            return
        blobs = {one.blob: one.size for one in response.outputs if isinstance(one.blob, str)}
        await self.responses.keep(CachedResponse(key, outline, packed, blobs))

    def _complete(self, key: bytes, packed: bytes | None) -> Response | None:
        if packed is None:
            return None
        try:
            response = _decoder.decode(packed)
        except (ValueError, TypeError):
            response = None
        if response is None or not all(map(self._exists, response.outputs)):
            self.responses.forget(key)
            return None
        return response

    def _exists(self, output: OutputRef) -> bool:
        try:
            name = str(output.blob)
            size = self._blobs.use(name, every_s=USE_S).stat().st_size
            return size == output.size or self._blobs.size_of(name) == output.size
        except (RequestError, OSError):
            return False


def copy_response(response: Response) -> Response:
    """Returns the response with its own copy of the value, which the caller may change."""
    if isinstance(response.value, PLAIN):
        return response
    value: Any = msgspec.msgpack.decode(msgspec.msgpack.encode(response.value))
    return replace(response, value=value)


Value = TypeVar("Value")

Run = Callable[[CancelToken, str], Awaitable[Value]]
"""Does the work with a priority and updates the token. May be cancelled."""
Keep = Callable[[Value], Awaitable[None]]
"""Stores the outcome once no request is waiting; the work still counts as in flight."""


class SingleFlight(Generic[Value]):
    """Work in flight by key; equal work runs only once."""

    def __init__(self) -> None:
        self._open: dict[bytes, InFlight[Value]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: bytes) -> InFlight[Value] | None:
        """Returns the work in flight with this key."""
        return self._open.get(key)

    def start(self, key: bytes, run: Run[Value], keep: Keep[Value], priority: str) -> InFlight[Value]:
        """Starts work under an unused key. The caller must `join` it immediately."""
        flight = self._open[key] = InFlight(run, keep, priority, self._tasks, lambda: self._end(key, flight))
        return flight

    async def close(self) -> None:
        """Cancels all work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, key: bytes, flight: InFlight[Value]) -> None:
        if self._open.get(key) is flight:
            del self._open[key]


class InFlight(Generic[Value]):
    """A piece of work and the jobs that wait for it, each with its own deadline."""

    def __init__(
        self,
        run: Run[Value],
        keep: Keep[Value],
        priority: str,
        tasks: set[asyncio.Task[None]],
        forget: Callable[[], None],
    ) -> None:
        self._run = run
        self._keep = keep
        self._tasks = tasks
        self._forget = forget
        self._waiting: list[CancelToken] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._result: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._start(priority)

    async def join(self, job: Job) -> Value:
        """Waits for the outcome and updates the job's token.

        Raises the work's exception, or WorkloadError `deadline_exceeded`. The work is cancelled once no
        request is waiting for it.
        """
        token = job.token
        self._waiting.append(token)
        if self._token.started:
            token.start()
        self._raise_priority(job.priority)
        overdue = False
        try:
            async with job.timeout():
                await self._wait()
        except TimeoutError:
            overdue = True
        finally:
            self._waiting.remove(token)
            if not self._waiting and not self._result.done():
                self._cancel(overdue or token.overdue)
        if not self._result.done():
            raise job.deadline_exceeded()
        return self._result.result()

    async def _wait(self) -> None:
        """Waits for the outcome. Cancelling this doesn't cancel the work."""
        if not self._result.done():
            # This takes one iteration of the loop; `asyncio.wait` takes two.
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                self._waiters.remove(waiter)

    def _settle(self, outcome: Value | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self._result.set_exception(outcome)
            # No request may be left to retrieve it.
            self._result.exception()
        else:
            self._result.set_result(outcome)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _raise_priority(self, priority: str) -> None:
        """Queues the work again, if it hasn't started, when a more urgent job joins."""
        more_urgent = PRIORITIES.index(priority) < PRIORITIES.index(self._priority)
        if more_urgent and not self._token.started and not self._result.done():
            self._task.cancel()
            self._start(priority)

    def _start(self, priority: str) -> None:
        self._priority = priority
        self._token = CancelToken(self._started, self._progress)
        self._task = asyncio.get_running_loop().create_task(self._do(self._token, priority))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def _started(self) -> None:
        for token in self._waiting:
            token.start()

    def _progress(self, fraction: float, stage: str) -> None:
        for token in self._waiting:
            token.progress(fraction, stage)

    def _cancel(self, overdue: bool) -> None:
        self._token.cancelled, self._token.overdue = True, overdue
        self._task.cancel()
        self._forget()

    async def _do(self, token: CancelToken, priority: str) -> None:
        try:
            outcome = await self._run(token, priority)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                # Unless it was cancelled here, the daemon is stopping, and nothing else would end the
                # waiting.
                if token is self._token and self._waiting and not self._result.done():
                    self._forget()
                    self._settle(WorkloadError("shutting_down", "the daemon is shutting down"))
                raise
            self._forget()
            self._settle(error)
            return
        self._settle(outcome)
        try:
            # Let waiting requests continue first: storing takes as long as sending.
            await asyncio.sleep(0)
            await self._keep(outcome)
        finally:
            self._forget()
