"""Result cache: lookup, share, store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.execution.executor import CancelToken, Executor
from accel.execution.pool import PRIORITIES
from accel.text import text
from accel.workload import Limits, WorkloadError
from bridge.core.errors import RequestError
from bridge.core.messages import OutputRef, ResultMeta
from bridge.core.settings import Settings
from bridge.host.host import Registry
from bridge.server.cache_key import CacheKey, CacheKeys, FileHasher, Fingerprints, InputFingerprint
from bridge.server.executors import Ask, Execution, Response
from bridge.store.blobs import BlobStore
from bridge.store.response_tables import CachedResponse
from bridge.store.responses import Responses

_decoder = msgspec.msgpack.Decoder(Response)
USE_S = 60.0
"""How long a file's last use stays as it is written down: writing costs more than a look."""
PLAIN = (type(None), bool, int, float, str, bytes)


class ResponseStore:
    """Responses with their files."""

    def __init__(self, responses: Responses, blobs: BlobStore) -> None:
        self.responses = responses
        self._blobs = blobs

    def hot(self, key: bytes) -> Response | None:
        """The response, if it is in memory and whole."""
        return self._whole(key, self.responses.hot(key))

    async def find(self, key: bytes) -> Response | None:
        """The response, if it is whole."""
        return self._whole(key, await self.responses.find(key))

    async def put(self, key: bytes, outline: int, response: Response) -> None:
        """Keeps it, if it can be packed."""
        kept = msgspec.structs.replace(response, meta=ResultMeta(cached=True, device=response.meta.device))
        try:
            packed = msgspec.msgpack.encode(kept)
        except (TypeError, ValueError, OverflowError):
            return
        blobs = {one.blob: one.size for one in response.outputs if isinstance(one.blob, str)}
        await self.responses.keep(CachedResponse(key, outline, packed, blobs))

    def _whole(self, key: bytes, packed: bytes | None) -> Response | None:
        if packed is None:
            return None
        try:
            response = _decoder.decode(packed)
        except (ValueError, TypeError):
            response = None
        if response is None or not all(map(self._there, response.outputs)):
            self.responses.forget(key)
            return None
        return response

    def _there(self, output: OutputRef) -> bool:
        try:
            return self._blobs.use(str(output.blob), every_s=USE_S).stat().st_size == output.size
        except (RequestError, OSError):
            return False


def copy_response(response: Response) -> Response:
    """With a value of its own, which its owner may change."""
    if isinstance(response.value, PLAIN):
        return response
    value: Any = msgspec.msgpack.decode(msgspec.msgpack.encode(response.value))
    return msgspec.structs.replace(response, value=value)


NO_DEADLINE_S = 7 * 86_400.0
"""What is under way for several ends when the last of them has gone, by their own deadlines."""
PAUSE_S = 0.02
"""The answer goes out first: reading its files again takes a core from it."""

RunAndStore = Callable[[Ask, CancelToken | None], Awaitable[Response]]
"""Has a workload run. Raises WorkloadError."""


class CacheLookup(Struct):
    """A request, with its inputs as they were when it came."""

    ask: Ask
    looks: list[InputFingerprint]
    questions: CacheKeys
    shelf: ResponseStore
    contents: Fingerprints
    run: RunAndStore
    question: CacheKey | None = None
    read: list[bytes] | None = None
    """The digests of the inputs that were read before it ran."""

    def pose(self) -> bool:
        """Makes the question; False for what can't be told from others. Raises WorkloadError `bad_params`."""
        ask = self.ask
        self.question = self.question or self.questions.ask(ask.workload, ask.params, ask.inputs)
        return self.question is not None

    @property
    def settled(self) -> bool:
        """Whether stamps tell what is in each of the inputs."""
        return all(look.settled for look in self.looks)

    async def certain(self) -> bool:
        """Reads the inputs where a file has just changed, of which stamps can't tell what is in it now. False
        where it changes meanwhile."""
        if not self.settled:
            self.read = await self._digests(self.ask.priority)
            return self.read is not None
        return True

    @property
    def identity(self) -> bytes:
        """What may share one run: the same question about the same files."""
        return self._about(self.read or [look.identity for look in self.looks])

    @property
    def key(self) -> bytes | None:
        """What its response is kept under; None where inputs have to be read to know."""
        known = self.read or [look.digest for look in self.looks if look.digest is not None]
        return self._about(known) if len(known) == len(self.looks) else None

    @property
    def outline(self) -> int:
        assert self.question is not None
        return self.question.outline([look.stamp.size for look in self.looks])

    async def answer(self, watch: CancelToken, priority: str) -> Response:
        """The kept response, or a new one."""
        # Reading takes time that is lost where nothing can be there.
        if self.shelf.responses.may_hold(self.outline):
            self.read = self.read or await self._digests(priority)
            kept = None if self.read is None else await self.shelf.find(self._about(self.read))
            if kept is not None:
                return kept
        return await self.run(replace(self.ask, priority=priority, deadline_s=NO_DEADLINE_S), watch)

    async def keep(self, response: Response) -> None:
        """Keeps a response, where it is sure what it was made of."""
        if response.meta.cached or not self.pose():
            return
        if any(look.digest is None for look in self.looks):
            await asyncio.sleep(PAUSE_S)
        try:
            contents = await self.contents.confirmed(self.looks, self.read)
        except OSError:
            return
        if contents is not None:
            await self.shelf.put(self._about(contents), self.outline, response)

    def _about(self, contents: Sequence[bytes]) -> bytes:
        assert self.question is not None
        return self.question.about(contents)

    async def _digests(self, priority: str) -> list[bytes] | None:
        try:
            return await self.contents.digests(self.looks, priority)
        except OSError:
            return None


