"""Measures the lag of the event loop, and reports stalls with the stack."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from types import FrameType

from bridge.core.metrics import Histogram

PERIOD_S = 1.0
"""Seconds between measurements."""


class LoopLag:
    """Measures, between `start` and `stop`, how late the event loop runs its timers."""

    def __init__(self) -> None:
        self.seen = Histogram()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts on the running loop."""
        # Whoever asks early gets a figure.
        self._schedule(asyncio.get_running_loop(), PERIOD_S / 10)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, loop: asyncio.AbstractEventLoop, after_s: float) -> None:
        due = loop.time() + after_s

        def measure() -> None:
            self.seen.add(max(0.0, loop.time() - due))
            self._schedule(loop, PERIOD_S)

        self._timer = loop.call_at(due, measure)


log = logging.getLogger(__name__)

STALL_S = 5.0
"""Seconds without an iteration of the loop that count as a stall; editors soon drop their connection."""
CHECKS_PER_STALL = 5
"""Number of checks within STALL_S."""
MAX_FRAMES = 8
"""Maximum number of stack frames in the log."""
UNKNOWN_CAUSE = ", in code that holds Python's lock, or the machine was asleep"


class StallWatchdog:
    """Reports, between `start` and `stop`, stalls of the event loop from a thread."""

    def __init__(self, stall_s: float = STALL_S) -> None:
        self._stall_s = stall_s
        self._period_s = stall_s / CHECKS_PER_STALL
        self._beat = 0.0
        self._reported_beat = 0.0
        """The beat after which a stall was reported."""
        self._loop_thread = 0
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.thread = threading.Thread(target=self._watch, name="standstill", daemon=True)

    def start(self) -> None:
        """Starts on the running loop."""
        self._loop_thread = threading.get_ident()
        self._schedule(asyncio.get_running_loop())
        self.thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = time.monotonic()
        self._timer = loop.call_later(self._period_s, self._check_loop, loop)

    def _check_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Runs on the loop and reports stalls that the thread missed because other code held the GIL."""
        seconds = time.monotonic() - self._beat
        if seconds > self._stall_s:
            where = "" if self._reported_beat == self._beat else UNKNOWN_CAUSE
            log.error("the event loop was blocked for %.1f s%s; it continues now", seconds, where)
        self._schedule(loop)

    def _watch(self) -> None:
        checked = time.monotonic()
        while not self._over.wait(self._period_s):
            before, checked, beat = checked, time.monotonic(), self._beat
            # If this thread was delayed too, the code running now may not be the cause.
            delayed = checked - before > self._stall_s / 2
            if checked - beat > self._stall_s and not delayed and self._reported_beat != beat:
                self._report(checked - beat, beat)

    def _report(self, seconds: float, beat: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return
        place, stack = _place(frame), "".join(traceback.format_stack(frame)[-MAX_FRAMES:]).rstrip()
        # If the loop has continued in the meantime, this stack isn't the cause.
        if self._beat == beat:
            self._reported_beat = beat
            log.error("the event loop has been blocked for %.1f s, in %s:\n%s", seconds, place, stack)


def _place(frame: FrameType) -> str:
    """Returns the innermost frame outside the standard library."""
    at: FrameType | None = frame
    while at is not None and _is_stdlib(at):
        at = at.f_back
    place = at or frame
    return f"{place.f_code.co_name} ({place.f_code.co_filename}:{place.f_lineno})"


def _is_stdlib(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names
