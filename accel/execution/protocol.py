"""What the executor and a worker process say to each other: msgpack Structs, each behind its length."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from accel.text import AnyText
from accel.workload import Input, Limits

HEADER = 4
"""Bytes of a frame's length, unsigned and big-endian."""

DEVICE = "CPU"
"""What a worker process computes on."""


class Setup(Struct, frozen=True):
    """The first frame that a worker gets."""

    limits: Limits
    memory_mib: int
    """Most address space, MiB, where the system can limit it; 0 is no limit."""
    warm: Sequence[str]
    """Modules to import before the first job comes."""


class JobInput(Struct, frozen=True):
    """An `Input` on its way: a path is bytes, because a name on disk needn't be valid Unicode."""

    name: str
    path: bytes

    @classmethod
    def of(cls, source: Input) -> JobInput:
        """`source`, its name with escapes where it can't be written."""
        return cls(writable(source.name), os.fsencode(source.path))

    def input(self) -> Input:
        return Input(self.name, os.fsdecode(self.path))


class JobFrame(Struct, frozen=True, tag="job"):
    """One call of a workload."""

    target: str
    """`module:function` of a workload."""
    params: Any
    """The workload's Params; a map once it is decoded."""
    inputs: Sequence[JobInput]
    out_dir: str | None
    """Where output files are written, each named by its SHA-256; None sends them in the reply."""


class JobItem(Struct, frozen=True):
    """One job of a batch."""

    params: Any
    inputs: Sequence[JobInput]


class BatchFrame(Struct, frozen=True, tag="batch"):
    """Several calls of one workload that run as one."""

    target: str
    """`module:function` of the workload: the record says what does several."""
    items: Sequence[JobItem]
    out_dir: str | None
    """As in `JobFrame`."""


class PackedBatchFrame(Struct, frozen=True, tag="batch"):
    """`BatchFrame`, of items that are encoded already."""

    target: str
    items: Sequence[msgspec.Raw]
    out_dir: str | None


class ResultFile(Struct, frozen=True):
    """A file that a workload made: `data` holds its bytes, or `path` says where they lie."""

    name: str
    media_type: str
    size: int
    """Bytes."""
    sha256: str
    """Hex, lower case."""
    data: bytes | None = None
    path: str | None = None
    fresh: bool = False
    """Whether the file at `path` wasn't there before."""


class Cancel(Struct, frozen=True, tag="cancel"):
    """To a worker in the middle of a job: nobody wants it any more."""


class Progress(Struct, frozen=True, tag="progress"):
    """From a worker in the middle of a job: how far it is."""

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
    """What `run_ms` is without the time that other work on the machine took."""


class Failed(Struct, frozen=True, tag="failed"):
    """A job's error; `trace` is for a log and never for the asker."""

    code: str
    reason: AnyText
    name: str = ""
    trace: str = ""
    fault: str = ""
    """As in `WorkloadError`."""
    step: str = ""
    """The same."""


class BatchReply(Struct, frozen=True, tag="several"):
    """The reply to a batch: one for each item, in their order."""

    replies: Sequence[Done | Failed]


class PackedBatchReply(Struct, frozen=True, tag="several"):
    """`BatchReply`, of replies that are encoded already."""

    replies: Sequence[msgspec.Raw]


Reply = Done | Failed

replies: msgspec.msgpack.Decoder[Reply | BatchReply] = msgspec.msgpack.Decoder(Reply | BatchReply)
jobs: msgspec.msgpack.Decoder[JobFrame | BatchFrame | Cancel] = msgspec.msgpack.Decoder(
    JobFrame | BatchFrame | Cancel
)
progresses = msgspec.msgpack.Decoder(Progress)
setups = msgspec.msgpack.Decoder(Setup)


def writable(text: str) -> str:
    r"""`text` with escapes for what UTF-8 doesn't have, such as `\udcff` for a file name's stray byte."""
    return text.encode("utf-8", "backslashreplace").decode()


def pack(message: Struct | msgspec.Raw) -> bytes:
    """The frame of `message`, or of one that is encoded already. Raises TypeError for a value that isn't of
    plain types, and UnicodeEncodeError for text that UTF-8 doesn't have."""
    body = bytes(message) if isinstance(message, msgspec.Raw) else msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEADER, "big") + body


CANCEL = pack(Cancel())

PROGRESS = msgspec.msgpack.encode(Progress(0.0, ""))[:15]
"""How the body of every `Progress` begins: the size of its map, and its tag."""
