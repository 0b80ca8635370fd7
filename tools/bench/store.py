"""The store beside one connection that all tasks share: operations/s, and how long reads and writes take.

64 tasks do one operation after another, nine in ten of them reads, on a file such as the journal's. An
operation's time begins where its task's last one ended, so that waiting for the loop, a lock or a thread counts.
The peers have the same file, pragmas and statements. Rounds alternate, so that other load on the machine meets
all alike.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.store.store import Store

ROWS = 100_000
SESSIONS = 5_000
BODY = 1024
TASKS = 64
EACH = 150
"""Operations of one task in a round."""
ROUNDS = 5
WRITES = 0.1
WRITERS = (1, 16, 256)
COMMITS_S = 1.5
"""Seconds for which so many writers write."""

TEMPLATE = """## The store beside one shared connection

{tasks} tasks, each doing one operation after another: 90 % reads (two thirds a row by its unique key, one third
the newest ten of a session), 10 % writes (half inserts, half updates), rows of 1 KiB, {rows:,} of them at first, in
WAL mode with `synchronous=FULL`. The peers share one `sqlite3` connection, each write its own commit: behind an
`asyncio.Lock`, each operation in `asyncio.to_thread`, and directly on the event loop, which stands still meanwhile.
Medians of {rounds} alternating rounds of {count:,} operations (`tools/bench/store.py`).

| | operations/s | read p50 | read p99 | write p50 | write p99 |
|---|---|---|---|---|---|
{table}
| **store to lock and threads** | **{rate:.1f} times** (aim: 1.5) | | **1/{p99:.1f}** (aim: 1/10) | | |
| **store to the event loop** | **{inline_rate:.1f} times** | | **1/{inline_p99:.1f}** | | |

What group commit gives, by how many tasks write at once (inserts of 1 KiB, nothing else):

| writers | store: writes/s | in so many commits/s | shared connection: writes/s | ratio |
|---|---|---|---|---|
{commits}
"""

POINT = "SELECT id, state, body FROM jobs WHERE key = ?"
RANGE = "SELECT id, state, body FROM jobs WHERE session = ? ORDER BY id DESC LIMIT 10"
INSERT = "INSERT INTO jobs (key, session, state, body) VALUES (?, ?, 'waiting', ?)"
UPDATE = "UPDATE jobs SET state = 'done', body = ? WHERE id = ?"

migrations = Migrations("bench")


@migrations()
def jobs(db: Database) -> None:
    """Rows as the journal's."""
    db.conn.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
                    " session TEXT NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL)")  # fmt: skip
    db.conn.execute("CREATE INDEX jobs_session ON jobs (session, id)")


class Operation(Struct, frozen=True):
    """One statement with its values."""

    sql: str
    values: tuple[Any, ...]
    writes: bool

    def __call__(self, connection: sqlite3.Connection) -> list[Any]:
        return connection.execute(self.sql, self.values).fetchall()

    def on(self, db: Database) -> list[Any]:
        return self(db.conn)


class Peer(Protocol):
    """Something that does operations."""

    async def do(self, operation: Operation) -> None: ...
    async def close(self) -> None: ...


class OurStore:
    """The daemon's."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path, migrations)

    async def do(self, operation: Operation) -> None:
        if operation.writes:
            await self.store.write(operation.on)
        else:
            await self.store.read(operation)

    async def close(self) -> None:
        await self.store.close()


class Shared:
    """One connection behind a lock, on threads."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA synchronous = FULL")
        self._lock = asyncio.Lock()

    async def do(self, operation: Operation) -> None:
        async with self._lock:
            await asyncio.to_thread(operation, self._connection)

    async def close(self) -> None:
        self._connection.close()


class Inline(Shared):
    """One connection on the event loop's own thread."""

    async def do(self, operation: Operation) -> None:
        operation(self._connection)
        await asyncio.sleep(0)


class Round(Struct):
    """What one round showed: operations/s, and milliseconds that the reads and the writes took."""

    rate: float
    reads: list[float]
    writes: list[float]


def body(rng: random.Random) -> bytes:
    return rng.randbytes(BODY)


def fill(path: Path) -> None:
    """The file that all begin with."""
    store, rng = Store(path, migrations), random.Random(1)
    rows = [(f"key-{n}", f"session-{n % SESSIONS}", body(rng)) for n in range(ROWS)]
    store.write_now(lambda db: db.conn.executemany(INSERT, rows))
    store.close_now()


def operations(rng: random.Random, name: str, count: int) -> list[Operation]:
    """What one task will do."""

    def one(number: int) -> Operation:
        if rng.random() < WRITES:
            if rng.random() < 0.5:
                session = f"session-{rng.randrange(SESSIONS)}"
                return Operation(INSERT, (f"{name}-{number}", session, body(rng)), True)
            return Operation(UPDATE, (body(rng), rng.randrange(ROWS) + 1), True)
        if rng.random() < 2 / 3:
            return Operation(POINT, (f"key-{rng.randrange(ROWS)}",), False)
        return Operation(RANGE, (f"session-{rng.randrange(SESSIONS)}",), False)

    return [one(number) for number in range(count)]


