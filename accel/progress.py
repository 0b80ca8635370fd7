"""How far a workload has come: it reports that, and learns so that nobody wants its result any more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

from accel.workload import WorkloadError

Item = TypeVar("Item")

OnProgress = Callable[[float, str], None]
"""Is told a fraction, 0 to 1, and what is being done, for people; may raise Cancelled."""

_listener: ContextVar[OnProgress | None] = ContextVar("listener", default=None)


class Cancelled(WorkloadError):
    """Nobody wants the result any more; whoever ran the workload takes it from there."""

    def __init__(self) -> None:
        super().__init__("cancelled", "was cancelled")


def progress(done: float, total: float, stage: str = "") -> None:
    """Reports that `done` of `total` steps are done; `stage` says what comes next, for people.

    Call it wherever a step ends: it takes a few microseconds, and most reports go no further. Raises
    Cancelled, a WorkloadError, where the request was cancelled: let it pass. A workload that doesn't report
    for half a second after that is ended with its process.
    """
    if (listener := _listener.get()) is not None:
        listener(min(max(done / total, 0.0), 1.0) if total > 0 else 0.0, stage)


def tracked(items: Sequence[Item], stage: str = "") -> Iterator[Item]:
    """`items` one by one; reports how many are done before each. Raises Cancelled."""
    for done, item in enumerate(items):
        progress(done, len(items), stage)
        yield item


@contextlib.contextmanager
def part(done: float, total: float, stage: str = "") -> Iterator[None]:
    """Step number `done` of `total`: what is reported within it counts for that step alone."""
    listener = _listener.get()
    if listener is None:
        yield
        return

    def scaled(fraction: float, inner: str) -> None:
        listener((done + fraction) / total, ": ".join(filter(None, (stage, inner))))

    scaled(0.0, "")
    with reported_to(scaled):
        yield


@contextlib.contextmanager
def reported_to(listener: OnProgress | None) -> Iterator[None]:
    """`listener` is told what is reported meanwhile."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
