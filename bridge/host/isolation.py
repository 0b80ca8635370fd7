"""Run plugin code safely; blame and traceback."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import accel
import bridge
from accel.text import AnyText, text
from bridge.core.errors import ContractViolation

log = logging.getLogger(__name__)

SLOW_S = 10.0
"""After so long somebody who waits wants to know for what, seconds."""


@contextlib.contextmanager
def run_guarded(name: str, slow_s: float = SLOW_S) -> Iterator[None]:
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
def is_interrupt() -> Iterator[list[int]]:
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


NOT_THEIRS = ("importlib", "pluggy")
"""Packages through which a plugin is loaded: a place in them says nothing of the plugin."""

OURS = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (accel, bridge))
"""The folders of what a plugin calls."""


def describe(error: BaseException) -> str:
    """`RuntimeError: boom (acme/plugin.py:12)`; no place where nothing of the plugin ran."""
    if isinstance(error, ContractViolation):
        return str(error)
    words = _words(error)
    place = _place(error)
    return f"{words} ({place})" if place else words


def is_plugin_frame(error: BaseException) -> bool:
    """Whether somebody else's code had to do with it: it gave what was no good, or some of it ran."""
    return isinstance(error, ContractViolation) or any(
        not frame.filename.startswith(OURS) for frame in _frames(error)
    )


def plugin_traceback(error: BaseException) -> str:
    """The traceback of what somebody else's code raised; empty where it raised nothing."""
    cause = error.__cause__ or error
    # The first frame is our own call.
    frames = traceback.extract_tb(cause.__traceback__)[1:]
    if not frames:
        return ""
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(cause)]
    return "Traceback (most recent call last):\n" + "".join(lines)


def _words(error: BaseException) -> str:
    """On one line, without notes, which may say anything."""
    shown = traceback.TracebackException(type(error), error, None)
    shown.__notes__ = None
    # Of a SyntaxError the last has the words, the others its place.
    *_, last = shown.format_exception_only()
    return " ".join(last.split()).rstrip(":")


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return _named(error.filename, error.lineno)
    known = _frames(error)
    # What it called of ours may have raised: its author can mend the line that called.
    theirs = [frame for frame in known if not frame.filename.startswith(OURS)] or known
    return _named(theirs[-1].filename, theirs[-1].lineno) if theirs else ""


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """From the outermost; the first of all is our own call."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return [frame for frame in frames if not _machinery(frame.filename)]


def _machinery(filename: str) -> bool:
    return filename.startswith("<") or bool({*NOT_THEIRS} & {*_parts(filename)[-3:]})


def _named(filename: str, line: int | None) -> str:
    return f"{'/'.join(_parts(filename)[-2:])}:{line}"


def _parts(filename: str) -> list[str]:
    return filename.replace("\\", "/").split("/")


def claim_text(claim: str) -> AnyText:
    """`workload 'acme.fade'` for people."""
    kind, _, name = claim.partition(" ")
    known = KINDS.get(kind)
    return claim if known is None else known.fill(name=name)


KINDS = {
    "adapter": text("adapter {name}"),
    "workload": text("workload {name}"),
    "advisor": text("advisor {name}"),
    "setting": text("setting {name}"),
}
