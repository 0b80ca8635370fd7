"""What is said of an exception in somebody else's code: its words, its place, its traceback."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import accel
import bridge
from accel.text import AnyText, text
from bridge.core.errors import NotAsPromised

NOT_THEIRS = ("importlib", "pluggy")
"""Packages through which a plugin is loaded: a place in them says nothing of the plugin."""

OURS = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (accel, bridge))
"""The folders of what a plugin calls."""


def told(error: BaseException) -> str:
    """`RuntimeError: boom (acme/plugin.py:12)`; no place where nothing of the plugin ran."""
    if isinstance(error, NotAsPromised):
        return str(error)
    words = _words(error)
    place = _place(error)
    return f"{words} ({place})" if place else words


def is_theirs(error: BaseException) -> bool:
    """Whether somebody else's code had to do with it: it gave what was no good, or some of it ran."""
    return isinstance(error, NotAsPromised) or any(
        not frame.filename.startswith(OURS) for frame in _frames(error)
    )


def trace(error: BaseException) -> str:
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
