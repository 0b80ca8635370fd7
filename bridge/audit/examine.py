"""Examines textures in worker processes, with a cache of earlier runs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.execution.batching import Batcher
from accel.execution.executor import SANDBOX, Job, LocalExecutor
from accel.execution.memory_budget import MemoryBudget
from accel.execution.sandbox import Sandbox
from accel.image import records
from accel.text import AnyText, text
from accel.texture.workloads import AT_ONCE, Examination, examine, examine_among
from accel.workload import Input, Limits, Workload, WorkloadError
from bridge.advisors.findings import ERROR
from bridge.advisors.naming import group_names, material_siblings
from bridge.api import Kind, TextureAsset, TextureUses
from bridge.audit.project import Project
from bridge.audit.results import Issue, Row
from bridge.core.errors import UserError
from bridge.core.text import is_unicode
from bridge.core.textures import NO_USES
from bridge.project.files import TOO_LONG, is_too_long
from bridge.store.records import FAILURES
from bridge.store.response_tables import open_cache

if TYPE_CHECKING:
    from accel.execution.batching import Batcher


RACY_NS = 2_000_000_000
"""A file that changed so recently may change again within the same timestamp."""
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""Error codes if another audit of the project writes for too long; the cache isn't broken."""

VERSION = 2
# Not WITHOUT ROWID: rows of more than 1,002 bytes would take 4 KiB each.
_TABLE = f"""
CREATE TABLE IF NOT EXISTS textures (
    file BLOB PRIMARY KEY, size INTEGER, modified INTEGER, trusted INTEGER, question BLOB, content BLOB,
    answer BLOB
);
CREATE INDEX IF NOT EXISTS by_content ON textures (size, question, content);
PRAGMA user_version = {VERSION};
"""


class Stat(Struct, frozen=True):
    """Identifies a file's content without reading it."""

    size: int
    modified: int
    """Nanoseconds."""

    @classmethod
    def of(cls, path: Path) -> Stat:
        """Raises OSError."""
        found = os.stat(path)
        return cls(found.st_size, found.st_mtime_ns)


