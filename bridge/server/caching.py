"""Results that are given again: found, made once for all who ask at the same time, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from msgspec import Struct
from msgspec.structs import replace

from accel.priorities import PRIORITIES
from accel.watch import Watch
from bridge.server.contents import Contents, Look
from bridge.server.execution import Ask, Response
from bridge.server.flights import Flights
from bridge.server.hashing import Hashing
from bridge.server.questions import Question, Questions
from bridge.server.shelf import Shelf, copied
from bridge.store.blobs import BlobStore
from bridge.store.responses import Responses

AT_ONCE = 64
"""Inputs that are looked at in the event loop; more of them are looked at beside it."""
NO_DEADLINE_S = 7 * 86_400.0
"""What is under way for several ends when the last of them has gone, by their own deadlines."""

Run = Callable[[Ask, Watch | None], Awaitable[Response]]
"""Has a workload run. Raises WorkloadError."""


class Caching:
    """Between who asks and what runs."""

    def __init__(
        self,
        questions: Questions,
        responses: Responses,
        blobs: BlobStore,
        run: Run,
        off: Collection[str] = (),
    ) -> None:
        """`off`: workloads of which nothing is kept."""
        self.responses = responses
        self._questions = questions
        self._shelf = Shelf(responses, blobs)
        self._run = run
        self._off = frozenset(off)
        self._hashing = Hashing()
        self._contents = Contents(blobs, self._hashing)
        self._flights: Flights[Response] = Flights()
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

    async def ask(self, ask: Ask, *, fresh: bool = False) -> Response:
        """What the workload gives, or gave. With `fresh` it runs whatever is kept, and what it gives is kept,
        as RFC 9111 §5.2.1.4 has it for `no-cache`. Raises WorkloadError."""
        job = await self._job(ask)
        if job is None:
            return await self._run(ask, None)
        if fresh:
            return await self._fresh(job)
        key = job.key
        if key is not None and (kept := await self._shelf.hot(key)) is not None:
            self.hits += 1
            return kept
        return await self._joined(job)

    async def _job(self, ask: Ask) -> Job | None:
        """None for what is neither kept nor shared. Raises WorkloadError `bad_params`."""
        workload = ask.workload
        off = workload.inline or not workload.cached or workload.name in self._off
        if off or ask.priority not in PRIORITIES:
            return None
        question = self._questions.ask(workload, ask.params, ask.inputs)
        if question is None:
            return None
        try:
            if len(ask.inputs) <= AT_ONCE:
                looks = self._contents.look(ask.inputs)
            else:
                looks = await asyncio.to_thread(self._contents.look, ask.inputs)
        except OSError:
            # Who runs it says what is wrong with the file.
            return None
        return Job(ask, question, looks, self._shelf, self._contents, self._run)

    async def _joined(self, job: Job) -> Response:
        identity = job.identity
        flight = self._flights.get(identity)
        leads = flight is None
        if flight is None:
            flight = self._flights.start(identity, job.answer, job.keep, job.ask.priority)
        cached = False
        try:
            response = await flight.join(job.ask.priority, job.ask.deadline_s)
            cached = response.meta.cached
        finally:
            self.hits += cached
            self.misses += leads and not cached
            self.shared += not leads and not cached
        return response if leads else copied(response)

    async def _fresh(self, job: Job) -> Response:
        made = await job.made()
        task = asyncio.create_task(job.keep(made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made


class Job(Struct):
    """A request, with its inputs as they were when it came."""

    ask: Ask
    question: Question
    looks: list[Look]
    shelf: Shelf
    contents: Contents
    run: Run
    read: list[bytes] | None = None
    """The digests of the inputs that were read before it ran."""

    @property
    def identity(self) -> bytes:
        """What may share one run: the same question about the same files."""
        return self.question.about([look.identity for look in self.looks])

    @property
    def key(self) -> bytes | None:
        """What its response is kept under; None where inputs have to be read to know."""
        known = [look.digest for look in self.looks if look.digest is not None]
        return self.question.about(known) if len(known) == len(self.looks) else None

    @property
    def outline(self) -> int:
        return self.question.outline([look.stamp.size for look in self.looks])

    async def answer(self, watch: Watch, priority: str) -> Response:
        """The kept response, or a new one."""
        # Reading takes time that is lost where nothing can be there.
        if self.shelf.responses.may_hold(self.outline):
            self.read = await self._digests(priority)
            kept = None if self.read is None else await self.shelf.find(self.question.about(self.read))
            if kept is not None:
                return kept
        return await self.made(replace(self.ask, priority=priority, deadline_s=NO_DEADLINE_S), watch)

    async def made(self, ask: Ask | None = None, watch: Watch | None = None) -> Response:
        """A new response."""
        ask = ask or self.ask
        # Of a file that has just changed it isn't known after the run what the run has read.
        if self.read is None and not all(look.settled for look in self.looks):
            self.read = await self._digests(ask.priority)
        return await self.run(ask, watch)

    async def keep(self, response: Response) -> None:
        """Keeps a response, where it is sure what it was made of."""
        if response.meta.cached:
            return
        try:
            contents = await self.contents.confirmed(self.looks, self.read)
        except OSError:
            return
        if contents is not None:
            await self.shelf.put(self.question.about(contents), self.outline, response)

    async def _digests(self, priority: str) -> list[bytes] | None:
        try:
            return await self.contents.digests(self.looks, priority)
        except OSError:
            return None
