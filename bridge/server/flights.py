"""Single flight: who asks for what is under way waits for it, instead of having it done once more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from accel.priorities import PRIORITIES
from accel.text import text
from accel.watch import Watch
from accel.workload import WorkloadError

Value = TypeVar("Value")

Run = Callable[[Watch, str], Awaitable[Value]]
"""Does the work with a priority, tells the watch when it has begun, and may be cancelled."""
Keep = Callable[[Value], Awaitable[None]]
"""What is done with the outcome while nobody waits any more; it still counts as under way."""


class Flights(Generic[Value]):
    """What is under way, by what it is."""

    def __init__(self) -> None:
        self._open: dict[bytes, Flight[Value]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: bytes) -> Flight[Value] | None:
        """The flight, if one is under way."""
        return self._open.get(key)

    def start(self, key: bytes, run: Run[Value], keep: Keep[Value], priority: str) -> Flight[Value]:
        """Starts one; somebody has to `join` it at once. The key isn't under way."""
        flight = self._open[key] = Flight(run, keep, priority, self._tasks, lambda: self._end(key, flight))
        return flight

    async def close(self) -> None:
        """Ends all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, key: bytes, flight: Flight[Value]) -> None:
        if self._open.get(key) is flight:
            del self._open[key]


class Flight(Generic[Value]):
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
        self._watches: list[Watch] = []
        self._landing: list[asyncio.Future[None]] = []
        self._result: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        self._start(priority)

    async def join(self, priority: str, deadline_s: float, watch: Watch | None = None) -> Value:
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
        self._watch = Watch(self._begun, self._progress)
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

    async def _fly(self, watch: Watch, priority: str) -> None:
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

    def _closed(self, watch: Watch) -> None:
        """Cancelled; if that wasn't done here, nobody else ends the waiting."""
        if watch is self._watch and self._waiting and not self._result.done():
            self._forget()
            self._land(WorkloadError("shutting_down", "the bridge is shutting down"))
