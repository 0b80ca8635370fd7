"""Claims of memory: what an image will take is known from its header, before its pixels are decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from accel.text import text
from accel.workload import WorkloadError

LIBRARY_BYTES = 128 << 20
"""What a process takes of its limit for libraries, at least."""


class Claims:
    """The memory that a job may take, and what it asked for in vain. All sizes are in bytes."""

    def __init__(self, granted: int, factor: float = 1.0, limit: int = 0) -> None:
        """`granted` 0 means any. `factor` is `Workload.memory`. `limit` is the process's own; 0 for none."""
        self.granted = granted
        self.factor = factor
        self.limit = limit
        self.needed = 0
        """What the largest image needs, if that is more than `granted`; otherwise 0."""


_claims: ContextVar[Claims | None] = ContextVar("claims", default=None)


def claim(name: str, width: int, height: int, pixel_bytes: int) -> None:
    """Claims the memory for an image that is about to be decoded, `pixel_bytes` for each of its pixels.

    Raises WorkloadError `too_large` if it is more than the job was granted. The executor then runs the job
    again once the memory is free, unless it can never be.
    """
    claims = _claims.get()
    if claims is None or not claims.granted:
        return
    needed = int(width * height * pixel_bytes * claims.factor)
    if needed <= claims.granted:
        return
    values = {"width": width, "height": height}
    if claims.limit and needed + LIBRARY_BYTES > claims.limit:
        reason = text(
            "is {width} x {height} pixels and needs about {memory} MiB, more than a worker process may take "
            "({limit} MiB); raise worker.memory_mib or send a smaller image",
            **values,
            memory=_mib(needed + LIBRARY_BYTES),
            limit=claims.limit >> 20,
        )
    else:
        claims.needed = max(claims.needed, needed)
        reason = text(
            "is {width} x {height} pixels and needs about {memory} MiB", **values, memory=_mib(needed)
        )
    raise WorkloadError("too_large", reason, name)


def _mib(size: int) -> int:
    return -(-size >> 20)


@contextlib.contextmanager
def claimed_from(claims: Claims) -> Iterator[None]:
    """Checks the claims inside the block against `claims`."""
    token = _claims.set(claims)
    try:
        yield
    finally:
        _claims.reset(token)
