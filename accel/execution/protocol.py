"""Frames between the executor and workers: msgpack Structs, each preceded by its length."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from accel.execution.sandbox import Sandbox
from accel.text import AnyText
from accel.workload import Input, Limits

HEADER = 4
"""Size in bytes of the length, an unsigned big-endian integer."""

DEVICE = "CPU"
"""The default device of worker processes."""


class Setup(Struct, frozen=True):
    """The first frame sent to a worker."""

    limits: Limits
    memory_mib: int
    """Limit of address space in MiB, if the system supports one; 0 for none."""
    warm: Sequence[str]
    """Modules to import before the first job."""
    sandbox: Sandbox | None = None
    """What the worker may do; None for no restriction. Before a worker starts, `folder` is where its own
    folder is created; empty for the system's place."""
    free: int = 0
    """Memory in bytes that the images of a job may take without asking; 0 for any."""


class JobInput(Struct, frozen=True):
    """An encoded `Input`. Its path is bytes, because a path on disk may be invalid Unicode."""

    name: str
    path: bytes
    confined: bool = False

    @classmethod
    def of(cls, source: Input) -> JobInput:
        """Encodes `source`, escaping characters in its name that UTF-8 can't encode."""
        return cls(writable(source.name), os.fsencode(source.path), source.confined)

    def input(self) -> Input:
        return Input(self.name, os.fsdecode(self.path), self.confined)


class JobFrame(Struct, frozen=True, tag="job"):
    """One call of a workload."""

    target: str
    """`module:function` of a workload."""
    params: Any
    """The workload's Params; a map after decoding."""
    inputs: Sequence[JobInput]
    out_dir: str | None
    """Folder for output files, each named by its SHA-256; None sends them in the reply."""
    granted: int = 0
    """Memory in bytes reserved for the job, if it has asked."""


class JobItem(Struct, frozen=True):
    """One job of a batch."""

    params: Any
    inputs: Sequence[JobInput]


class BatchFrame(Struct, frozen=True, tag="batch"):
    """Several calls of one workload that run at once."""

    target: str
    """`module:function` of the workload."""
    items: Sequence[JobItem]
    out_dir: str | None
    """As in `JobFrame`."""


class PackedBatchFrame(Struct, frozen=True, tag="batch"):
    """A `BatchFrame` with encoded items."""

    target: str
    items: Sequence[msgspec.Raw]
    out_dir: str | None


class ResultFile(Struct, frozen=True):
    """An output file, with its contents in `data` or at `path`."""

    name: str
    media_type: str
    size: int
    """In bytes."""
    sha256: str
    """Lower-case hexadecimal."""
    data: bytes | None = None
    path: str | None = None
    fresh: bool = False
    """Whether the file at `path` is new. A worker in a sandbox has it in its own folder, from where the
    executor moves it."""


class Cancel(Struct, frozen=True, tag="cancel"):
    """Cancels a worker's running job."""


class Progress(Struct, frozen=True, tag="progress"):
    """Progress of a worker's running job."""

    fraction: float
    """0 to 1."""
    stage: str
    """For people."""


class Done(Struct, frozen=True, tag="done"):
    """A job's result."""

    value: Any
    files: Sequence[ResultFile]
    run_ms: float
    device: str
    cpu_ms: float = 0.0
    """CPU time within `run_ms`."""


class Failed(Struct, frozen=True, tag="failed"):
    """A job's error. `trace` is only for the log."""

    code: str
    reason: AnyText
    name: str = ""
    trace: str = ""
    fault: str = ""
    step: str = ""
    """`fault` and `step` are as in `WorkloadError`. `fault` is also `budget` if the job can run once `needed`
    bytes are reserved for it."""
    needed: int = 0


class BatchReply(Struct, frozen=True, tag="several"):
    """The replies to a batch, in the order of its items."""

    replies: Sequence[Done | Failed]


class PackedBatchReply(Struct, frozen=True, tag="several"):
    """A `BatchReply` with encoded replies."""

    replies: Sequence[msgspec.Raw]


Reply = Done | Failed

replies: msgspec.msgpack.Decoder[Reply | BatchReply] = msgspec.msgpack.Decoder(Reply | BatchReply)
jobs: msgspec.msgpack.Decoder[JobFrame | BatchFrame | Cancel] = msgspec.msgpack.Decoder(
    JobFrame | BatchFrame | Cancel
)
progresses = msgspec.msgpack.Decoder(Progress)
setups = msgspec.msgpack.Decoder(Setup)


def writable(text: str) -> str:
    r"""Returns `text` with characters that UTF-8 can't encode escaped, such as `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def pack(message: Struct | msgspec.Raw) -> bytes:
    """Returns the frame of a message, which may already be encoded.

    Raises TypeError for a value that msgpack can't encode and UnicodeEncodeError for text that UTF-8 can't.
    """
    body = bytes(message) if isinstance(message, msgspec.Raw) else msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEADER, "big") + body


CANCEL = pack(Cancel())

PROGRESS = msgspec.msgpack.encode(Progress(0.0, ""))[:15]
"""The first bytes of every `Progress`: the size of its map, and its tag."""
