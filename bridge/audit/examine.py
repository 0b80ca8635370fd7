"""Examines textures on all cores, a few at a time, and asks only for what no earlier run has answered."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.text import AnyText, text
from accel.texture.examine import AT_ONCE, Examination, examine, examine_among
from accel.workload import Input, Limits, Workload, WorkloadError
from bridge.audit.cache import Cache, Stat, content_of, question_of
from bridge.core.errors import UserError
from bridge.folders import TOO_LONG, is_too_long

if TYPE_CHECKING:
    from accel.batching import Batcher

FINAL = frozenset({"bad_input", "unsupported", "too_large"})
"""The errors that the same file would meet again."""
IN_FLIGHT = 4
"""Files for each worker that wait for it, or are in work, of such as are examined alone: time in the queue
counts against their deadline."""
TOGETHER = 2
"""So many times as many are of those that are examined together: the next are there when some are done."""
SMALL = 4 << 20
"""Bytes of a file that may be examined together with others. Of what takes a second by itself, nobody would
see how far it is; and cores would have nothing to do in the end while others still do several."""

SAVING_NS = 1_000_000_000
"""A file that is broken and was written to so short ago may be half of what is being saved."""
PAUSE_S = 0.25
TRIES = 8
"""How often a file is looked at that changes all the time."""
BREATH = 256
"""So many files at most are taken from the cache in one go."""


class Trouble(Struct, frozen=True):
    """Why a file couldn't be examined."""

    code: str
    """`bad_input`, `unsupported`, `too_large`, `not_found`, `worker_crashed`, ..."""
    reason: AnyText
    """For people; it reads well after the file's name."""
    content: str = ""
    """SHA-256 of the file; empty where it can't be read."""


Outcome = Examination | Trouble


class Question(Struct, frozen=True):
    """A file to examine, with what is known beside its pixels."""

    file: str
    """Its place below the root."""
    params: Mapping[str, Any]
    """Those of `texture.examine`."""


class Answer(Struct, frozen=True):
    """What came of a question."""

    question: Question
    outcome: Outcome
    size: int
    """The file's bytes; 0 where it is gone."""
    cached: bool


KEPT = 2
"""Raised when what is kept changes its form."""


class _Kept(Struct, frozen=True, array_like=True):
    """An outcome in the cache: one of the two."""

    examination: Examination | None
    trouble: Trouble | None


_kept = msgspec.msgpack.Decoder(_Kept)


