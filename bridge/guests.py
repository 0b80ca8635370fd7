"""What a plugin's own code may do while it is loaded: print, take its time, go elsewhere, end it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

log = logging.getLogger(__name__)

SLOW_S = 10.0
"""After so long somebody who waits wants to know for what, seconds."""


@contextlib.contextmanager
def hosted(name: str, slow_s: float = SLOW_S) -> Iterator[None]:
    """Code of `name` runs: what it prints goes to stderr, what hasn't ended after `slow_s` is told, and the
    folder and the log are afterwards what they were."""
    # Nothing can end it, as it runs in this thread: whoever sees this knows what to uninstall.
    said = "%s is still being loaded after %g s; if that never ends, press Ctrl-C and uninstall it"
    timer = threading.Timer(slow_s, log.warning, (said, name, slow_s))
    timer.daemon = True
    timer.start()
    try:
        # A program may read stdout: `--json` is one object per line, and nothing else.
        with contextlib.redirect_stdout(sys.stderr), _kept_output(), _kept_folder(), _kept_log():
            yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def interrupts() -> Iterator[list[int]]:
    """The signals by which a person stops this process meanwhile: without one, a KeyboardInterrupt is of the
    code that runs."""
    heard: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    # Python hears signals in one thread, and there by a function if at all.
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _kept_output() -> Iterator[None]:
    """What isn't Python's writes to the descriptor, as a C library and a child process do, or closes it."""
    try:
        kept = os.dup(1)
    except OSError:
        # A program of Windows without a console has none.
        yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def _kept_folder() -> Iterator[None]:
    """Files that are named to a command lie below the folder that it was called in."""
    before = _folder()
    try:
        yield
    finally:
        if before is not None and _folder() != before:
            os.chdir(before)


def _folder() -> str | None:
    """None where it was removed meanwhile."""
    try:
        return os.getcwd()
    except OSError:
        return None


@contextlib.contextmanager
def _kept_log() -> Iterator[None]:
    """`logging.basicConfig` in a module would have every command log what its author wants to see."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
