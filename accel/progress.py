"""Progress reports of workloads, and cancellation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TypeVar

from accel.workload import WorkloadError

Item = TypeVar("Item")

OnProgress = Callable[[float, str], None]
"""Called with a fraction (0 to 1) and the current stage, for people. May raise Cancelled."""

_listener: ContextVar[OnProgress | None] = ContextVar("listener", default=None)


class Cancelled(WorkloadError):
    """The job was cancelled. The code that runs the workload handles this."""

    def __init__(self) -> None:
        super().__init__("cancelled", "was cancelled")


def progress(done: float, total: float, stage: str = "") -> None:
    """Reports that `done` of `total` steps are done; `stage` names the next one, for people.

    Call it after each step: it takes a few microseconds, and most reports aren't sent. Raises Cancelled, a
    WorkloadError, if the request was cancelled; don't catch it. If a workload doesn't report within half a
    second after that, its process is killed.
    """
    if (listener := _listener.get()) is not None:
        listener(min(max(done / total, 0.0), 1.0) if total > 0 else 0.0, stage)


def tracked(items: Sequence[Item], stage: str = "") -> Iterator[Item]:
    """Yields the items and reports progress before each. Raises Cancelled."""
    for done, item in enumerate(items):
        progress(done, len(items), stage)
        yield item


@contextlib.contextmanager
def part(done: float, total: float, stage: str = "") -> Iterator[None]:
    """Scales progress inside the block to step `done` of `total`."""
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
    """Sends progress inside the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
