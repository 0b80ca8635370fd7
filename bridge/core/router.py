"""Routing, admission, load, idempotency keys."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from enum import Enum
from math import inf
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from accel.text import Text, joined, text
from bridge.core import errors
from bridge.core.errors import LocalProtocolError, RequestError
from bridge.core.messages import Error, InputRef, Request

PRIORITIES = ("interactive", "normal", "bulk")
"""Most urgent first."""

SESSION_SHARES: Mapping[str, float] = {"interactive": 1.0, "normal": 1.0, "bulk": 0.75}
"""Which part of one session's limit a priority and all that are less urgent may take together."""
TOTAL_SHARES: Mapping[str, float] = {"interactive": 1.0, "normal": 0.875, "bulk": 0.5}
"""The same of the limit of all sessions: what is left is kept for what is more urgent."""


SESSION = text("The session")


class Room:
    """Counts open requests by priority and checks their limits."""

    def __init__(self, name: Text, limits: Mapping[str, int]) -> None:
        """`name` is the subject of error messages; a limit is for a priority and all less urgent ones."""
        self._name = name
        self._limits = limits
        self.open = dict.fromkeys(PRIORITIES, 0)

    def __len__(self) -> int:
        return sum(self.open.values())

    def check(self, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` where one more has no room."""
        for at in range(PRIORITIES.index(priority) + 1):
            taken = sum(map(self.open.__getitem__, PRIORITIES[at:]))
            if taken >= self._limits[PRIORITIES[at]]:
                raise _overloaded(self._name, taken, PRIORITIES[at:], retry_after_ms())


class Admission:
    """The open requests of all sessions, counted."""

    def __init__(self, per_session: int, total: int) -> None:
        """The most that may be open of one session, and of all together; both at least 1."""
        self.most = total
        self._limits = _limits(per_session, SESSION_SHARES)
        self._all = Room(text("The daemon"), _limits(total, TOTAL_SHARES))
        self._sessions: dict[str, Room] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def open(self) -> Mapping[str, int]:
        """How many are open, by priority."""
        return self._all.open

    def of(self, session: str) -> int:
        """How many the session has open."""
        room = self._sessions.get(session)
        return 0 if room is None else len(room)

    def check(self, session: str, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` where one more has no room, with what `retry_after_ms` gives."""
        mine = self._sessions.get(session)
        if mine is not None:
            mine.check(priority, retry_after_ms)
        self._all.check(priority, retry_after_ms)

    def enter(self, session: str, priority: str) -> None:
        """Counts one more, whether it has room or not."""
        mine = self._sessions.get(session)
        if mine is None:
            mine = self._sessions[session] = Room(SESSION, self._limits)
        mine.open[priority] += 1
        self._all.open[priority] += 1

    def leave(self, session: str, priority: str) -> None:
        """One of the session's requests is answered."""
        mine = self._sessions[session]
        mine.open[priority] -= 1
        self._all.open[priority] -= 1
        if not len(mine):
            del self._sessions[session]


def _limits(most: int, shares: Mapping[str, float]) -> Mapping[str, int]:
    return {priority: math.ceil(most * shares[priority]) for priority in PRIORITIES}


def _overloaded(name: Text, taken: int, priorities: tuple[str, ...], retry_after_ms: int) -> RequestError:
    fields: dict[str, Any] = {"name": name, "open": taken, "retry_after_ms": retry_after_ms}
    if len(priorities) == len(PRIORITIES):
        return RequestError(errors.OVERLOADED, **fields)
    classes = joined(priorities, text("{head} or {rest}"))
    message = text(
        "{name} has {open} open requests of priority {classes}, the maximum.",
        name=name,
        open=taken,
        classes=classes,
    )
    return RequestError(errors.OVERLOADED, Text(errors.OVERLOADED.hint), message=message, **fields)


FIRST_S = 0.1
"""What a run is expected to take as long as none of its name was measured, seconds."""
WEIGHT = 0.2
"""Of the newest run in the mean of its name: the last ten or so decide."""
SHARE = 0.5
"""Which part of what is ahead should be done by then: there is room again, and no worker has run dry."""
LEAST_MS, MOST_MS = 50, 30_000
"""Between these `retry_after_ms` always is."""


class Load:
    """Expected work of open requests, seconds, by priority."""

    def __init__(self, workers: int) -> None:
        """How many run at once, at least 1."""
        self._workers = workers
        self._means: dict[str, float] = {}
        self._ahead = dict.fromkeys(PRIORITIES, 0.0)
        self._open: dict[Hashable, tuple[str, float]] = {}

    @property
    def means(self) -> Mapping[str, float]:
        """What one run took lately, seconds, by name; only of what was measured."""
        return self._means

    def ran(self, name: str, run_s: float) -> None:
        """One run was measured."""
        mean = self._means.get(name, run_s)
        self._means[name] = mean + WEIGHT * (run_s - mean)

    def enter(self, key: Hashable, name: str, priority: str) -> None:
        """The request `key` is open."""
        expected = self._means.get(name, FIRST_S)
        self._open[key] = (priority, expected)
        self._ahead[priority] += expected

    def leave(self, key: Hashable) -> None:
        """The request is no longer open, if it was."""
        priority, expected = self._open.pop(key, ("normal", 0.0))
        self._ahead[priority] -= expected
        if not self._open:
            # From nothing anew, or the rounding of a million sums would be taken for work.
            self._ahead = dict.fromkeys(PRIORITIES, 0.0)

    def wait_s(self, priority: str) -> float:
        """Seconds until the workers have done what goes before a new request of this priority."""
        ahead = PRIORITIES[: PRIORITIES.index(priority) + 1]
        return max(0.0, sum(self._ahead[each] for each in ahead)) / self._workers

    def retry_after_ms(self, priority: str) -> int:
        """Milliseconds after which asking again is worth it, from LEAST_MS to MOST_MS."""
        return round(min(max(self.wait_s(priority) * SHARE * 1000, LEAST_MS), MOST_MS))


MAX_CRASHES = 5
"""How often a job may crash its workers (each time several of them) before it is given up."""
MAX_DEATHS = 10
"""How many killed daemons may be blamed on a job before it is given up.

A kill blames all that was in hand, mostly wrongly, and so each with its share: a half where there were two.
"""

_FREEING = frozenset({errors.CANCELLED.name, errors.WORKER_CRASHED.name})


def is_journalled(request: Request) -> bool:
    """Whether a request for a workload is written down before it is accepted, and done whatever dies."""
    return request.key is not UNSET or request.priority == "bulk"


def digest(workload: str, params: Any, inputs: Sequence[InputRef], root: str | None) -> bytes:
    """SHA-256 of what is asked for: equal exactly where a key may be used again.

    `params` are as the workload parsed them, so that defaults and the order of fields make no difference;
    `inputs` name blobs or paths, which `root` tells apart.
    """
    asked = [workload, params, inputs, root if any(one.path is not UNSET for one in inputs) else None]
    return hashlib.sha256(msgspec.msgpack.encode(asked, order="deterministic")).digest()


def frees_key(error: Error) -> bool:
    """Whether the same key may be tried again after `error`; otherwise it is the key's answer."""
    return error.retryable or error.code in _FREEING


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
