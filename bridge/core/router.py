"""Request routing, admission limits, load estimates and idempotency keys."""

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
"""Share of a session's limit that a priority and all less urgent ones may use together."""
TOTAL_SHARES: Mapping[str, float] = {"interactive": 1.0, "normal": 0.875, "bulk": 0.5}
"""Share of the limit for all sessions; the rest is reserved for more urgent requests."""


SESSION = text("The session")


class Quota:
    """Counts open requests by priority and checks their limits."""

    def __init__(self, name: Text, limits: Mapping[str, int]) -> None:
        """`name` is the subject of error messages. Each limit is for a priority and all less urgent ones."""
        self._name = name
        self._limits = limits
        self.open = dict.fromkeys(PRIORITIES, 0)

    def __len__(self) -> int:
        return sum(self.open.values())

    def check(self, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` if one more request would exceed a limit."""
        for at in range(PRIORITIES.index(priority) + 1):
            taken = sum(map(self.open.__getitem__, PRIORITIES[at:]))
            if taken >= self._limits[PRIORITIES[at]]:
                raise _overloaded(self._name, taken, PRIORITIES[at:], retry_after_ms())


class Admission:
    """Counts the open requests of all sessions and checks the limits."""

    def __init__(self, per_session: int, total: int) -> None:
        """Sets the limits of open requests per session and in total, each at least 1."""
        self.most = total
        self._limits = _limits(per_session, SESSION_SHARES)
        self._all = Quota(text("The daemon"), _limits(total, TOTAL_SHARES))
        self._sessions: dict[str, Quota] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def open(self) -> Mapping[str, int]:
        """Number of open requests by priority."""
        return self._all.open

    def of(self, session: str) -> int:
        """Returns the number of open requests of a session."""
        room = self._sessions.get(session)
        return 0 if room is None else len(room)

    def check(self, session: str, priority: str, retry_after_ms: Callable[[], int]) -> None:
        """Raises RequestError `overloaded` if one more request would exceed a limit."""
        mine = self._sessions.get(session)
        if mine is not None:
            mine.check(priority, retry_after_ms)
        self._all.check(priority, retry_after_ms)

    def enter(self, session: str, priority: str) -> None:
        """Counts another open request without checking limits."""
        mine = self._sessions.get(session)
        if mine is None:
            mine = self._sessions[session] = Quota(SESSION, self._limits)
        mine.open[priority] += 1
        self._all.open[priority] += 1

    def leave(self, session: str, priority: str) -> None:
        """Counts one fewer open request."""
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


DEFAULT_RUN_S = 0.1
"""Expected seconds of a run that was never measured."""
MEAN_WEIGHT = 0.2
"""Weight of the latest run in the moving average, which covers about ten runs."""
RETRY_SHARE = 0.5
"""Share of the queued work after which to suggest a retry, before workers become idle."""
MIN_RETRY_MS, MAX_RETRY_MS = 50, 30_000
"""Bounds of `retry_after_ms`."""


class Load:
    """Estimates the queued work of open requests, in seconds by priority."""

    def __init__(self, workers: int) -> None:
        """`workers` is the number of parallel runs, at least 1."""
        self._workers = workers
        self._means: dict[str, float] = {}
        self._ahead = dict.fromkeys(PRIORITIES, 0.0)
        self._open: dict[Hashable, tuple[str, float]] = {}

    @property
    def means(self) -> Mapping[str, float]:
        """Moving averages of run times in seconds, by name."""
        return self._means

    def ran(self, name: str, run_s: float) -> None:
        """Records the duration of a run."""
        mean = self._means.get(name, run_s)
        self._means[name] = mean + MEAN_WEIGHT * (run_s - mean)

    def enter(self, key: Hashable, name: str, priority: str) -> None:
        """Adds an open request under `key`."""
        expected = self._means.get(name, DEFAULT_RUN_S)
        self._open[key] = (priority, expected)
        self._ahead[priority] += expected

    def leave(self, key: Hashable) -> None:
        """Removes a request if it is open."""
        priority, expected = self._open.pop(key, ("normal", 0.0))
        self._ahead[priority] -= expected
        if not self._open:
            # Resets rounding errors.
            self._ahead = dict.fromkeys(PRIORITIES, 0.0)

    def wait_s(self, priority: str) -> float:
        """Returns the expected seconds until a new request of this priority starts."""
        ahead = PRIORITIES[: PRIORITIES.index(priority) + 1]
        return max(0.0, sum(self._ahead[each] for each in ahead)) / self._workers

    def retry_after_ms(self, priority: str) -> int:
        """Returns the suggested wait before a retry, between MIN_RETRY_MS and MAX_RETRY_MS."""
        return round(min(max(self.wait_s(priority) * RETRY_SHARE * 1000, MIN_RETRY_MS), MAX_RETRY_MS))


_FREEING = frozenset({errors.CANCELLED.name, errors.WORKER_CRASHED.name})


def is_journalled(request: Request) -> bool:
    """Whether a request for a workload is durable, that is, journalled before it is accepted."""
    return request.key is not UNSET or request.priority == "bulk"


def digest(workload: str, params: Any, inputs: Sequence[InputRef], root: str | None) -> bytes:
    """Returns the SHA-256 of a request. A key can only be reused with the same digest.

    `params` are parsed, so defaults and the order of fields don't matter. `root` counts only if an input is a
    path.
    """
    asked = [workload, params, inputs, root if any(one.path is not UNSET for one in inputs) else None]
    return hashlib.sha256(msgspec.msgpack.encode(asked, order="deterministic")).digest()


def frees_key(error: Error) -> bool:
    """Whether `error` frees the key for a new attempt; other errors remain the key's answer."""
    return error.retryable or error.code in _FREEING


MAX_STALE_DEADLINES = 1024
"""Maximum number of finished requests' deadlines left in the heap."""


class Target(Enum):
    """What kind of code answers a request."""

    WORKLOAD = "workload"
    ADVISOR = "advisor"


class Ticket(Struct, frozen=True):
    """An admitted request."""

    session: str
    request: int
    name: str
    target: Target
    deadline_ms: int
    deadline: float
    """Deadline in seconds of the caller's clock; infinite for none."""
    priority: str = "normal"
    journalled: bool = False
    """Whether it is durable and answered through the journal."""

    @property
    def key(self) -> tuple[str, int]:
        return self.session, self.request


class Router:
    """Admits requests and tracks the open ones of all sessions."""

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
        """`inflight` limits the open requests of a session, `inflight_total` those of all sessions."""
        self._targets = {name: Target.WORKLOAD for name in workloads} | {n: Target.ADVISOR for n in asks}
        self.admission = Admission(inflight, inflight_total)
        self.load = load or Load(1)
        self._deadline_ms = deadline_ms
        self._open: dict[tuple[str, int], Ticket] = {}
        self._deadlines: list[tuple[float, tuple[str, int]]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, name: object) -> bool:
        """Whether a workload or question of this name exists."""
        return name in self._targets

    def admit(self, session: str, request: Request, now: float) -> Ticket:
        """Admits a request. Raises RequestError: `unknown_workload`, `overloaded`, or `unsupported` for a
        question to an advisor with a key.

        The session must have checked that the id isn't open; otherwise raises LocalProtocolError.
        """
        priority = request.priority
        if (session, request.id) in self._open:
            raise LocalProtocolError(errors.UNKNOWN, f"request {request.id} of {session} is already open")
        target = self._targets.get(request.workload)
        if target is None:
            raise RequestError(errors.UNKNOWN_WORKLOAD, workload=request.workload)
        if target is Target.ADVISOR and request.key is not UNSET:
            # It depends on an editor or a person, so it can't be durable.
            raise RequestError(
                errors.UNSUPPORTED,
                text("Send the request without `key`."),
                name=text("field `key`"),
                reason=text(
                    "{workload} depends on an editor and can't be durable", workload=request.workload
                ),
            )
        self.admission.check(session, priority, lambda: self.load.retry_after_ms(priority))
        return self._enter(self._ticket(session, request, target, now))

    def readmit(self, session: str, request: Request, now: float) -> Ticket:
        """Reopens a durable request of an earlier run without checking limits. Its deadline restarts."""
        return self._enter(self._ticket(session, request, Target.WORKLOAD, now))

    def _ticket(self, session: str, request: Request, target: Target, now: float) -> Ticket:
        own, name = request.deadline_ms, request.workload
        deadline_ms = own if isinstance(own, int) else self._deadline_ms
        journalled = target is Target.WORKLOAD and is_journalled(request)
        # A durable request may wait a long time for its turn, so the default deadline only limits each run.
        end = inf if journalled and own is UNSET else now + deadline_ms / 1000
        return Ticket(session, request.id, name, target, deadline_ms, end, request.priority, journalled)

    def _enter(self, ticket: Ticket) -> Ticket:
        self._open[ticket.key] = ticket
        self.admission.enter(ticket.session, ticket.priority)
        # A question to an advisor doesn't occupy a worker itself.
        if ticket.target is Target.WORKLOAD:
            self.load.enter(ticket.key, ticket.name, ticket.priority)
        if ticket.deadline < inf:
            self._remember(ticket)
        return ticket

    def find(self, session: str, request: int) -> Ticket | None:
        """Returns the request if it is open."""
        return self._open.get((session, request))

    def _remember(self, ticket: Ticket) -> None:
        # Finished requests stay in the heap until their deadline. Rebuild it when they are the majority.
        if len(self._deadlines) > 2 * len(self._open) + MAX_STALE_DEADLINES:
            self._deadlines = [(t.deadline, t.key) for t in self._open.values()]
            heapq.heapify(self._deadlines)
        else:
            heapq.heappush(self._deadlines, (ticket.deadline, ticket.key))

    def finish(self, session: str, request: int) -> Ticket | None:
        """Closes an answered or cancelled request. Returns None if it isn't open."""
        ticket = self._open.pop((session, request), None)
        if ticket is not None:
            self.admission.leave(session, ticket.priority)
            self.load.leave(ticket.key)
        return ticket

    def drop_session(self, session: str) -> list[Ticket]:
        """Closes and returns all open requests of a session."""
        keys = [key for key in self._open if key[0] == session]
        return [ticket for key in keys if (ticket := self.finish(*key))]

    def overdue(self, now: float) -> list[Ticket]:
        """Closes and returns the requests whose deadline has passed."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = heapq.heappop(self._deadlines)
            ticket = self._open.get(key)
            if ticket is not None and ticket.deadline <= now:
                late.append(ticket)
                self.finish(*key)
        return late
