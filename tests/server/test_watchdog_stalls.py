"""An event loop that stands still, and where."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from bridge.server import watchdog
from bridge.server.watchdog import StallWatchdog

PATIENCE_S = 2.0
DEADLINE_S = 60.0


class Told(logging.Handler):
    """What is logged, as it comes."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.event.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    watchdog.log.addHandler(handler)
    yield handler
    watchdog.log.removeHandler(handler)


def an_advisor_that_computes(told: Told) -> None:
    """As one that does so forever, but for the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not told.event.is_set() and time.monotonic() < deadline:
        sum(range(1000))


async def until(told: Told, lines: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(told.lines) < lines:
            await asyncio.sleep(0.01)


@pytest.fixture
def held() -> Iterator[None]:
    """Python code that is asked for the lock only after a minute, as compiled code holds it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(DEADLINE_S)
    yield
    sys.setswitchinterval(before)


async def test_code_that_holds_up_the_daemon_is_named_once(told: Told) -> None:
    watch = StallWatchdog(PATIENCE_S)
    watch.start()
    an_advisor_that_computes(told)
    time.sleep(PATIENCE_S)
    await until(told, 2)
    watch.stop()
    named, over = told.lines
    assert named.startswith("the event loop has been blocked for ")
    assert f"in an_advisor_that_computes ({__file__}:" in named.splitlines()[0]
    assert "test_code_that_holds_up_the_daemon" in named
    assert over.startswith("the event loop was blocked for ") and watchdog.UNKNOWN_CAUSE not in over


async def test_what_no_thread_can_see_is_told_afterwards(told: Told, held: None) -> None:
    watch = StallWatchdog(PATIENCE_S)
    watch.start()
    begin = time.monotonic()
    while time.monotonic() - begin < 1.5 * PATIENCE_S:
        pass
    await until(told, 1)
    watch.stop()
    (over,) = told.lines
    assert over.startswith("the event loop was blocked for ")
    assert watchdog.UNKNOWN_CAUSE in over


async def test_a_loop_that_waits_or_works_in_turns_stands_not_still(told: Told) -> None:
    watch = StallWatchdog(PATIENCE_S)
    watch.start()
    begin = time.monotonic()
    while time.monotonic() - begin < 2 * PATIENCE_S:
        await asyncio.sleep(0.01)
    watch.stop()
    assert told.lines == []


async def test_once_stopped_its_thread_ends() -> None:
    StallWatchdog().stop()
    watch = StallWatchdog(PATIENCE_S)
    watch.start()
    watch.stop()
    await asyncio.to_thread(watch.thread.join, DEADLINE_S)
    assert not watch.thread.is_alive()
