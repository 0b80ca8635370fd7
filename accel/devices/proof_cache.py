"""Stored trials of faster ways to run networks on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.atomic_file import write_atomic
from accel.text import AnyText, text

FILE = "shapes.json"
"""Name of the file in the cache folder."""

MAX_SHAPES = 256
"""Maximum number of stored shapes; the oldest is removed first."""
TRIES = 3
"""Number of trials during which the process died, after which a shape isn't tried again."""
CUTS = 12
"""Number of trials interrupted by ending the process for a job, after which a shape isn't tried again. Few
trials cause that, but one that delays jobs until their deadline does so every time."""

PLAINLY = "plainly"
"""The way of running without any of the faster ways."""


class ProvenVariants(Struct, frozen=True):
    """The trial of one shape of a network."""

    model: str
    """For example `pp-ocrv6 rec.onnx`."""
    shape: str
    """For example `x 1x3x48x320`."""
    machine: str
    """As in `Devices.machine`."""
    way: str
    """How to run it: `plainly`, `I/O binding`, `CUDA graph` or `TensorRT`."""
    why: AnyText
    """Why no other way is used, for people."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """Milliseconds of a plain run and of a run this way; 0 if not measured."""
    tries: int = 0
    """Number of trials that started but didn't finish."""
    cut: int = 0
    """Number of trials interrupted because a job was cancelled or used too much memory."""
    pid: int = 0
    """Process of the last trial."""
    sizes: dict[str, tuple[int, ...]] = {}
    """Sizes of the inputs."""

    @property
    def settled(self) -> bool:
        """Whether plain runs are known to be best. Other ways are verified again in each process."""
        under_way = self.tries or self.cut
        return self.way == PLAINLY and (not under_way or self.tries >= TRIES or self.cut >= CUTS)


class ProofCache:
    """This machine's trials, in a file that several processes may write."""

    def __init__(self, file: Path | None, machine: str) -> None:
        """If `file` is None, nothing is stored."""
        self._file = file
        self.machine = machine

    def known(self, digest: str, shape: str) -> ProvenVariants | None:
        """Returns the trial of a model file, given by its SHA-256."""
        return self._read().get(self._key(digest, shape))

    def begin(self, digest: str, model: str, shape: str) -> None:
        """Records the start of a trial, so that a later process knows if this one died during it."""
        before = self.known(digest, shape)
        tries, cut = (before.tries, before.cut) if before else (0, 0)
        why = text("the process ended while other ways were tried")
        begun = ProvenVariants(
            model, shape, self.machine, PLAINLY, why, tries=1 + tries, cut=cut, pid=os.getpid()
        )
        self._write(digest, begun)

    def settle(self, digest: str, found: ProvenVariants) -> None:
        """Stores a trial's outcome."""
        self._write(digest, found)

    @property
    def all(self) -> list[ProvenVariants]:
        """This machine's trials."""
        return [] if self._file is None else read(self._file, self.machine)

    def forget(self, digest: str, shape: str) -> None:
        """Removes a trial."""
        known = self._read()
        if self._file is not None and self._key(digest, shape) in known:
            del known[self._key(digest, shape)]
            write_atomic(self._file, _packed(known))

    def _write(self, digest: str, found: ProvenVariants) -> None:
        if self._file is None:
            return
        known, key = self._read(), self._key(digest, found.shape)
        known.pop(key, None)
        stored = dict([*known.items(), (key, found)][-MAX_SHAPES:])
        write_atomic(self._file, _packed(stored))

    def _read(self) -> dict[str, ProvenVariants]:
        return {} if self._file is None else _read(self._file)

    def _key(self, digest: str, shape: str) -> str:
        return f"{digest[:16]} {shape} {self.machine}"


def read(file: Path, machine: str) -> list[ProvenVariants]:
    """Returns a machine's trials, or none if the file is missing or damaged."""
    return [one for one in _read(file).values() if one.machine == machine]


def retract_trials(file: Path, pids: Collection[int]) -> None:
    """Removes unfinished trials of processes that were ended on purpose, as they prove nothing."""
    known = _read(file)
    stored = {key: one for key, one in known.items() if not (one.tries and one.pid in pids)}
    if len(stored) < len(known):
        write_atomic(file, _packed(stored))


def note_interruption(file: Path, pid: int) -> None:
    """Records that a process was ended for a job, for example at its deadline. Its trials are repeated, up to
    CUTS times."""
    known = _read(file)
    cut = {key: _cut(one) for key, one in known.items() if one.tries and one.pid == pid}
    if cut:
        write_atomic(file, _packed(known | cut))


def _cut(known: ProvenVariants) -> ProvenVariants:
    why = text("jobs were abandoned while faster ways were being tried")
    return msgspec.structs.replace(known, why=why, tries=known.tries - 1, cut=known.cut + 1, pid=0)


def _read(file: Path) -> dict[str, ProvenVariants]:
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=dict[str, ProvenVariants])
    return {}


def _packed(known: dict[str, ProvenVariants]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(known))
