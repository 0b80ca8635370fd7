"""Runs plugin code in isolation from output, folder and log, and describes its errors."""

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
"""Seconds after which a warning names the plugin that is still loading."""


@contextlib.contextmanager
def run_guarded(name: str, slow_s: float = SLOW_S) -> Iterator[None]:
    """Runs code of plugin `name`: its output goes to stderr, and the working directory and log settings are
    restored. Warns after `slow_s`."""
    # The code runs in this thread and can't be stopped: the warning names the package to uninstall.
    warning = "%s is still loading after %g s; if it doesn't end, press Ctrl-C and uninstall it"
    timer = threading.Timer(slow_s, log.warning, (warning, name, slow_s))
    timer.daemon = True
    timer.start()
    try:
        # With `--json`, a program reads stdout.
        with (
            contextlib.redirect_stdout(sys.stderr),
            _redirect_descriptor(),
            _restore_folder(),
            _restore_log(),
        ):
            yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def watch_interrupts() -> Iterator[list[int]]:
    """Yields the list of SIGINTs received: without one, a KeyboardInterrupt comes from the plugin's code."""
    signals: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    # Only the main thread can set a handler.
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield signals
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield signals
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _redirect_descriptor() -> Iterator[None]:
    """Redirects descriptor 1, which C libraries and child processes write to or close."""
    try:
        saved = os.dup(1)
    except OSError:
        # A Windows program without a console has none.
        yield
        return
    try:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@contextlib.contextmanager
def _restore_folder() -> Iterator[None]:
    """Restores the working directory: arguments of commands are relative to it."""
    before = _folder()
    try:
        yield
    finally:
        if before is not None and _folder() != before:
            os.chdir(before)


def _folder() -> str | None:
    """Returns the working directory; None if it was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


@contextlib.contextmanager
def _restore_log() -> Iterator[None]:
    """Restores the root logger, because plugins call `logging.basicConfig`."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


LOADERS = ("importlib", "pluggy")
"""Packages that load plugins: a frame in them is no evidence about the plugin."""

OWN_FOLDERS = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (accel, bridge))
"""The folders of our packages, which a plugin calls."""


def describe(error: BaseException) -> str:
    """`RuntimeError: boom (acme/plugin.py:12)`, without a place if no plugin code ran."""
    if isinstance(error, ContractViolation):
        return str(error)
    message = _message(error)
    place = _place(error)
    return f"{message} ({place})" if place else message


def is_plugin_frame(error: BaseException) -> bool:
    """Whether plugin code took part: it returned something invalid, or a frame is its own."""
    return isinstance(error, ContractViolation) or any(
        not frame.filename.startswith(OWN_FOLDERS) for frame in _frames(error)
    )


def plugin_traceback(error: BaseException) -> str:
    """Returns the traceback of an error in plugin code; empty if it didn't raise."""
    cause = error.__cause__ or error
    # The first frame is our call.
    frames = traceback.extract_tb(cause.__traceback__)[1:]
    if not frames:
        return ""
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(cause)]
    return "Traceback (most recent call last):\n" + "".join(lines)


def _message(error: BaseException) -> str:
    """Returns the type and message on one line, without notes."""
    shown = traceback.TracebackException(type(error), error, None)
    shown.__notes__ = None
    # The last line has the message; those before it show the place of a SyntaxError.
    *_, last = shown.format_exception_only()
    return " ".join(last.split()).rstrip(":")


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return _named(error.filename, error.lineno)
    known = _frames(error)
    # If our code raised, the plugin's line that called it is of more use.
    frames = [frame for frame in known if not frame.filename.startswith(OWN_FOLDERS)] or known
    return _named(frames[-1].filename, frames[-1].lineno) if frames else ""


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Returns the frames from the outermost, without our call and loaders."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return [frame for frame in frames if not _is_loader(frame.filename)]


def _is_loader(filename: str) -> bool:
    return filename.startswith("<") or bool({*LOADERS} & {*_parts(filename)[-3:]})


def _named(filename: str, line: int | None) -> str:
    return f"{'/'.join(_parts(filename)[-2:])}:{line}"


def _parts(filename: str) -> list[str]:
    return filename.replace("\\", "/").split("/")


def claim_text(claim: str) -> AnyText:
    """`workload 'acme.fade'` as a text."""
    kind, _, name = claim.partition(" ")
    known = KINDS.get(kind)
    return claim if known is None else known.fill(name=name)


KINDS = {
    "adapter": text("adapter {name}"),
    "workload": text("workload {name}"),
    "advisor": text("advisor {name}"),
    "setting": text("setting {name}"),
}
