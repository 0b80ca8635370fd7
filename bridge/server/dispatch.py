"""Dispatches the messages of identified sessions."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import replace

from accel.execution.executor import CancelToken
from bridge.core import access, errors
from bridge.core.access import Right
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import (
    Ack,
    Answer,
    Cancel,
    ClientMessage,
    Command,
    Error,
    Event,
    PopupClose,
    Progress,
    Request,
    Result,
)
from bridge.core.metrics import UNKNOWN, Counts
from bridge.core.router import Router, Target, Ticket
from bridge.server import logs
from bridge.server.access.token_rates import REFUSAL_S
from bridge.server.advisors import AdvisorHost
from bridge.server.commands import Commands
from bridge.server.jobs import Jobs
from bridge.server.live_session import LiveSession
from bridge.server.runner import Runner, Throttle, as_message, deadline_exceeded

log = logging.getLogger(__name__)


class Late(Struct, frozen=True):
    """A request whose deadline has passed, with the token of its job unless it is durable."""

    ticket: Ticket
    token: CancelToken | None


class _Work(Struct, frozen=True, eq=False):
    """The running work of a request that isn't durable."""

    task: asyncio.Task[None]
    token: CancelToken


class Dispatch:
    """Passes requests to workloads and advisors, and other messages to their handlers."""

    def __init__(
        self,
        router: Router,
        runner: Runner,
        flows: AdvisorHost,
        commands: Commands,
        durable: Jobs,
        counts: Counts,
        rights: Mapping[str, Right],
    ) -> None:
        """`durable` handles journalled requests; `rights` are those that workloads and questions need."""
        self._rights = rights
        self._counts = counts
        self._router = router
        self._runner = runner
        self._flows = flows
        self._commands = commands
        self._durable = durable
        self._jobs: dict[tuple[str, int], _Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False

    async def handle(self, live: LiveSession, message: ClientMessage) -> None:
        """Handles a message. Raises RemoteProtocolError if it isn't allowed now."""
        try:
            self._authorise(live, message)
        except RequestError as error:
            # Only requests have an id for their answer.
            await live.send(replace(as_message(error, 0), id=UNSET))
            return
        if isinstance(message, Request) and live.session.repeats(message):
            self._durable.repeat(live, message)
            return
        if isinstance(message, Answer):
            message = await self._flows.resolve(live, message)
        settled = live.session.receive(message)
        match message:
            case Request():
                await self._request(live, message)
            case Cancel():
                await self._cancel(live, message.id)
            case Ack():
                live.acknowledged(message.seq)
            case Event():
                self._flows.event(live, message)
            case Answer() if isinstance(settled, PopupClose):
                self._counts.popups[settled.reason] += 1
                await self._flows.answers.answered(live, message, settled)
            case Result() | Error() if isinstance(settled, Command):
                self._counts.commands[_tag(message)] += 1
                await self._commands.answered(live, settled, message)
            case _:
                log.debug("nothing waits for this %s", type(message).__name__)

    def _authorise(self, live: LiveSession, message: ClientMessage) -> None:
        """Raises RequestError `forbidden` if the client lacks the right for this type of message."""
        right = access.MESSAGES[type(message)]
        if isinstance(message, Answer) and (popup := live.session.popups.get(message.id)):
            right = access.popup_right(popup.kind)
        if right is not None and right not in live.principal.rights:
            raise access.forbidden(live.principal, right, f"`{type(message).__struct_config__.tag}`")

    async def _request(self, live: LiveSession, request: Request) -> None:
        try:
            if self.stopping:
                raise RequestError(errors.SHUTTING_DOWN)
            live.rates.check(live.last_heard)
            # An unknown workload has no right; the router refuses it.
            right = self._rights.get(request.workload)
            if right is not None and right not in live.principal.rights:
                raise access.forbidden(live.principal, right, f"`{request.workload}`")
            # Inline workloads are answered immediately and need no journal.
            if request.key is UNSET and self._runner.is_inline(request):
                await live.send(self._run_inline(live, request))
                return
            ticket = self._router.admit(live.id, request, time.monotonic())
        except RequestError as error:
            if error.code is errors.RATE_LIMITED:
                await asyncio.sleep(REFUSAL_S)
            await self._reply(live, request.workload, as_message(error, request.id, "not_started"))
            return
        if ticket.journalled:
            self._durable.accept(live, request, ticket)
        else:
            self._start(live, request, ticket)

    async def _reply(self, live: LiveSession, name: str, answer: Result | Error) -> None:
        self._counts.answered(name if name in self._router else UNKNOWN, answer)
        await live.send(answer)

    def _run_inline(self, live: LiveSession, request: Request) -> Result | Error:
        asked = self._counts.of(request.workload)
        live.inline, begin = request, time.perf_counter()
        try:
            result = self._runner.run_inline(request)
            asked.run.add(time.perf_counter() - begin)
            asked.ok += 1
            return result
        except RequestError as error:
            failed = error
        # A plugin's workload may raise anything; only its own request fails.
        except (Exception, SystemExit):
            log.exception("request %d for %s failed", request.id, request.workload)
            failed = RequestError(errors.INTERNAL, what=request.workload)
        finally:
            live.inline = None
        asked.failed[failed.code.name] += 1
        return as_message(failed, request.id)

    def _start(self, live: LiveSession, request: Request, ticket: Ticket) -> None:
        on_progress = Throttle(functools.partial(self._progress, live, ticket))
        token = CancelToken(on_progress=on_progress)
        # Advisors start immediately.
        token.started = ticket.target is Target.ADVISOR

        async def run() -> None:
            logs.request.set(request)
            try:
                answer = await self._answer(live, request, ticket, token)
            finally:
                on_progress.close()
            # A cancelled or overdue request was already answered, and its id may have been reused.
            if self._jobs.get(ticket.key) is work:
                del self._jobs[ticket.key]
                self._router.finish(*ticket.key)
                await self._reply(live, ticket.name, answer)

        work = self._jobs[ticket.key] = _Work(asyncio.create_task(run()), token)
        self._tasks.add(work.task)
        work.task.add_done_callback(self._tasks.discard)

    async def _progress(self, live: LiveSession, ticket: Ticket, fraction: float, stage: str) -> None:
        # A cancelled request was already answered, but its job may still report for a moment.
        if ticket.key in self._jobs:
            await live.write(Progress(id=ticket.request, fraction=fraction, stage=stage))

    async def _answer(
        self, live: LiveSession, request: Request, ticket: Ticket, token: CancelToken
    ) -> Result | Error:
        try:
            if ticket.target is Target.ADVISOR:
                value, outputs = await self._flows.ask(live, request.workload, request.params)
                return Result(id=request.id, value=value, outputs=outputs)
            response = await self._runner.run(
                request.workload,
                request.params,
                self._runner.resolve(request.inputs, live.root),
                deadline_ms=ticket.deadline_ms,
                priority=request.priority,
                cache=request.cache,
                token=token,
            )
            return response.message(request.id)
        except RequestError as error:
            # An advisor may have started even if its workload hasn't.
            outcome = error.code.outcome if ticket.target is Target.ADVISOR else ""
            return as_message(error, request.id, outcome)
        except StoreError as error:
            return as_message(errors.unavailable(error), request.id, "unknown")
        except BaseException as error:
            # A plugin's workload or advisor may raise anything; only its own request fails.
            if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            log.exception("request %d for %s failed", request.id, request.workload)
            return as_message(RequestError(errors.INTERNAL, what=request.workload), request.id)

    async def _cancel(self, live: LiveSession, request_id: int) -> None:
        ticket = self._router.find(live.id, request_id)
        if ticket is not None and ticket.journalled:
            # Wait, because the client may reuse the id.
            await self._durable.cancel(live, ticket)
        else:
            await self._give_up(live, request_id, RequestError(errors.CANCELLED))

    async def overdue(self, live: LiveSession, late: Sequence[Late]) -> None:
        """Answers requests whose deadline has passed."""
        for one in late:
            ticket = one.ticket
            if ticket.journalled:
                await self._durable.overdue(live, ticket)
                continue
            # Read this only now: a worker could have taken the job until its task was cancelled.
            error = deadline_exceeded(
                ticket.name, ticket.deadline_ms, begun=one.token is None or one.token.started
            )
            await self._reply(live, ticket.name, as_message(error, ticket.request))

    def take_overdue(self, now: float) -> Mapping[str, Sequence[Late]]:
        """Cancels the work of requests whose deadline has passed; returns them by session."""
        late: dict[str, list[Late]] = {}
        for ticket in self._router.overdue(now):
            work = self._jobs.get(ticket.key)
            if work is not None:
                # Set before cancelling: it may hold up others in the same batch.
                work.token.overdue = True
            self._stop(ticket.key)
            late.setdefault(ticket.session, []).append(Late(ticket, work.token if work else None))
        return late

    async def _give_up(self, live: LiveSession, request_id: int, error: RequestError) -> None:
        ticket = self._router.finish(live.id, request_id)
        if ticket is not None:
            begun = await self._cancel_work(ticket.key)
            # What a started job has done is unknown.
            message = as_message(error, request_id, "unknown" if begun else "not_started")
            await self._reply(live, ticket.name, message)

    async def _cancel_work(self, key: tuple[str, int]) -> bool:
        """Cancels a request's work and returns whether it had started, or may have."""
        work = self._stop(key)
        if work is None or work.token.started:
            return True
        # A worker may take the job until its task ends.
        await asyncio.wait([work.task])
        return work.token.started

    def _stop(self, key: tuple[str, int]) -> _Work | None:
        work = self._jobs.pop(key, None)
        if work is not None:
            work.token.cancelled = True
            work.task.cancel()
        return work

    async def drain(self, timeout_s: float, sessions: Mapping[str, LiveSession]) -> None:
        """Refuses new requests and waits for running ones. Those that take longer are abandoned or, if
        durable, left to the next daemon."""
        self.stopping = True
        await asyncio.gather(self._durable.drain(timeout_s), self._drain(timeout_s, sessions))

    async def _drain(self, timeout_s: float, sessions: Mapping[str, LiveSession]) -> None:
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout_s)
        late = [(sessions[key[0]], key[1]) for key in self._jobs if key[0] in sessions]
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(
            *(
                self._give_up(live, request_id, RequestError(errors.SHUTTING_DOWN))
                for live, request_id in late
            ),
            *self._tasks,
            return_exceptions=True,
        )

    def session_ended(self, session_id: str) -> None:
        """Cancels a session's requests."""
        for ticket in self._router.drop_session(session_id):
            self._stop(ticket.key)

    async def client_restarted(self, live: LiveSession) -> None:
        """Forgets the requests of a client's previous process, because the new one may reuse their ids."""
        self.session_ended(live.id)
        await self._durable.forget(live)
        live.session.client_restarted()


def _tag(message: Result | Error) -> str:
    return "error" if isinstance(message, Error) else "result"
