"""The package's session as a program, on a runtime, beside a real daemon."""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "plugins/unity/bridge_unity/editor/com.popbridge.editor"
WAIT_S = 30.0


class Session:
    """A running session. `wait` returns the next event of a kind; others before it are kept in `seen`."""

    def __init__(
        self,
        command: Sequence[str],
        project: Path,
        state: Path,
        env: dict[str, str],
        instance: str = "one",
        version: str = "0.2.0",
    ) -> None:
        self._process = subprocess.Popen(
            [*command, str(project), str(state), version, instance],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        self._lines: queue.Queue[list[str]] = queue.Queue()
        self.seen: list[list[str]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n").split("\t"))

    def order(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()

    def wait(self, kind: str, *words: str) -> list[str]:
        """Returns the words of the next event of this kind that begins with `words`."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                event = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} {words}; seen: {self.seen[-8:]}") from None
            self.seen.append(event)
            if event[0] == kind and event[1 : 1 + len(words)] == list(words):
                return event[1:]

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def close(self) -> None:
        if self._process.poll() is None:
            self.order("end")
        self._close()

    def _close(self) -> None:
        self._process.wait(WAIT_S)
        self._thread.join(WAIT_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