class Workers:
    """The executor, started when it is first needed: a run that has nothing to do starts no process."""

    def __init__(self, count: int, limits: Limits, memory_mib: int, deadline_s: float) -> None:
        self.count = count
        self.limits = limits
        self._memory_mib = memory_mib
        self._deadline_s = deadline_s
        self._executor: Batcher | None = None
        self._starting = asyncio.Lock()
        self._waiting = 0
        """Jobs that aren't done yet."""

    async def run(self, workload: Workload, params: Mapping[str, Any], name: str, path: Path) -> Any:
        """The result of one job. Raises WorkloadError, and UserError where no process can be started."""
        executor = self._executor or await self._start()
        deadline_s = self._deadline_s if workload.batching is None else TOGETHER * self._deadline_s
        self._waiting += 1
        try:
            return await executor.run(
                workload, params, [Input(name, os.fspath(path))], deadline_s=deadline_s, priority="bulk"
            )
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        if self._executor is not None:
            await self._executor.close()

    def _at_once(self, workload: Workload) -> int:
        # No worker is to wait while another has several.
        return max(1, min(AT_ONCE, self._waiting // self.count))

    async def _start(self) -> Batcher:
        from accel.batching import Batcher
        from accel.executor import LocalExecutor

        async with self._starting:
            if self._executor is None:
                local = LocalExecutor(self.count, self.limits, self._memory_mib)
                # That several together take some seconds is no sign that one of them hangs; where one does,
                # the others have as much time again.
                limits = {"least_s": self._deadline_s / 2, "most_s": self._deadline_s}
                executor = Batcher(local, self._at_once, **limits)
                try:
                    await executor.start()
                except OSError as error:
                    raise UserError(
                        text("No worker process can be started ({error}).", error=error)
                    ) from None
                self._executor = executor
        return self._executor


class Examiner:
    """Answers questions about the files of one folder."""

    def __init__(
        self, root: Path, workload: Workload, version: bytes, workers: Workers, cache: Cache
    ) -> None:
        """`version` stands for everything by which the same question might be answered otherwise."""
        self._root = root
        # A plugin may have one of its own in its place.
        self._among = examine_among.workload if workload == examine.workload else workload
        self._alone = replace(workload, batching=None)
        self._version = version
        self._workers = workers
        self._cache = cache

    async def answers(self, questions: Iterable[Question]) -> AsyncGenerator[Answer]:
        """One for each question, as they come; no failure of a file ends it."""
        pending: dict[asyncio.Task[Answer], int] = {}
        try:
            for at, question in enumerate(questions):
                if at % BREATH == 0:
                    # Where nothing has to be waited for, Ctrl-C would never be heard.
                    await asyncio.sleep(0)
                stat = self._stat(question)
                if isinstance(stat, Answer):
                    yield stat
                    continue
                digest = self._digest(question)
                if (known := self._known(question, stat, digest)) is not None:
                    yield known
                    continue
                task = asyncio.create_task(self._ask(question, stat, digest))
                pending[task] = TOGETHER if self._workload_for(stat.size).batching is None else 1
                if sum(pending.values()) >= TOGETHER * IN_FLIGHT * self._workers.count:
                    done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        del pending[task]
                        yield task.result()
            for next_done in asyncio.as_completed(pending):
                yield await next_done
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def _stat(self, question: Question) -> Stat | Answer:
        try:
            return Stat.of(self._root / question.file)
        except FileNotFoundError:
            why = (
                TOO_LONG if is_too_long(self._root / question.file) else text("vanished while the audit ran")
            )
            return Answer(question, Trouble("not_found", why), 0, False)
        except OSError as error:
            return Answer(
                question,
                Trouble("not_found", text("can't be read ({strerror})", strerror=error.strerror)),
                0,
                False,
            )

    def _digest(self, question: Question) -> bytes:
        return question_of(
            # Names that are no Unicode too, on Windows those with half a pair.
            KEPT,
            self._version,
            os.fsencode(question.file),
            question.params,
        )

    def _known(self, question: Question, stat: Stat, digest: bytes) -> Answer | None:
        found = self._cache.get(self._root / question.file, question.file, stat, digest)
        if found is None:
            return None
        with contextlib.suppress(ValueError):
            kept = _kept.decode(found)
            if (outcome := kept.examination or kept.trouble) is not None:
                return Answer(question, outcome, stat.size, True)
        return None

    async def _ask(self, question: Question, stat: Stat, digest: bytes) -> Answer:
        for _ in range(TRIES):
            outcome = await self._examine(question, stat.size)
            now = self._stat(question)
            if isinstance(now, Answer):
                return now
            if now == stat and not _perhaps_half(outcome, stat):
                return await self._kept(question, stat, digest, outcome)
            if now == stat:
                await asyncio.sleep(PAUSE_S)
            stat = now
        return Answer(question, Trouble("busy", text("is being written all the time")), stat.size, False)

    async def _kept(self, question: Question, stat: Stat, digest: bytes, outcome: Outcome) -> Answer:
        """The answer for a file that is as it was when it was examined, put into the cache."""
        if isinstance(outcome, Examination):
            kept = msgspec.msgpack.encode(_Kept(outcome, None))
            self._cache.put(question.file, stat, digest, outcome.fingerprint.file, kept)
            return Answer(question, outcome, stat.size, False)
        content = await asyncio.to_thread(content_of, self._root / question.file)
        outcome = replace(outcome, content=content)
        # What another program keeps to itself for now is no broken file.
        if outcome.code in FINAL and content:
            kept = msgspec.msgpack.encode(_Kept(None, outcome))
            self._cache.put(question.file, stat, digest, content, kept)
        return Answer(question, outcome, stat.size, False)

    def _workload_for(self, size: int) -> Workload:
        return self._among if size <= SMALL else self._alone

    async def _examine(self, question: Question, size: int) -> Outcome:
        workload, path = self._workload_for(size), self._root / question.file
        try:
            result = await self._workers.run(workload, question.params, question.file, path)
            return msgspec.convert(result.value, Examination)
        except WorkloadError as error:
            return Trouble(error.code, error.reason)
        except msgspec.ValidationError as error:
            return Trouble("internal", f"was examined with an answer that can't be read ({error})")


def _perhaps_half(outcome: Outcome, stat: Stat) -> bool:
    if isinstance(outcome, Examination) or outcome.code != "bad_input":
        return False
    return abs(time.time_ns() - stat.modified) < SAVING_NS
