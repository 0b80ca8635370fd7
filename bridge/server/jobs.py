"""Durable requests: journals, accepts, joins and withdraws them, and resumes them after a restart."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Coroutine
from typing import Any

from msgspec import UNSET

from accel.execution.pool import PRIORITIES
from accel.workload import WorkloadError
from bridge.core import errors
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import Accepted, Request
from bridge.core.metrics import Counts
from bridge.core.router import Router, Ticket, digest
from bridge.server import logs
from bridge.server.delivery import Deliveries, withdraw_request
from bridge.server.live_session import LiveSession, project_key
from bridge.server.runner import Runner, as_message, as_request_error, deadline_exceeded
from bridge.server.scheduler import JobRunner, Scheduler
from bridge.server.sessions import Sessions
from bridge.store import journal
from bridge.store.journal import Asked, Waiter
from bridge.store.records import pack
from bridge.store.store import Store

log = logging.getLogger(__name__)

SWEEP_S = 60.0
"""Seconds between deletions of expired finished jobs."""


class Jobs:
    """Accepts and withdraws durable requests."""

    def __init__(
        self,
        store: Store,
        router: Router,
        runner: Runner,
        sessions: Sessions,
        counts: Counts,
        *,
        owner: str,
        workers: int,
        deadline_ms: int,
        keep_s: float,
    ) -> None:
        """`owner` is the daemon's instance. Finished jobs are deleted after `keep_s` seconds."""
        self._store = store
        self._router = router
        self._runner = runner
        self._sessions = sessions
        self._counts = counts
        self._owner = owner
        self._keep_s = keep_s
        self._deliveries = Deliveries(store, sessions, router, counts)
        self.scheduler = Scheduler(store, JobRunner(runner, deadline_ms), self._deliveries, owner, workers)
        self._accepting: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def accept(self, live: LiveSession, request: Request, ticket: Ticket) -> None:
        """Journals an admitted request, then sends `accepted` or an error."""
        # Not awaited, so that requests that arrive together share a commit.
        task = self._accepting[ticket.key] = self._spawn(self._accept(live, request, ticket))
        task.add_done_callback(lambda _: self._accepting.pop(ticket.key, None))

    async def _accept(self, live: LiveSession, request: Request, ticket: Ticket) -> None:
        logs.request.set(request)
        try:
            asked = self._asked(live, request, ticket)
            accepted = await self._journal(asked, live, request)
        except RequestError as error:
            await self._refuse(live, ticket, error)
            return
        # A plugin's parameters may fail in any way; only this request may fail.
        except (Exception, SystemExit):
            log.exception("request %d for %s can't be journalled", request.id, request.workload)
            await self._refuse(live, ticket, RequestError(errors.INTERNAL, what=request.workload))
            return
        if accepted.is_new:
            self.scheduler.tally.waiting += 1
        if live.ended:
            self._store.submit(functools.partial(journal.forget_waiters, session=live.id))
        # Everything else about the job is committed later, and so sent later.
        await live.write(Accepted(id=request.id, job=str(accepted.job)))
        if accepted.is_finished:
            await self._deliveries.answer(accepted.job)
        else:
            self.scheduler.wake()

    async def _refuse(self, live: LiveSession, ticket: Ticket, error: RequestError) -> None:
        message = as_message(error, ticket.request, "not_started")
        self._router.finish(*ticket.key)
        self._counts.answered(ticket.name, message)
        await live.send(message)

    def repeat(self, live: LiveSession, request: Request) -> None:
        """Sends `accepted` again for an open request that its client repeated."""
        self._spawn(self._repeat(live, request))

    async def _repeat(self, live: LiveSession, request: Request) -> None:
        if accepting := self._accepting.get((live.id, request.id)):
            await asyncio.wait([accepting])
        work = functools.partial(journal.job_of, session=live.id, request=request.id)
        # Through the writer, so that it precedes any answer stored later.
        if job := await self._store.write(work):
            await live.write(Accepted(id=request.id, job=str(job)))

    async def _journal(self, asked: Asked, live: LiveSession, request: Request) -> journal.Accepted:
        has_outputs = self._runner.has_outputs
        work = functools.partial(
            journal.accept_request, asked=asked, session=live.id, request=request.id, has_outputs=has_outputs
        )
        try:
            return await self._store.write(work)
        except StoreError as error:
            raise errors.unavailable(error) from None

    def _asked(self, live: LiveSession, request: Request, ticket: Ticket) -> Asked:
        """Raises RequestError for an invalid request, before it is accepted."""
        workload = self._runner.workloads[request.workload]
        root = live.root
        inputs = self._runner.durable(request.inputs, root)
        try:
            workload.check_inputs(len(inputs))
            params = workload.parse(request.params)
        except WorkloadError as error:
            raise as_request_error(error, request.workload, 0) from None
        has_deadline = isinstance(request.deadline_ms, int)
        return Asked(
            scope=live.view.project or project_key("", live.owner),
            key=request.key if isinstance(request.key, str) else None,
            digest=digest(request.workload, params, inputs, None if root is None else str(root)),
            workload=request.workload,
            priority=PRIORITIES.index(request.priority),
            deadline_ms=ticket.deadline_ms if has_deadline else None,
            deadline=ticket.deadline if has_deadline else None,
            cache=request.cache,
            root=None if root is None else str(root),
            params=pack(request.params),
            inputs=pack(inputs),
        )

    async def withdraw(self, live: LiveSession, ticket: Ticket, error: RequestError, state: str) -> bool:
        """Answers an open request with `error`, unless its answer came first, and ends the job if no other
        request is waiting for it.

        `state` is the job's new state, `cancelled` or `failed`. Returns whether the error was sent.
        """
        if accepting := self._accepting.get(ticket.key):
            await asyncio.wait([accepting])
        message = as_message(error, ticket.request, "unknown")
        try:
            withdrawal = await self._deliveries.withdraw(live, withdraw_request(live.id, message, state))
        except StoreError as failure:
            # The job continues, and its answer will follow.
            log.error("request %d of session %s goes on: %s", ticket.request, live.id, failure.reason)
            return False
        if withdrawal is not None and withdrawal.ended is not None:
            self.scheduler.tally.ended(state)
            if not self.scheduler.stop(withdrawal.ended):
                self.scheduler.tally.waiting -= 1
        return withdrawal is not None

    async def cancel(self, live: LiveSession, ticket: Ticket) -> None:
        """Withdraws a request cancelled by its client."""
        await self.withdraw(live, ticket, RequestError(errors.CANCELLED), "cancelled")

    async def overdue(self, live: LiveSession, ticket: Ticket) -> None:
        """Answers a request whose deadline has passed."""
        # The database decides `begun`, as it knows whether the job was leased.
        error = deadline_exceeded(ticket.name, ticket.deadline_ms, begun=True)
        if await self.withdraw(live, ticket, error, "failed"):
            self._counts.answered(ticket.name, as_message(error, ticket.request))

    async def forget(self, live: LiveSession) -> None:
        """Forgets the requests of a client that is gone. Their jobs continue, for requests with the same
        key."""
        accepting = [task for key, task in self._accepting.items() if key[0] == live.id]
        await asyncio.gather(*accepting, return_exceptions=True)
        work = functools.partial(journal.forget_waiters, session=live.id)
        try:
            # The previous client's messages must not be in flight when the next client starts.
            async with live.sending:
                await self._store.write(work)
        except StoreError as error:
            log.error("waiting requests of session %s aren't deleted yet: %s", live.id, error.reason)
            self._spawn(self._store.persist(work))

    async def start(self) -> None:
        """Resumes an earlier daemon's jobs once the sessions are restored. Raises StoreError."""
        await self._store.write(journal.delete_orphans)
        work = functools.partial(journal.recover, owner=self._owner, now=time.monotonic())
        if requeued := await self._store.write(work):
            log.warning("%d jobs were running when the daemon was killed; they run again", requeued)
        for waiter in await self._store.write(journal.waiters):
            self._reopen(waiter)
        tally = await self._store.write(journal.counts)
        self.scheduler.tally.waiting = tally.get("waiting", 0)
        self.scheduler.start()
        self._sweeper = asyncio.create_task(self._sweep())

    def _reopen(self, waiter: Waiter) -> None:
        live = self._sessions.by_id.get(waiter.session)
        if live is None:
            self._store.submit(functools.partial(journal.forget_waiters, session=waiter.session))
            return
        live.session.requests[waiter.request] = waiter.key
        request = Request(
            id=waiter.request,
            workload=waiter.workload,
            priority="bulk",
            deadline_ms=UNSET if waiter.deadline_ms is None else waiter.deadline_ms,
        )
        self._router.readmit(waiter.session, request, time.monotonic())
        if waiter.is_finished:
            self._spawn(self._deliveries.answer(waiter.job))

    async def drain(self, timeout_s: float) -> None:
        """Waits for running jobs. Those that take longer are left to the next daemon."""
        await self.scheduler.drain(timeout_s)
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout_s)
        if self._sweeper is not None:
            self._sweeper.cancel()
        for task in (*self._tasks, *([self._sweeper] if self._sweeper else [])):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            try:
                await self._store.write(
                    functools.partial(journal.sweep, uptime_s=now - last, keep_s=self._keep_s)
                )
            except StoreError as error:
                log.error("finished jobs can't be swept: %s", error.reason)
            else:
                last = now

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(_logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it started
        return task


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    # No task awaits it, so its error would be lost or only reported at exit.
    except (Exception, SystemExit):
        log.exception("a request of the journal failed")
