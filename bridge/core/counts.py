"""What one daemon has counted since it began: plain numbers, cheap to raise, read when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from bridge.core.errors import CloseCode
from bridge.core.histogram import Histogram
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Error, Message, Result

UNKNOWN = "unknown"
"""The name under which requests for what there isn't are counted: a client may ask for anything."""


class Asked:
    """What became of requests for one workload or question, and what its jobs took."""

    __slots__ = ("failed", "ok", "queued", "run")

    def __init__(self) -> None:
        self.ok = 0
        self.failed: Counter[str] = Counter()
        """By the error's code."""
        self.run = Histogram()
        """What a worker, or the daemon itself, took for one job; also of jobs that no request asked for."""
        self.queued = Histogram()
        """How long jobs waited for a worker."""

    @property
    def outcomes(self) -> Iterator[tuple[str, int]]:
        """`ok` and the codes of errors, with how often that was the answer."""
        yield from [("ok", self.ok)] if self.ok else []
        yield from self.failed.items()


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
        self.popups: Counter[str] = Counter()
        """What people did with popups, by `answer.state`."""
        self.commands: Counter[str] = Counter()
        """What editors answered to commands: `result` or `error`."""
        self._asked: dict[str, Asked] = {}

    @property
    def asked(self) -> Mapping[str, Asked]:
        """By the names of workloads and questions; only of those that anybody asked for."""
        return self._asked

    def of(self, name: str) -> Asked:
        """The counts of a workload or question that there is, or of UNKNOWN."""
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = Asked()
        return asked

    def answered(self, name: str, answer: Result | Error) -> None:
        """A request of this name has its answer."""
        asked = self.of(name)
        if isinstance(answer, Error):
            asked.failed[answer.code] += 1
        else:
            asked.ok += 1

    def ran(self, name: str, run_s: float, queued_s: float) -> None:
        """A worker took so long for a job, which had waited so long for it."""
        asked = self.of(name)
        asked.run.add(run_s)
        asked.queued.add(queued_s)

    def close(self, close: CloseCode) -> None:
        """The daemon has closed a connection."""
        self.closed[close.name] += 1
