"""One job as who asked for it sees it: whether a worker has begun with it, and why it is given up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from accel.progress import OnProgress


class Watch:
    """Given to `Executor.run`, which keeps `begun` and says how far the job is.

    Whoever gives up the job says so with `unwanted`, and why with `overdue`.
    """

    __slots__ = ("again", "among", "begun", "on_begin", "on_progress", "overdue", "since", "unwanted")

    def __init__(
        self, on_begin: Callable[[], None] | None = None, on_progress: OnProgress | None = None
    ) -> None:
        """`on_begin` is called each time that a worker takes the job: once more where the first has died, and
        then what `on_progress` is told begins anew, too."""
        self.on_begin = on_begin
        self.on_progress = on_progress
        self.again = False
        """Whether it has had its turn for a worker before: it comes first in its class."""
        self.among = 1
        """How many jobs its worker took together, with itself."""
        self.begun = False
        """Whether a worker has taken the job: until then it can be cancelled at no cost."""
        self.since = math.inf
        """When a worker has taken it, the last one, by `time.monotonic`."""
        self.unwanted = False
        """Set before the job is cancelled: no worker takes it any more, so that it may be said never to have
        begun."""
        self.overdue = False
        """Set before the job is cancelled because its deadline has passed: it may be what holds up others."""

    def begin(self) -> None:
        """A worker has taken the job."""
        self.begun, self.since = True, time.monotonic()
        if self.on_begin is not None:
            self.on_begin()

    def progress(self, fraction: float, stage: str) -> None:
        """The workload has come so far, 0 to 1."""
        if self.on_progress is not None:
            self.on_progress(fraction, stage)