Value = TypeVar("Value")

Run = Callable[[CancelToken, str], Awaitable[Value]]
"""Does the work with a priority, tells the watch when it has begun, and may be cancelled."""
Keep = Callable[[Value], Awaitable[None]]
"""What is done with the outcome while nobody waits any more; it still counts as under way."""


class SingleFlight(Generic[Value]):
    """What is under way, by what it is."""

    def __init__(self) -> None:
        self._open: dict[bytes, InFlight[Value]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: bytes) -> InFlight[Value] | None:
        """The flight, if one is under way."""
        return self._open.get(key)

    def start(self, key: bytes, run: Run[Value], keep: Keep[Value], priority: str) -> InFlight[Value]:
        """Starts one; somebody has to `join` it at once. The key isn't under way."""
        flight = self._open[key] = InFlight(run, keep, priority, self._tasks, lambda: self._end(key, flight))
        return flight

    async def close(self) -> None:
        """Ends all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, key: bytes, flight: InFlight[Value]) -> None:
        if self._open.get(key) is flight:
            del self._open[key]


class InFlight(Generic[Value]):
    """One piece of work, and those who wait for it, each with a deadline of its own."""

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
        self._waiting = 0
        self._watches: list[CancelToken] = []
        self._landing: list[asyncio.Future[None]] = []
        self._result: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._start(priority)

    async def join(self, priority: str, deadline_s: float, watch: CancelToken | None = None) -> Value:
        """The outcome, within `deadline_s` seconds; `watch` is told when the work begins, or has begun,
        and how far it is.

        Raises what the work raises, or WorkloadError `deadline_exceeded`. When nobody waits any more, the
        work is cancelled."""
        self._waiting += 1
        if watch is not None:
            self._watches.append(watch)
            if self._watch.begun:
                watch.begin()
        self._hurry(priority)
        overdue = False
        try:
            async with asyncio.timeout(deadline_s):
                await self._landed()
        except TimeoutError:
            overdue = True
        finally:
            self._waiting -= 1
            if watch is not None:
                self._watches.remove(watch)
            if not self._waiting and not self._result.done():
                self._give_up(overdue or (watch is not None and watch.overdue))
        if not self._result.done():
            raise WorkloadError(
                "deadline_exceeded",
                text("wasn't done within {deadline_s} ms", deadline_s=f"{(deadline_s * 1000):.0f}"),
            )
        return self._result.result()

    async def _landed(self) -> None:
        """Until there is an outcome; unlike waiting for its future, this may be cancelled."""
        if not self._result.done():
            # One turn of the loop, where `asyncio.wait` takes two.
            landing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._landing.append(landing)
            try:
                await landing
            finally:
                self._landing.remove(landing)

    def _land(self, outcome: Value | BaseException) -> None:
        if isinstance(outcome, BaseException):
            self._result.set_exception(outcome)
            # Whoever waited may be gone.
            self._result.exception()
        else:
            self._result.set_result(outcome)
        for landing in self._landing:
            if not landing.done():
                landing.set_result(None)

    def _hurry(self, priority: str) -> None:
        """Somebody more urgent waits, too: what hasn't begun queues anew, among its like."""
        more_urgent = PRIORITIES.index(priority) < PRIORITIES.index(self._priority)
        if more_urgent and not self._watch.begun and not self._result.done():
            self._task.cancel()
            self._start(priority)

    def _start(self, priority: str) -> None:
        self._priority = priority
        self._watch = CancelToken(self._begun, self._progress)
        self._task = asyncio.get_running_loop().create_task(self._fly(self._watch, priority))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def _begun(self) -> None:
        for watch in self._watches:
            watch.begin()

    def _progress(self, fraction: float, stage: str) -> None:
        for watch in self._watches:
            watch.progress(fraction, stage)

    def _give_up(self, overdue: bool) -> None:
        self._watch.unwanted, self._watch.overdue = True, overdue
        self._task.cancel()
        self._forget()

    async def _fly(self, watch: CancelToken, priority: str) -> None:
        try:
            outcome = await self._run(watch, priority)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                self._closed(watch)
                raise
            self._forget()
            self._land(error)
            return
        self._land(outcome)
        try:
            # Whoever waits goes on first: keeping takes as long as sending.
            await asyncio.sleep(0)
            await self._keep(outcome)
        finally:
            self._forget()

    def _closed(self, watch: CancelToken) -> None:
        """Cancelled; if that wasn't done here, nobody else ends the waiting."""
        if watch is self._watch and self._waiting and not self._result.done():
            self._forget()
            self._land(WorkloadError("shutting_down", "the bridge is shutting down"))


