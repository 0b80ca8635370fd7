"""What came of trying other ways to run networks on this machine, kept in a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.atomic_file import replaced
from accel.text import AnyText, text

FILE = "shapes.json"
"""Its name in the folder of what is found out about a machine."""

KEPT = 256
"""Shapes that are remembered; what was tried first is forgotten first."""
TRIES = 3
"""Trials of one shape in which the process ended by itself, until there are no more."""
CUTS = 12
"""Trials of one shape whose process was ended for a job's sake, until there are no more: mostly they aren't
to blame for it, but one that holds up jobs until they are given up does so each time."""

PLAINLY = "plainly"
"""The way that needs no proof."""


class ProvenVariants(Struct, frozen=True):
    """One shape of one network."""

    model: str
    """For example `pp-ocrv6 rec.onnx`."""
    shape: str
    """For example `x 1x3x48x320`."""
    machine: str
    """As `Devices.machine`."""
    way: str
    """How it is run: `plainly`, `I/O binding`, `CUDA graph` or `TensorRT`."""
    why: AnyText
    """Why not in another way; for people."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """A run plainly, and in that way; 0 where it wasn't timed."""
    tries: int = 0
    """Trials that began and haven't ended."""
    cut: int = 0
    """Trials whose process was ended because a job in it was given up, or held too much memory."""
    pid: int = 0
    """The process of the last trial."""
    sizes: dict[str, tuple[int, ...]] = {}
    """Of the inputs."""

    @property
    def settled(self) -> bool:
        """Whether it is known that plainly is best here: every other way is proven anew in each process."""
        under_way = self.tries or self.cut
        return self.way == PLAINLY and (not under_way or self.tries >= TRIES or self.cut >= CUTS)


class ProofCache:
    """Those of this machine as it is. Several processes may write the file: each of them what it tried."""

    def __init__(self, file: Path | None, machine: str) -> None:
        """None keeps nothing."""
        self._file = file
        self.machine = machine

    def known(self, digest: str, shape: str) -> ProvenVariants | None:
        """What was found of a file of that SHA-256 by an earlier process, or by this one."""
        return self._read().get(self._key(digest, shape))

    def begin(self, digest: str, model: str, shape: str) -> None:
        """Notes that a trial begins: where the process dies of it, the next one knows."""
        before = self.known(digest, shape)
        tries, cut = (before.tries, before.cut) if before else (0, 0)
        why = text("the process ended while other ways were tried")
        begun = ProvenVariants(
            model, shape, self.machine, PLAINLY, why, tries=1 + tries, cut=cut, pid=os.getpid()
        )
        self._write(digest, begun)

    def settle(self, digest: str, found: ProvenVariants) -> None:
        """Notes what came of it."""
        self._write(digest, found)

    @property
    def all(self) -> list[ProvenVariants]:
        """Of this machine."""
        return [] if self._file is None else read(self._file, self.machine)

    def forget(self, digest: str, shape: str) -> None:
        """As if it had never been tried."""
        known = self._read()
        if self._file is not None and self._key(digest, shape) in known:
            del known[self._key(digest, shape)]
            replaced(self._file, _packed(known))

    def _write(self, digest: str, found: ProvenVariants) -> None:
        if self._file is None:
            return
        known, key = self._read(), self._key(digest, found.shape)
        known.pop(key, None)
        kept = dict([*known.items(), (key, found)][-KEPT:])
        replaced(self._file, _packed(kept))

    def _read(self) -> dict[str, ProvenVariants]:
        return {} if self._file is None else _read(self._file)

    def _key(self, digest: str, shape: str) -> str:
        return f"{digest[:16]} {shape} {self.machine}"


def read(file: Path, machine: str) -> list[ProvenVariants]:
    """What is known for a machine; nothing where nobody can read the file."""
    return [one for one in _read(file).values() if one.machine == machine]


def failure_reason(file: Path, pids: Collection[int]) -> None:
    """Takes back the trials in processes that were ended while they ran: nothing speaks against what was
    tried. Whatever else ended with their first trial of a shape is tried anew as well."""
    known = _read(file)
    kept = {key: one for key, one in known.items() if not (one.tries and one.pid in pids)}
    if len(kept) < len(known):
        replaced(file, _packed(kept))


def is_cut_off(file: Path, pid: int) -> None:
    """A process was ended for a job's sake, its deadline perhaps: its trials didn't end it, and are made
    again, up to `CUTS` times."""
    known = _read(file)
    cut = {key: _cut(one) for key, one in known.items() if one.tries and one.pid == pid}
    if cut:
        replaced(file, _packed(known | cut))


def _cut(known: ProvenVariants) -> ProvenVariants:
    why = text("jobs were given up while other ways were tried")
    return msgspec.structs.replace(known, why=why, tries=known.tries - 1, cut=known.cut + 1, pid=0)


def _read(file: Path) -> dict[str, ProvenVariants]:
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=dict[str, ProvenVariants])
    return {}


def _packed(known: dict[str, ProvenVariants]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(known))
