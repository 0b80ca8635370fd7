"""What one daemon has counted since it began: plain numbers, cheap to raise, read when somebody asks."""

from __future__ import annotations

from collections import Counter

from bridge.core.errors import CloseCode
from bridge.core.histogram import Histogram
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Error, Message, Result

UNKNOWN = "unknown"
"""The name under which requests for what there isn't are counted: a client may ask for anything."""


class Counts:
    """Counters by labels of few values: names of workloads, codes of errors, types of messages."""

    def __init__(self) -> None:
        self.received: dict[type[Message], int] = dict.fromkeys(CLIENT_MESSAGES, 0)
        self.sent: dict[type[Message], int] = dict.fromkeys(SERVER_MESSAGES, 0)
        self.received_bytes = 0
        self.sent_bytes = 0
        self.closed: Counter[str] = Counter()
        """Connections that the daemon closed, by the close code's name."""
        self.refused: Counter[int] = Counter()
        """Handshakes that it refused, by HTTP status."""
        self.requests: dict[str, dict[str, int]] = {}
        """Answers, by workload or question, by `ok` or the error's code."""
        self.run: dict[str, Histogram] = {}
        """What a worker, or the daemon itself, took for one job, by workload."""
        self.queued: dict[str, Histogram] = {}
        """How long jobs waited for a worker, by workload."""
        self.answers: Counter[str] = Counter()
        """What people did with popups, by `answer.state`."""
        self.commands: Counter[str] = Counter()
        """What editors answered to commands: `result` or `error`."""

    def answered(self, name: str, answer: Result | Error) -> None:
        """A request of this name, which there is, has its answer."""
        outcomes = self.requests.get(name)
        if outcomes is None:
            outcomes = self.requests[name] = {}
        outcome = answer.code if isinstance(answer, Error) else "ok"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1

    def ran(self, name: str, run_s: float) -> None:
        """A job took so long."""
        histogram = self.run.get(name)
        if histogram is None:
            histogram = self.run[name] = Histogram()
        histogram.add(run_s)

    def waited(self, name: str, queued_s: float) -> None:
        """A job waited so long for a worker."""
        self.queued.setdefault(name, Histogram()).add(queued_s)

    def close(self, close: CloseCode) -> None:
        """The daemon has closed a connection."""
        self.closed[close.name] += 1