async def round_of(peer: Peer, number: int) -> Round:
    """All tasks, from their first operation to their last."""
    rng = random.Random(number)
    work = [operations(rng, f"{number}-{task}", EACH) for task in range(TASKS)]
    reads: list[float] = []
    writes: list[float] = []

    async def task(own: Iterable[Operation]) -> None:
        begin = time.perf_counter()
        for operation in own:
            await peer.do(operation)
            end = time.perf_counter()
            (writes if operation.writes else reads).append((end - begin) * 1000)
            begin = end

    begin = time.perf_counter()
    await asyncio.gather(*(task(own) for own in work))
    return Round(TASKS * EACH / (time.perf_counter() - begin), reads, writes)


async def mixed(folder: Path) -> dict[str, list[Round]]:
    """The peers in turns; the first round of each warms it up."""
    kinds: dict[str, Callable[[Path], Peer]] = {"store": OurStore, "shared": Shared, "inline": Inline}
    found: dict[str, list[Round]] = {name: [] for name in kinds}
    peers: dict[str, Peer] = {}
    try:
        for name, kind in kinds.items():
            shutil.copy(folder / "first.db", folder / f"{name}.db")
            peers[name] = kind(folder / f"{name}.db")
        for number in range(ROUNDS + 1):
            for name, peer in peers.items():
                found[name].append(await round_of(peer, number))
    finally:
        for peer in peers.values():
            await peer.close()
    return {name: rounds[1:] for name, rounds in found.items()}


async def writes_of(peer: Peer, writers: int, name: str) -> float:
    """Writes/s of so many tasks that do nothing else."""
    rng = random.Random(0)
    data, done = body(rng), 0
    end = time.perf_counter() + COMMITS_S

    async def write(task: int) -> None:
        nonlocal done
        number = 0
        while time.perf_counter() < end:
            await peer.do(Operation(INSERT, (f"{name}-{task}-{number}", "session-1", data), True))
            number += 1
            done += 1

    begin = time.perf_counter()
    await asyncio.gather(*(write(task) for task in range(writers)))
    return done / (time.perf_counter() - begin)


class Commits(Struct):
    """Per second: the store's writes and commits, and the shared connection's writes."""

    writers: int
    store: float
    commits: float
    shared: float


async def commits(folder: Path) -> list[Commits]:
    ours, theirs = OurStore(folder / "store.db"), Shared(folder / "shared.db")
    found = []
    try:
        for writers in WRITERS:
            before, begin = ours.store.commits, time.perf_counter()
            rate = await writes_of(ours, writers, f"alone-{writers}")
            made = (ours.store.commits - before) / (time.perf_counter() - begin)
            found.append(Commits(writers, rate, made, await writes_of(theirs, writers, f"alone-{writers}")))
    finally:
        await ours.close()
        await theirs.close()
    return found


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


class Row(Struct):
    """Medians of the rounds: operations/s, milliseconds."""

    rate: float
    read_p50: float
    read_p99: float
    write_p50: float
    write_p99: float


def row(rounds: Sequence[Round]) -> Row:
    def middle(of: Callable[[Round], float]) -> float:
        return statistics.median(of(one) for one in rounds)

    return Row(
        middle(lambda r: r.rate),
        middle(lambda r: percentile(r.reads, 0.5)),
        middle(lambda r: percentile(r.reads, 0.99)),
        middle(lambda r: percentile(r.writes, 0.5)),
        middle(lambda r: percentile(r.writes, 0.99)),
    )


def line(name: str, r: Row) -> str:
    times = " | ".join(f"{ms:.2f} ms" for ms in (r.read_p50, r.read_p99, r.write_p50, r.write_p99))
    return f"| {name} | {r.rate:,.0f} | {times} |"


def measure() -> str:
    """The section of docs/performance.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "first.db")
        found = {peer: row(rounds) for peer, rounds in asyncio.run(mixed(folder)).items()}
        alone = asyncio.run(commits(folder))
    store, shared, inline = found["store"], found["shared"], found["inline"]
    names = {
        "store": "the store",
        "shared": "shared, lock and threads",
        "inline": "shared, on the event loop",
    }
    return TEMPLATE.format(
        tasks=TASKS,
        rows=ROWS,
        rounds=ROUNDS,
        count=TASKS * EACH,
        table="\n".join(line(names[peer], r) for peer, r in found.items()),
        rate=store.rate / shared.rate,
        p99=shared.read_p99 / store.read_p99,
        inline_rate=store.rate / inline.rate,
        inline_p99=inline.read_p99 / store.read_p99,
        commits="\n".join(
            f"| {one.writers} | {one.store:,.0f} | {one.commits:,.0f} | {one.shared:,.0f} "
            f"| {one.store / one.shared:.1f} |"
            for one in alone
        ),
    )


if __name__ == "__main__":
    print(measure())
