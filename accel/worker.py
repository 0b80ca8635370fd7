"""What runs in a worker process: jobs come in on stdin, replies go out on stdout, one at a time."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import IO

import psutil

from accel.frames import HEADER, jobs, setups
from accel.jobs import run

NICE = 10
"""How much less than others a worker gets where the system has a scale from -20 to 19."""


def main() -> None:
    """Serves until stdin ends."""
    # Ctrl-C in a terminal reaches the whole process group; only the parent decides when a worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # libvips reports what it also raises.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    give_way()
    requests, replies = _take(0, "rb"), _take(1, "wb")
    with contextlib.suppress(OSError, ValueError, AttributeError):  # where there is no stderr
        faulthandler.enable(all_threads=False)
    _serve(_frames(requests), replies)


def _serve(take: Callable[[], bytes], replies: IO[bytes]) -> None:
    setup = setups.decode(take())
    limit_memory(setup.memory_mib)
    for module in setup.warm:
        warm(module)
    # A parent that is gone needs no reply; the thread that sees it go ends the process.
    with contextlib.suppress(BrokenPipeError):
        while True:
            replies.write(run(jobs.decode(take()), setup))
            replies.flush()


def _frames(requests: IO[bytes]) -> Callable[[], bytes]:
    """What gives the next frame. The process ends with its parent, in the middle of a job too."""
    if sys.platform == "linux":
        threading.Thread(target=_end_after, args=(requests.fileno(),), daemon=True).start()
        return partial(_next, requests)
    # Elsewhere one has to read to hear of it; that a second thread must wake then costs 0.03 ms a job.
    frames: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(requests, frames), daemon=True).start()
    return frames.get


def _end_after(fd: int) -> None:
    """Ends the process once the other end of a pipe, or of a pair of sockets, is closed."""
    if sys.platform == "linux":
        import select

        waiting = select.poll()
        # No event is asked for: what remains is a hangup, which is always told (poll(2)).
        waiting.register(fd, 0)
        waiting.poll()
        os._exit(0)


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


def _read(requests: IO[bytes], frames: SimpleQueue[bytes]) -> None:
    while True:
        frames.put(_next(requests))


def _next(requests: IO[bytes]) -> bytes:
    header = requests.read(HEADER)
    size = int.from_bytes(header, "big")
    body = requests.read(size)
    if len(header) < HEADER or len(body) < size:
        # The parent is gone, perhaps in the middle of a job: nobody is left to answer.
        os._exit(0)
    return body


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
