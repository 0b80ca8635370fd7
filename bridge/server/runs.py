"""One job of the journal: what it is run with, how long it may take, and the answer that it comes to."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from accel.priorities import PRIORITIES
from accel.progress import OnProgress
from accel.text import text
from accel.watch import Watch
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.journal import MAX_CRASHES, MAX_DEATHS
from bridge.core.messages import MAX_FRAME, InputRef, Result
from bridge.server.answers import as_message
from bridge.server.limited import limited
from bridge.server.runner import Runner, too_late
from bridge.server.sizes import SPARE, too_large
from bridge.store.journal import Job
from bridge.store.outbox import Answer
from bridge.store.records import pack, unpack

log = logging.getLogger(__name__)

NO_DEADLINE_MS = 7 * 86_400_000
"""For the executor, where a job has none of its own."""
SHORT_S = 0.1
"""Jobs that take less count for less, or workers would wait for commits."""
MOST_SHORT = 64
"""How many jobs count for one at most."""


class Crashed(Exception):
    """The job's workers died; it may be tried again."""


class Runs:
    """Jobs on the runner, and what they took."""

    def __init__(self, runner: Runner, deadline_ms: int) -> None:
        """`deadline_ms` is what one run may take where its request names no deadline."""
        self._runner = runner
        self._deadline_ms = deadline_ms
        self._took: dict[str, float] = {}
        """Seconds that the last runs of a workload took."""

    def cost(self, workload: str) -> float:
        """What a job takes of the room in hand: less where many run together, or are done at once."""
        known = self._runner.workloads.get(workload)
        together = 1.0 if known is None or known.batching is None else 1 / known.batching.max_rows
        share = self._took.get(workload, SHORT_S) / SHORT_S
        return min(together, max(share, 1 / MOST_SHORT))

    async def answer(self, job: Job, on_progress: OnProgress | None = None) -> Answer | None:
        """A job's result or error; None where the daemon stops first. Raises Crashed."""
        try:
            result = await self._run(job, on_progress)
            self._learn(job.workload, result)
            return _fitting(result)
        except RequestError as error:
            if error.code is errors.SHUTTING_DOWN:
                return None
            if error.code is errors.WORKER_CRASHED and job.crashes + 1 < MAX_CRASHES:
                raise Crashed from None
            return as_message(error, 0)
        except BaseException as error:
            # Whatever a third party's workload raises costs its own job alone.
            if isinstance(error, asyncio.CancelledError) and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise
            log.exception("job %d for %s failed", job.id, job.workload)
            return as_message(RequestError(errors.INTERNAL, what=job.workload), 0)

    async def _run(self, job: Job, on_progress: OnProgress | None) -> Result:
        """Raises RequestError."""
        if job.unreadable:
            raise _unreadable(job, job.unreadable)
        if job.deaths >= MAX_DEATHS:
            reason = text(
                "the bridge was killed {deaths} times while it was at it", deaths=f"{job.deaths:.0f}"
            )
            raise RequestError(
                errors.WORKER_CRASHED,
                message=text("{workload} is given up: {reason}.", workload=job.workload, reason=reason),
            )
        try:
            params: Mapping[str, object] = unpack(job.params, dict[str, object])
            refs = unpack(job.inputs, list[InputRef])
        except msgspec.DecodeError as error:
            raise _unreadable(job, str(error)) from None
        inputs = self._runner.resolve(refs, None if job.root is None else Path(job.root))
        run = functools.partial(
            self._runner.run, job.workload, params, inputs,
            priority=PRIORITIES[job.priority], cache=job.cache,
        )  # fmt: skip
        if job.deadline is not None:
            watch = Watch(on_progress=on_progress)
            # Whoever had it before may have begun with it.
            watch.begun = job.fence > 1
            return await run(deadline_ms=_left_ms(job), watch=watch)
        try:
            # How long others are more urgent isn't its fault.
            return await limited(
                lambda watch: run(deadline_ms=NO_DEADLINE_MS, watch=watch),
                self._deadline_ms / 1000,
                on_progress,
            )
        except TimeoutError:
            raise too_late(job.workload, self._deadline_ms, begun=True) from None

    def _learn(self, workload: str, result: Result) -> None:
        took = result.meta.run_ms / 1000 if result.meta else 0.0
        before = self._took.get(workload, took)
        self._took[workload] = before + (took - before) / 4


def _unreadable(job: Job, why: str) -> RequestError:
    log.error(
        "job %d can't be read: popbridge.db is damaged (%s); stop the bridge and run `popbridge db check`",
        job.id, why,
    )  # fmt: skip
    says = f"What was asked for can't be read any more, as the bridge's database is damaged ({why})."
    return RequestError(
        errors.INTERNAL,
        text("Ask again; for the rest, stop the bridge and run `popbridge db check`."),
        message=says,
    )


def _left_ms(job: Job) -> int:
    """Milliseconds until the deadline of a job that has one. Raises RequestError where it has passed."""
    assert job.deadline is not None
    left_ms = round((job.deadline - time.monotonic()) * 1000)
    if left_ms <= 0:
        raise too_late(job.workload, job.deadline_ms, begun=job.fence > 1)
    return left_ms


def _fitting(result: Result) -> Result:
    """`result`, if it can be kept and sent. Raises RequestError `too_large`, or TypeError for no value."""
    size = len(pack(result))
    if size > MAX_FRAME - SPARE:
        raise too_large("The answer", size, MAX_FRAME)
    return msgspec.structs.replace(result, id=0)
