"""From a request to what will answer it: admission, correlation, deadlines, cancellation. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from enum import Enum
from math import inf

from msgspec import UNSET, Struct

from accel.text import text
from bridge.core import errors
from bridge.core.admission import Admission
from bridge.core.errors import LocalProtocolError, RequestError
from bridge.core.journal import is_journalled
from bridge.core.load import Load
from bridge.core.messages import Request

SLACK = 1024
"""Deadlines of finished requests that may lie about before they are swept."""


class Target(Enum):
    """What answers a request."""

    WORKLOAD = "workload"
    ADVISOR = "advisor"


class Ticket(Struct, frozen=True):
    """One admitted request."""

    session: str
    request: int
    name: str
    target: Target
    deadline_ms: int
    deadline: float
    """When it is too late, on the caller's clock, seconds; infinite for what waits as long as it takes."""
    priority: str = "normal"
    journalled: bool = False
    """Whether the journal answers it."""

    @property
    def key(self) -> tuple[str, int]:
        return self.session, self.request


class Router:
    """The open requests of all sessions."""

    def __init__(
        self,
        workloads: Collection[str],
        asks: Collection[str] = (),
        *,
        inflight: int = 64,
        inflight_total: int = 4096,
        deadline_ms: int = 60_000,
        load: Load | None = None,
    ) -> None:
        """`inflight` is the most open requests of a session, `inflight_total` of all; `load` knows how busy
        the workers are."""
        self._targets = {name: Target.WORKLOAD for name in workloads} | {n: Target.ADVISOR for n in asks}
        self.admission = Admission(inflight, inflight_total)
        self.load = load or Load(1)
        self._deadline_ms = deadline_ms
        self._open: dict[tuple[str, int], Ticket] = {}
        self._deadlines: list[tuple[float, tuple[str, int]]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, name: object) -> bool:
        """Whether requests for this name are answered."""
        return name in self._targets

    def admit(self, session: str, request: Request, now: float) -> Ticket:
        """Raises RequestError: `unknown_workload`, `overloaded` where too much is open already, or
        `unsupported` for a key where none can be kept.

        The session has made sure that the id isn't open (LocalProtocolError).
        """
        priority = request.priority
        if (session, request.id) in self._open:
            raise LocalProtocolError(errors.UNKNOWN, f"request {request.id} of {session} is admitted already")
        target = self._targets.get(request.workload)
        if target is None:
            raise RequestError(errors.UNKNOWN_WORKLOAD, workload=request.workload)
        if target is Target.ADVISOR and request.key is not UNSET:
            # It talks with an editor, and nobody can promise what a person or an editor does.
            raise RequestError(
                errors.UNSUPPORTED,
                text("Send it without 'key'."),
                name=text("field 'key'"),
                reason=text(
                    "{workload} isn't done by itself, so that it can't be promised", workload=request.workload
                ),
            )
        self.admission.check(session, priority, lambda: self.load.retry_after_ms(priority))
        return self._enter(self._ticket(session, request, target, now))

    def readmit(self, session: str, request: Request, now: float) -> Ticket:
        """A journalled request of an earlier run is open again, whatever else is; its time begins anew."""
        return self._enter(self._ticket(session, request, Target.WORKLOAD, now))

    def _ticket(self, session: str, request: Request, target: Target, now: float) -> Ticket:
        own, name = request.deadline_ms, request.workload
        deadline_ms = own if isinstance(own, int) else self._deadline_ms
        journalled = target is Target.WORKLOAD and is_journalled(request)
        # What is in the journal waits its turn, which may be long in coming: only its run has our deadline.
        end = inf if journalled and own is UNSET else now + deadline_ms / 1000
        return Ticket(session, request.id, name, target, deadline_ms, end, request.priority, journalled)

    def _enter(self, ticket: Ticket) -> Ticket:
        self._open[ticket.key] = ticket
        self.admission.enter(ticket.session, ticket.priority)
        # What an advisor has run is no request, and it keeps no worker busy itself.
        if ticket.target is Target.WORKLOAD:
            self.load.enter(ticket.key, ticket.name, ticket.priority)
        if ticket.deadline < inf:
            self._remember(ticket)
        return ticket

    def find(self, session: str, request: int) -> Ticket | None:
        """The request, if it is open."""
        return self._open.get((session, request))

    def _remember(self, ticket: Ticket) -> None:
        # Finished requests stay in the heap until they would be late: forget them when they are most of it.
        if len(self._deadlines) > 2 * len(self._open) + SLACK:
            self._deadlines = [(t.deadline, t.key) for t in self._open.values()]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (ticket.deadline, ticket.key))

    def finish(self, session: str, request: int) -> Ticket | None:
        """The request is answered or cancelled; None where it isn't open (any more)."""
        ticket = self._open.pop((session, request), None)
        if ticket is not None:
            self.admission.leave(session, ticket.priority)
            self.load.leave(ticket.key)
        return ticket

    def drop_session(self, session: str) -> list[Ticket]:
        """Everything that the session had open, finished."""
        keys = [key for key in self._open if key[0] == session]
        return [ticket for key in keys if (ticket := self.finish(*key))]

    def overdue(self, now: float) -> list[Ticket]:
        """What has passed its deadline, finished."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = heapq.heappop(self._deadlines)
            ticket = self._open.get(key)
            if ticket is not None and ticket.deadline <= now:
                late.append(ticket)
                self.finish(*key)
        return late
