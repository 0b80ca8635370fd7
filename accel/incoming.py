"""What comes to a worker process, frame by frame; it ends with its parent, in the middle of a job too."""

from __future__ import annotations

import os
import sys
import threading
from queue import SimpleQueue
from typing import IO, NoReturn, Protocol

from accel.frames import HEADER

_ending = threading.Lock()


class Incoming(Protocol):
    """Frames of a parent that sends the next one when it has the reply to the last."""

    def take(self) -> bytes:
        """The next frame; waits for it."""

    def idle(self) -> bool:
        """Whether none waits."""


def incoming(requests: IO[bytes]) -> Incoming:
    """The frames of a pipe, or of a pair of sockets."""
    return Polled(requests) if sys.platform == "linux" else Queued(requests)


class Polled:
    """On Linux: whoever works reads, and a thread is only told of a hangup."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._requests = requests
        threading.Thread(target=_end_after, args=(requests.fileno(),), daemon=True).start()

    def take(self) -> bytes:
        return _next(self._requests)

    def idle(self) -> bool:
        import select

        readable, _, _ = select.select([self._requests], [], [], 0)
        return not readable


class Queued:
    """Elsewhere one has to read to hear of a hangup; that a second thread must wake costs 0.03 ms a job."""

    def __init__(self, requests: IO[bytes]) -> None:
        self._frames: SimpleQueue[bytes] = SimpleQueue()
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()

    def take(self) -> bytes:
        return self._frames.get()

    def idle(self) -> bool:
        return self._frames.empty()

    def _read(self, requests: IO[bytes]) -> None:
        while True:
            self._frames.put(_next(requests))


def _end_after(fd: int) -> None:
    """Ends the process once the other end is closed."""
    if sys.platform == "linux":
        import select

        waiting = select.poll()
        # No event is asked for: what remains is a hangup, which is always told (poll(2)).
        waiting.register(fd, 0)
        waiting.poll()
        _end()


def _next(requests: IO[bytes]) -> bytes:
    header = requests.read(HEADER)
    size = int.from_bytes(header, "big")
    body = requests.read(size)
    if len(header) < HEADER or len(body) < size:
        # The parent is gone, perhaps in the middle of a job: nobody is left to answer.
        _end()
    return body


def _end() -> NoReturn:
    """Ends the process; whoever comes second waits for that."""
    # A hangup is told to both threads, and what has a hook here (coverage's data file) isn't made for two.
    with _ending:
        os._exit(0)
