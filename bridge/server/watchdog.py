"""Loop lag and stalls."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from types import FrameType

from bridge.core.metrics import Histogram

PERIOD_S = 0.1
"""Between two looks: ten a second cost nothing and miss no stall that anybody would notice."""


class LoopLag:
    """Measures between `start` and `stop`."""

    def __init__(self) -> None:
        self.seen = Histogram()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """On the running loop."""
        self._again(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PERIOD_S

        def look() -> None:
            self.seen.add(max(0.0, loop.time() - due))
            self._again(loop)

        self._timer = loop.call_at(due, look)


log = logging.getLogger(__name__)

STALL_S = 5.0
"""So long nothing of ours takes, seconds: editors wait, and soon take the connection for lost."""
CHECKS_PER_STALL = 5
"""How often it is looked within that time."""
MAX_FRAMES = 8
"""Frames of the stack that the log has."""
UNKNOWN_CAUSE = ", in code that holds Python's lock, or the machine slept"


class StallWatchdog:
    """Watches the running loop between `start` and `stop`."""

    def __init__(self, patience_s: float = STALL_S) -> None:
        self._patience_s = patience_s
        self._period_s = patience_s / CHECKS_PER_STALL
        self._beat = 0.0
        self._named = 0.0
        """The beat after which the thread saw what runs."""
        self._loop_thread = 0
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.thread = threading.Thread(target=self._watch, name="standstill", daemon=True)

    def start(self) -> None:
        """On the running loop."""
        self._loop_thread = threading.get_ident()
        self._again(asyncio.get_running_loop())
        self.thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = time.monotonic()
        self._timer = loop.call_later(self._period_s, self._look_back, loop)

    def _look_back(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: the thread sees nothing while other code holds Python's lock."""
        seconds = time.monotonic() - self._beat
        if seconds > self._patience_s:
            where = "" if self._named == self._beat else UNKNOWN_CAUSE
            log.error("the daemon stood still for %.1f s%s; now it goes on", seconds, where)
        self._again(loop)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._over.wait(self._period_s):
            before, looked, beat = looked, time.monotonic(), self._beat
            # Where this thread was held up as well, what runs now needn't be to blame.
            blind = looked - before > self._patience_s / 2
            if looked - beat > self._patience_s and not blind and self._named != beat:
                self._tell(looked - beat, beat)

    def _tell(self, seconds: float, beat: float) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        if frame is None:
            return
        place, stack = _place(frame), "".join(traceback.format_stack(frame)[-MAX_FRAMES:]).rstrip()
        # A loop that goes on by now was seen in code that is not to blame.
        if self._beat == beat:
            self._named = beat
            log.error("the daemon has stood still for %.1f s, in %s:\n%s", seconds, place, stack)


def _place(frame: FrameType) -> str:
    """Of the innermost code that isn't Python's own, as that is what somebody can mend."""
    at: FrameType | None = frame
    while at is not None and _is_pythons(at):
        at = at.f_back
    told = at or frame
    return f"{told.f_code.co_name} ({told.f_code.co_filename}:{told.f_lineno})"


def _is_pythons(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in sys.stdlib_module_names