log = logging.getLogger(__name__)

AT_ONCE = 64
"""Inputs that are looked at in the event loop; more of them are looked at beside it."""


class CachedExecutor:
    """Between who asks and what runs."""

    def __init__(
        self,
        questions: CacheKeys,
        responses: Responses,
        blobs: BlobStore,
        run: RunAndStore,
        off: Collection[str] = (),
    ) -> None:
        """`off`: workloads of which nothing is kept."""
        self.responses = responses
        self._questions = questions
        self._shelf = ResponseStore(responses, blobs)
        self._run = run
        self._off = frozenset(off)
        self._hashing = FileHasher()
        self._contents = Fingerprints(blobs, self._hashing)
        self._flights: SingleFlight[Response] = SingleFlight()
        self._tasks: set[asyncio.Task[None]] = set()
        self.hits = 0
        """Requests that were given a kept result."""
        self.misses = 0
        """Those that had theirs made."""
        self.shared = 0
        """Those that waited for another's, which was under way already."""

    @property
    def evictions(self) -> int:
        """Results that went because there was no room for them."""
        return self.responses.evictions

    @property
    def entries(self) -> int:
        """Results that are kept."""
        return self.responses.entries

    @property
    def bytes(self) -> int:
        """What they take, files included."""
        return self.responses.size

    async def open(self) -> None:
        """Opens what earlier runs have kept."""
        await self.responses.open()

    async def close(self) -> None:
        """Ends what is under way."""
        await self._flights.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._hashing.close()
        await self.responses.close()

    async def blobs(self) -> set[str]:
        """The names of all files that belong to kept results: whoever collects garbage leaves them."""
        return await self.responses.blobs()

    async def clear(self) -> int:
        """Forgets all kept results; gives how many there were."""
        return await self.responses.clear()

    async def ask(self, ask: Ask, *, fresh: bool = False) -> Response:
        """What the workload gives, or gave. With `fresh` it runs whatever is kept, and what it gives is kept,
        as RFC 9111 §5.2.1.4 has it for `no-cache`. Raises WorkloadError."""
        inquiry = await self._inquiry(ask)
        # What runs anyway needs no question before it has its answer, unless files are read for it.
        if (
            inquiry is None
            or not ((fresh and inquiry.settled) or inquiry.pose())
            or not await inquiry.certain()
        ):
            return await self._run(ask, ask.watch)
        if fresh:
            return await self._fresh(inquiry)
        key = inquiry.key
        if key is not None and (kept := self._shelf.hot(key)) is not None:
            self.hits += 1
            return kept
        return await self._joined(inquiry)

    async def _inquiry(self, ask: Ask) -> CacheLookup | None:
        """None for what is neither kept nor shared."""
        workload = ask.workload
        off = workload.inline or not workload.cached or workload.name in self._off
        if off or ask.priority not in PRIORITIES:
            return None
        try:
            if len(ask.inputs) <= AT_ONCE:
                looks = self._contents.look(ask.inputs)
            else:
                looks = await asyncio.to_thread(self._contents.look, ask.inputs)
        except OSError:
            # Who runs it says what is wrong with the file.
            return None
        return CacheLookup(ask, looks, self._questions, self._shelf, self._contents, self._run)

    async def _joined(self, inquiry: CacheLookup) -> Response:
        identity = inquiry.identity
        flight = self._flights.get(identity)
        leads = flight is None
        if flight is None:
            flight = self._flights.start(identity, inquiry.answer, inquiry.keep, inquiry.ask.priority)
        cached = False
        try:
            ask = inquiry.ask
            response = await flight.join(ask.priority, ask.deadline_s, ask.watch)
            cached = response.meta.cached
        finally:
            self.hits += cached
            self.misses += leads and not cached
            self.shared += not leads and not cached
        return response

    async def _fresh(self, inquiry: CacheLookup) -> Response:
        made = await self._run(inquiry.ask, inquiry.ask.watch)
        task = asyncio.create_task(inquiry.keep(made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made


def cached_executor(
    settings: Settings, registry: Registry, file: Path, limits: Limits, blobs: BlobStore, executor: Executor
) -> CachedExecutor | None:
    """As the settings have it; None where nothing is kept."""
    size, off = settings["cache.max_size"], settings["cache.exclude"]
    if unknown := set(off) - set(registry.workloads):
        log.warning("setting cache.exclude has unknown workloads: %s", ", ".join(sorted(unknown)))
    if not size:
        return None
    questions = CacheKeys(registry.workloads, registry.origins, limits)
    run = Execution(executor, blobs.folder).run
    return CachedExecutor(questions, Responses(file, size), blobs, run, off)
