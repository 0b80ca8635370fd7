"""Results that are given again: found, made once for all who ask at the same time, kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path

from accel.executor import Executor
from accel.priorities import PRIORITIES
from accel.workload import Limits
from bridge.core.settings import Settings
from bridge.host import Registry
from bridge.server.contents import Contents
from bridge.server.execution import Ask, Execution, Response
from bridge.server.flights import Flights
from bridge.server.hashing import Hashing
from bridge.server.inquiry import Inquiry, Run
from bridge.server.questions import Questions
from bridge.server.shelf import Shelf
from bridge.store.blobs import BlobStore
from bridge.store.responses import Responses

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Inputs that are looked at in the event loop; more of them are looked at beside it."""


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

    async def _inquiry(self, ask: Ask) -> Inquiry | None:
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
        return Inquiry(ask, looks, self._questions, self._shelf, self._contents, self._run)

    async def _joined(self, inquiry: Inquiry) -> Response:
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

    async def _fresh(self, inquiry: Inquiry) -> Response:
        made = await self._run(inquiry.ask, inquiry.ask.watch)
        task = asyncio.create_task(inquiry.keep(made))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return made


def caching(
    settings: Settings, registry: Registry, file: Path, limits: Limits, blobs: BlobStore, executor: Executor
) -> Caching | None:
    """As the settings have it; None where nothing is kept."""
    size, off = settings["cache.max_size"], settings["cache.off"]
    if unknown := set(off) - set(registry.workloads):
        log.warning("cache.off names what is no workload: %s", ", ".join(sorted(unknown)))
    if not size:
        return None
    questions = Questions(registry.workloads, registry.origins, limits)
    run = Execution(executor, blobs.folder).run
    return Caching(questions, Responses(file, size), blobs, run, off)
