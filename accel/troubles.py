"""Which devices failed a running daemon, in a file: for whoever asks from another process."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.replacing import replaced
from accel.text import AnyText


class Trouble(Struct, frozen=True):
    """A device that failed, and the CPU does its work meanwhile."""

    device: str
    """As results call it."""
    workload: str
    """With which; empty for all, as where the device is gone."""
    reason: AnyText
    """Why, for people."""
    again: float
    """From when on it is tried again, seconds since 1970."""


class Troubles:
    """Those of this process; what an earlier one has left is forgotten."""

    def __init__(self, file: Path | None) -> None:
        """None keeps nothing."""
        self._file = file
        self._known: dict[tuple[str, str], Trouble] = {}
        self._keep()

    def note(self, trouble: Trouble) -> None:
        """Something failed."""
        self._known[trouble.device, trouble.workload] = trouble
        self._keep()

    def over(self, device: str, workload: str) -> None:
        """A device has done a workload."""
        for key in ((device, workload), (device, "")):
            self._known.pop(key, None)
        self._keep()

    def close(self) -> None:
        """Nothing fails any more."""
        self._known.clear()
        self._keep()

    def _keep(self) -> None:
        if self._file is None:
            return
        if self._known:
            replaced(self._file, msgspec.json.encode(list(self._known.values())))
        else:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)


def read(file: Path) -> list[Trouble]:
    """Those of the daemon that runs; none where nobody can read the file."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=list[Trouble])
    return []