class Cache:
    """Caches answers by file and question, a digest of everything else that the answer depends on.

    Never raises: a broken file is recreated, and without a usable file the cache is in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lasting = False
        """Whether the next run can use it: False without a usable file."""
        try:
            self._db = self._open(path)
        except (*FAILURES, OSError) as error:
            self._db = self._open(None) if _busy(error) else self._recreate()

    def get(self, path: Path, file: str, stat: Stat, question: bytes) -> bytes | None:
        """Returns the answer for an unchanged file, or for one of the same content."""
        try:
            return self._get(path, file, stat, question)
        except FAILURES as error:
            self._failed(error)
            return None

    def put(self, file: str, stat: Stat, question: bytes, content: str, answer: bytes) -> None:
        """Stores an answer; `content` is the file's SHA-256, empty if unknown."""
        trusted = stat.modified < time.time_ns() - RACY_NS
        row = (os.fsencode(file), stat.size, stat.modified, trusted, question, _digest(content), answer)
        try:
            self._db.execute("REPLACE INTO textures VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except FAILURES as error:
            self._failed(error)

    def prune(self, files: Iterable[str], count: int) -> None:
        """Deletes all but `count` files when there are more than twice as many."""
        with contextlib.suppress(*FAILURES):
            (rows,) = self._db.execute("SELECT count(*) FROM textures").fetchone()
            if rows <= 2 * count + 100:
                return
            self._db.execute("CREATE TEMP TABLE there (file BLOB PRIMARY KEY) WITHOUT ROWID")
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO there VALUES (?)", ((os.fsencode(file),) for file in files))
            self._db.execute("DELETE FROM textures WHERE file NOT IN (SELECT file FROM there)")
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def _get(self, path: Path, file: str, stat: Stat, question: bytes) -> bytes | None:
        key = os.fsencode(file)
        known = self._db.execute(
            "SELECT modified, trusted, size, answer FROM textures WHERE file = ? AND question = ?",
            (key, question),
        ).fetchone()
        if known and known[:3] == (stat.modified, 1, stat.size):
            return _blob(known[3])
        # Hashing the file only pays if one of its size has an answer to the question.
        candidate = self._db.execute(
            "SELECT 1 FROM textures WHERE size = ? AND question = ? AND content != x'' LIMIT 1",
            (stat.size, question),
        ).fetchone()
        if not candidate:
            return None
        content = content_of(path)
        found = self._db.execute(
            "SELECT answer FROM textures WHERE size = ? AND question = ? AND content = ? LIMIT 1",
            (stat.size, question, _digest(content)),
        ).fetchone()
        answer = _blob(found[0]) if found and content else None
        if answer is not None:
            self.put(file, stat, question, content, answer)
        return answer

    def _failed(self, error: Exception) -> None:
        if not _busy(error):
            self._db = self._recreate()

    def _recreate(self) -> sqlite3.Connection:
        with contextlib.suppress(AttributeError, *FAILURES):
            self._db.close()
        try:
            for suffix in () if self._path is None else ("", "-journal", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            return self._open(self._path)
        except (*FAILURES, OSError):
            return self._open(None)

    def _open(self, path: Path | None) -> sqlite3.Connection:
        db = open_cache(path, VERSION, _TABLE)
        self.lasting = path is not None
        return db


def content_of(path: Path) -> str:
    """Returns the SHA-256 of a file; empty if it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def question_of(*parts: Any) -> bytes:
    """Returns a digest of an answer's dependencies, with the decoder's version."""
    asked = msgspec.msgpack.encode([records.VERSION, *parts], order="sorted")
    return hashlib.blake2b(asked, digest_size=16).digest()


def _digest(content: str) -> bytes:
    with contextlib.suppress(ValueError):
        return bytes.fromhex(content)
    return b""


def _blob(value: Any) -> bytes | None:
    # A damaged file may have values of any type.
    return value if isinstance(value, bytes) else None


def _busy(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in BUSY


FINAL = frozenset({"bad_input", "unsupported", "too_large"})
"""Error codes that the same file would have again."""
IN_FLIGHT = 4
"""Files in flight per worker that are examined alone: their deadline includes the queue."""
TOGETHER = 2
"""So many times more of those that are examined in batches, so that the next batch is ready."""
SMALL = 4 << 20
"""Bytes; larger files are examined alone: batches would hide progress and leave cores idle at the end."""

SAVING_NS = 1_000_000_000
"""A broken file that changed so recently may still be being written."""
PAUSE_S = 0.25
TRIES = 8
"""Attempts at a file that changes repeatedly."""
YIELD_EVERY = 256
"""Files that are answered from the cache without yielding to the event loop."""


class Trouble(Struct, frozen=True):
    """Why a file couldn't be examined."""

    code: str
    """`bad_input`, `unsupported`, `too_large`, `not_found`, `worker_crashed`, ..."""
    reason: AnyText
    """For people; follows the file's name."""
    content: str = ""
    """SHA-256 of the file; empty if it can't be read or keeps changing."""


Outcome = Examination | Trouble


class Question(Struct, frozen=True):
    """A file to examine, with its context."""

    file: str
    """Path below the root."""
    params: Mapping[str, Any]
    """Parameters of `texture.examine`."""


class Answer(Struct, frozen=True):
    """The outcome of a question."""

    question: Question
    outcome: Outcome
    size: int
    """The file's bytes; 0 if it is gone."""
    cached: bool


FORMAT = 2
"""Increased when cached outcomes change their format."""


class _CachedOutcome(Struct, frozen=True, array_like=True):
    """An outcome in the cache: either field is set."""

    examination: Examination | None
    trouble: Trouble | None


_outcome_decoder = msgspec.msgpack.Decoder(_CachedOutcome)


class Workers:
    """Worker processes, started when first needed."""

    def __init__(
        self,
        count: int,
        limits: Limits,
        memory_mib: int,
        deadline_s: float,
        *,
        sandbox: Sandbox | None = SANDBOX,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.count = count
        self.limits = limits
        self._memory_mib = memory_mib
        self._deadline_s = deadline_s
        self._sandbox = sandbox
        self._budget = budget
        self._executor: Batcher | None = None
        self._starting = asyncio.Lock()
        self._waiting = 0
        """Unfinished jobs."""

    async def run(self, workload: Workload, params: Mapping[str, Any], name: str, path: Path) -> Any:
        """Runs one job. Raises WorkloadError, and UserError if no process can be started."""
        executor = self._executor or await self._start()
        deadline_s = self._deadline_s if workload.batching is None else TOGETHER * self._deadline_s
        self._waiting += 1
        try:
            inputs = [Input(name, os.fspath(path))]
            return await executor.run(
                Job.parse(workload, params, inputs, deadline_s=deadline_s, priority="bulk")
            )
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        if self._executor is not None:
            await self._executor.close()

    def _at_once(self, workload: Workload) -> int:
        # No worker should idle while another has several.
        return max(1, min(AT_ONCE, self._waiting // self.count))

    async def _start(self) -> Batcher:
        async with self._starting:
            if self._executor is None:
                local = LocalExecutor(
                    self.count, self.limits, self._memory_mib, sandbox=self._sandbox, budget=self._budget
                )
                # A batch may take some seconds; if one of its jobs hangs, the others get as much time again.
                limits = {"least_s": self._deadline_s / 2, "most_s": self._deadline_s}
                executor = Batcher(local, self._at_once, **limits)
                try:
                    await executor.start()
                except OSError as error:
                    raise UserError(text("Can't start a worker process: {reason}.", reason=error)) from None
                self._executor = executor
        return self._executor


class Examiner:
    """Answers questions about the files of one folder."""

    def __init__(
        self,
        root: Path,
        workload: Workload,
        version: bytes,
        workers: Workers,
        cache: Cache,
        image: Callable[[str], Path] | None = None,
    ) -> None:
        """`version` identifies the code and models on which answers depend; `image` returns the image of a
        file that isn't one.
        """
        self._image = image or (lambda file: root / file)
        # A plugin may replace the workload.
        self._among = examine_among.workload if workload == examine.workload else workload
        self._alone = replace(workload, batching=None)
        self._version = version
        self._workers = workers
        self._cache = cache

    async def answers(self, questions: Iterable[Question]) -> AsyncGenerator[Answer]:
        """Yields an answer for each question as they complete; failures of files are answers, too."""
        pending: dict[asyncio.Task[Answer], int] = {}
        try:
            for at, question in enumerate(questions):
                if at % YIELD_EVERY == 0:
                    # Without anything to await, Ctrl-C would be ignored.
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
            return Stat.of(self._image(question.file))
        except FileNotFoundError:
            why = (
                TOO_LONG if is_too_long(self._image(question.file)) else text("disappeared during the audit")
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
            # Encoded, as names may not be Unicode.
            FORMAT,
            self._version,
            os.fsencode(question.file),
            question.params,
        )

    def _known(self, question: Question, stat: Stat, digest: bytes) -> Answer | None:
        found = self._cache.get(self._image(question.file), question.file, stat, digest)
        if found is None:
            return None
        with contextlib.suppress(ValueError):
            cached = _outcome_decoder.decode(found)
            if (outcome := cached.examination or cached.trouble) is not None:
                return Answer(question, outcome, stat.size, True)
        return None

    async def _ask(self, question: Question, stat: Stat, digest: bytes) -> Answer:
        for _ in range(TRIES):
            outcome = await self._examine(question, stat.size)
            now = self._stat(question)
            if isinstance(now, Answer):
                return now
            if now == stat and not _may_be_partial(outcome, stat):
                return await self._store(question, stat, digest, outcome)
            if now == stat:
                await asyncio.sleep(PAUSE_S)
            stat = now
        return Answer(question, Trouble("busy", text("keeps changing")), stat.size, False)

    async def _store(self, question: Question, stat: Stat, digest: bytes, outcome: Outcome) -> Answer:
        """Caches and returns the answer for a file that didn't change during the examination."""
        if isinstance(outcome, Examination):
            encoded = msgspec.msgpack.encode(_CachedOutcome(outcome, None))
            self._cache.put(question.file, stat, digest, outcome.fingerprint.file, encoded)
            return Answer(question, outcome, stat.size, False)
        content = await asyncio.to_thread(content_of, self._image(question.file))
        outcome = replace(outcome, content=content)
        # A file that another program locks isn't broken.
        if outcome.code in FINAL and content:
            encoded = msgspec.msgpack.encode(_CachedOutcome(None, outcome))
            self._cache.put(question.file, stat, digest, content, encoded)
        return Answer(question, outcome, stat.size, False)

    def _workload_for(self, size: int) -> Workload:
        return self._among if size <= SMALL else self._alone

    async def _examine(self, question: Question, size: int) -> Outcome:
        workload, path = self._workload_for(size), self._image(question.file)
        try:
            result = await self._workers.run(workload, question.params, question.file, path)
            return msgspec.convert(result.value, Examination)
        except WorkloadError as error:
            return Trouble(error.code, error.reason)
        except msgspec.ValidationError as error:
            return Trouble("internal", f"was examined, but the result can't be read ({error})")


def _may_be_partial(outcome: Outcome, stat: Stat) -> bool:
    if isinstance(outcome, Examination) or outcome.code != "bad_input":
        return False
    return abs(time.time_ns() - stat.modified) < SAVING_NS


def examination_questions(
    project: Project, assets: Sequence[TextureAsset], uses: Mapping[str, TextureUses], use_names: bool
) -> Iterator[Question]:
    """Yields the question about each texture."""
    folders: dict[str, list[str]] = {}
    for asset in assets if use_names else ():
        folder, _, name = asset.file.rpartition("/")
        if is_unicode(name):
            folders.setdefault(folder, []).append(name)
    groups = {folder: group_names(names) for folder, names in folders.items()}
    for asset in assets:
        used = uses.get(asset.file, NO_USES)
        params: dict[str, Any] = {
            "use_name": use_names,
            "siblings": material_siblings(asset.file, groups.get(asset.file.rpartition("/")[0], {})),
            "slots": used.kinds("slot", "declaration"),
            "named_slots": used.kinds("name"),
            "imported_as": _imported_as(project, asset),
        }
        yield Question(asset.file, params)


def unlisted_folders(project: Project, asset: TextureAsset) -> Row | None:
    """Returns the row of a folder that can't be listed; None for textures."""
    if not asset.problem or asset.options is not None or not (project.root / asset.file).is_dir():
        return None
    issue = Issue("unlisted", ERROR, "unlisted", {"reason": asset.problem})
    return Row(asset.file, asset.path, [issue], asset.options)


def _imported_as(project: Project, asset: TextureAsset) -> Kind | None:
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or asset.options is None:
        return None
    try:
        return adapter.read_texture(asset.options, version).kind
    # An adapter is a plugin: its failure isn't evidence.
    except (Exception, SystemExit):
        return None
