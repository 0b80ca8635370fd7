"""What runs in a worker process: jobs come in on stdin, replies go out on stdout, one at a time."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import time
from typing import IO

import psutil

from accel import dialogs
from accel.devices.faults import DeviceGone
from accel.frames import Cancel, Progress, jobs, pack, setups, writable
from accel.incoming import Incoming, incoming
from accel.jobs import run
from accel.progress import Cancelled
from accel.spare import SPARE

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""

REPORT_S = 0.1
"""How long a job's next report is kept to itself after one."""

NICE = 10
"""How much less than others a worker gets where the system has a scale from -20 to 19."""


def main() -> None:
    """Serves until stdin ends."""
    # Ctrl-C in a terminal reaches the whole process group; only the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    dialogs.suppress()
    # libvips reports what it also raises.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    give_way()
    requests, replies = _take(0, "rb"), _take(1, "wb")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # where there is no stderr
        faulthandler.enable(all_threads=False)
    _serve(incoming(requests), replies)


def _serve(frames: Incoming, replies: IO[bytes]) -> None:
    setup = setups.decode(frames.take())
    limit_memory(setup.memory_mib)
    for module in setup.warm:
        warm(module)
    # A parent that is gone needs no reply; the thread that sees it go ends the process. One whose GPU is gone
    # ends by itself, and another takes its place.
    with contextlib.suppress(BrokenPipeError, DeviceGone):
        while True:
            job = jobs.decode(frames.take())
            # The job that it meant was done before it came.
            if isinstance(job, Cancel):
                continue
            replies.write(run(job, setup, Reporter(frames, replies)))
            replies.flush()
            SPARE.spend(frames.idle)


class Reporter:
    """Passes on what one job reports, and raises Cancelled in it where nobody wants it any more."""

    def __init__(self, frames: Incoming, replies: IO[bytes]) -> None:
        self._frames = frames
        self._replies = replies
        self._next = 0.0

    def __call__(self, fraction: float, stage: str) -> None:
        # In the middle of a job nothing comes but that it is cancelled.
        if not self._frames.idle():
            raise Cancelled
        now = time.monotonic()
        if now >= self._next:
            self._next = now + REPORT_S
            self._replies.write(pack(Progress(fraction, writable(stage))))
            self._replies.flush()


def _take(fd: int, mode: str) -> IO[bytes]:
    """Moves stdin or stdout out of the way of whatever a native library may read or print."""
    own = os.fdopen(os.dup(fd), mode)
    if fd == 1:
        os.dup2(2, 1)
        sys.stdout = sys.stderr
    else:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, fd)
        os.close(null)
    return own


def end_with_parent() -> None:
    """Has Linux end this process with whoever started it, even where it computes without ever letting go of
    the interpreter's lock: no thread of it would see the parent go then (accel.incoming)."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def give_way() -> None:
    """Leaves the cores, where all are at work, to what people wait for: the daemon and the editor."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE
    with contextlib.suppress(psutil.Error, OSError):
        own = psutil.Process()
        if sys.platform == "win32" or own.nice() < lower:
            own.nice(lower)


def limit_memory(mib: int) -> None:
    """Caps this process's address space; 0 is no limit."""
    if mib and sys.platform == "linux":
        import resource

        limit = mib << 20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def warm(module: str) -> None:
    """Imports `module` ahead of the first job; what fails here fails in the job, where it is reported."""
    with contextlib.suppress(Exception):
        ready = getattr(importlib.import_module(module), "warm", None)
        if ready is not None:
            ready()


if __name__ == "__main__":
    main()
