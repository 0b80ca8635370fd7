"""The store beside one shared connection: operations/s, and latencies of reads and writes.

64 tasks do nine reads per write on a file like the journal's: once without pauses, which shows the throughput
of each peer, and at several fixed rates, the same for all, which show latencies below the limit. The time of
an operation starts when its task is free for it, or when another process requests it, so waiting for the
loop, a lock or a thread counts. All peers have the same file, pragmas and statements; rounds alternate, so
that other load on the machine affects all alike.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.server.serve import SWITCH_S
from bridge.store.store import Store
from tools.bench.pacer import asked

TASKS = 64
EACH = 100
"""Operations per task and round."""
ROUNDS = 5
WRITERS = (1, 16, 256)
COMMITS_S = 0.6
"""Seconds of a round of writers."""
PACES = (0.25, 0.5, 0.75, 1.5)
"""Rates of the comparison, as shares of the shared connection's throughput; above 1 it falls behind."""

TEMPLATE = """## The store beside one shared connection

{tasks} tasks with 90 % reads (two thirds one row by its unique key, one third the newest ten of a
session) and 10 % writes (half inserts, half updates) of 1 KiB rows, {rows:,} of them at first, in WAL
mode with `synchronous=FULL`. The peers share one `sqlite3` connection and commit each write: one behind
an `asyncio.Lock`, with each operation in `asyncio.to_thread`; one directly on the event loop, which is
blocked meanwhile. Medians of {rounds} alternating rounds of {count:,} operations
(`tools/bench/store.py`).

Each task runs one operation after another, as fast as possible:

| | operations/s | read p50 | read p99 | write p50 | write p99 |
|---|---|---|---|---|---|
{flood}
| **store to lock and threads** | **{rate:.1f} times** (aim: 1.5) | | **1/{p99:.1f}** (aim: 1/10) | | |
| **store to the event loop** | **{inline_rate:.1f} times** | | **1/{inline_p99:.1f}** | | |

With {tasks} operations always open, an operation takes {tasks} divided by the operations/s on average
(Little's law). The p99 of lock and threads is {tail:.1f} times their average: a tenth of it would require
about {needed:.0f} times their throughput. The second aim makes sense only if operations don't just wait
for one another. So the next table runs the same operations at a fixed rate, in shares of what lock and
threads reached. Another process issues them, and their time starts then (aims: 1.5 times the operations/s
if more is asked for than the others can do, 10 times the read p99):

| rate | | done, operations/s | read p50 | read p99 | write p50 | write p99 | read p99 of the store's |
|---|---|---|---|---|---|---|---|
{paced}

The effect of group commit, by the number of concurrent writers (1 KiB inserts only; medians of {rounds}
alternating rounds of {seconds} s):

| writers | store: writes/s | in so many commits/s | shared connection: writes/s | ratio |
|---|---|---|---|---|
{commits}
"""


class Times(Struct):
    """Latencies of reads and writes, milliseconds."""

    reads: list[float]
    writes: list[float]

    async def of(self, peer: Peer, operation: Operation, begin: float) -> None:
        """Runs an operation that is due since `begin`."""
        await peer.do(operation)
        took = (time.perf_counter() - begin) * 1000
        (self.writes if operation.writes else self.reads).append(took)


class Round(Struct):
    """The result of one round: operations/s, and latencies of reads and writes, milliseconds."""

    rate: float
    reads: list[float]
    writes: list[float]


async def round_of(peer: Peer, number: int) -> Round:
    """Runs all operations of all tasks without pauses."""
    rng = random.Random(number)
    work = [operations(rng, f"{number}-{task}", EACH) for task in range(TASKS)]
    times = Times([], [])
    begin = time.perf_counter()

    async def task(own: Iterable[Operation]) -> None:
        for operation in own:
            await times.of(peer, operation, time.perf_counter())

    await asyncio.gather(*map(task, work))
    return Round(TASKS * EACH / (time.perf_counter() - begin), times.reads, times.writes)


async def paced_round_of(peer: Peer, number: int, rate: float) -> Round:
    """Runs each operation when it is requested, by the next task."""
    rng = random.Random(number)
    work = [iter(operations(rng, f"{number}-{task}", EACH)) for task in range(TASKS)]
    queues: list[asyncio.Queue[float]] = [asyncio.Queue() for _ in work]
    took = Times([], [])
    first = 0.0

    async def task(own: Iterable[Operation], queue: asyncio.Queue[float]) -> None:
        for operation in own:
            await took.of(peer, operation, await queue.get())

    async def deal() -> None:
        nonlocal first
        async with asked(rate, TASKS * EACH) as times:
            turn = 0
            async for begin in times:
                first = first or begin
                queues[turn % TASKS].put_nowait(begin)
                turn += 1

    await asyncio.gather(deal(), *map(task, work, queues))
    return Round(TASKS * EACH / (time.perf_counter() - first), took.reads, took.writes)


async def rounds_of(peers: Mapping[str, Peer], first: int, rate: float = 0) -> dict[str, list[Round]]:
    """Runs the peers in turns; the first round of each is a warm-up."""
    found: dict[str, list[Round]] = {name: [] for name in peers}
    for number in range(first, first + ROUNDS + 1):
        for name, peer in peers.items():
            sys.setswitchinterval(peer.switch_s)
            found[name].append(await (paced_round_of(peer, number, rate) if rate else round_of(peer, number)))
    return {name: rounds[1:] for name, rounds in found.items()}


async def writes_of(peer: Peer, writers: int, name: str) -> float:
    """Returns the writes/s of a number of tasks that only write."""
    data, done = body(random.Random(0)), 0
    begin = time.perf_counter()

    async def write(task: int) -> None:
        nonlocal done
        number = 0
        while time.perf_counter() < begin + COMMITS_S:
            await peer.do(Operation(INSERT, (f"{name}-{task}-{number}", "session-1", data), True))
            number += 1
            done += 1

    await asyncio.gather(*(write(task) for task in range(writers)))
    return done / (time.perf_counter() - begin)


class Commits(Struct):
    """Per second: the store's writes and commits, and the shared connection's writes."""

    writers: int
    store: float
    commits: float
    shared: float


async def commits(ours: OurStore, theirs: Shared, writers: int) -> Commits:
    """Returns medians of alternating rounds, so that other disk load affects both alike."""
    store, made, shared = [], [], []
    for number in range(ROUNDS):
        before = ours.store.commits, ours.store.writes
        sys.setswitchinterval(ours.switch_s)
        store.append(await writes_of(ours, writers, f"alone-{writers}-{number}"))
        groups, inside = ours.store.commits - before[0], ours.store.writes - before[1]
        made.append(store[-1] * groups / inside)
        sys.setswitchinterval(theirs.switch_s)
        shared.append(await writes_of(theirs, writers, f"alone-{writers}-{number}"))
    return Commits(writers, *(statistics.median(each) for each in (store, made, shared)))


class Paced(Struct):
    """The results at one rate, a share of the throughput of the shared connection."""

    share: float
    rate: float
    peers: dict[str, Row]

    def lines(self) -> Iterator[str]:
        of = self.peers["store"].read_p99
        for name, r in self.peers.items():
            pace = f"{self.share:.0%}: {self.rate:,.0f}/s"
            ratio = "" if name == "store" else f"**{r.read_p99 / of:.1f} times**"
            yield f"| {pace} | {NAMES[name]} | {r.rate:,.0f} | {_times(r)} | {ratio} |"


class Results(Struct):
    """All results."""

    flood: dict[str, Row]
    paced: list[Paced]
    commits: list[Commits]


async def run(folder: Path) -> Results:
    """Measures all peers, each with a copy of the same file."""
    for name in ("store", "shared", "inline"):
        shutil.copy(folder / "first.db", folder / f"{name}.db")
    ours, theirs = OurStore(folder / "store.db"), Shared(folder / "shared.db")
    peers = {"store": ours, "shared": theirs, "inline": Inline(folder / "inline.db")}
    try:
        flood = {name: row(rounds) for name, rounds in (await rounds_of(peers, 0)).items()}
        paced = []
        for at, share in enumerate(PACES):
            rate = flood["shared"].rate * share
            rounds = await rounds_of(peers, 100 * (at + 1), rate)
            paced.append(Paced(share, rate, {name: row(each) for name, each in rounds.items()}))
        return Results(flood, paced, [await commits(ours, theirs, writers) for writers in WRITERS])
    finally:
        for peer in peers.values():
            await peer.close()


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
    return f"| {name} | {r.rate:,.0f} | {_times(r)} |"


def _times(r: Row) -> str:
    return " | ".join(f"{ms:.2f} ms" for ms in (r.read_p50, r.read_p99, r.write_p50, r.write_p99))


NAMES = {"store": "the store", "shared": "shared, lock and threads", "inline": "shared, on the event loop"}


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "first.db")
        found = asyncio.run(run(folder))
    flood, paced = found.flood, found.paced
    return TEMPLATE.format(
        tasks=TASKS,
        rows=ROWS,
        rounds=ROUNDS,
        count=TASKS * EACH,
        seconds=COMMITS_S,
        flood="\n".join(line(NAMES[peer], r) for peer, r in flood.items()),
        paced="\n".join(line for pace in paced for line in pace.lines()),
        tail=flood["shared"].read_p99 * flood["shared"].rate / TASKS / 1000,
        needed=10 / (flood["shared"].read_p99 * flood["shared"].rate / TASKS / 1000),
        rate=flood["store"].rate / flood["shared"].rate,
        p99=flood["shared"].read_p99 / flood["store"].read_p99,
        inline_rate=flood["store"].rate / flood["inline"].rate,
        inline_p99=flood["inline"].read_p99 / flood["store"].read_p99,
        commits="\n".join(
            f"| {one.writers} | {one.store:,.0f} | {one.commits:,.0f} | {one.shared:,.0f} "
            f"| {one.store / one.shared:.1f} |"
            for one in found.commits
        ),
    )


ROWS = 100_000
SESSIONS = 5_000
BODY = 1024
WRITES = 0.1

POINT = "SELECT id, state, body FROM jobs WHERE key = ?"
RANGE = "SELECT id, state, body FROM jobs WHERE session = ? ORDER BY id DESC LIMIT 10"
INSERT = "INSERT INTO jobs (key, session, state, body) VALUES (?, ?, 'waiting', ?)"
UPDATE = "UPDATE jobs SET state = 'done', body = ? WHERE id = ?"

migrations = Migrations("bench")


@migrations()
def jobs(db: Database) -> None:
    """Yields rows like the journal's."""
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
    """Something that runs operations."""

    switch_s: float
    """The value for `sys.setswitchinterval`, seconds."""

    async def do(self, operation: Operation) -> None: ...
    async def close(self) -> None: ...


class OurStore:
    """The daemon's store."""

    switch_s = SWITCH_S

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

    switch_s = 0.005

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
    """One connection on the event loop's thread."""

    async def do(self, operation: Operation) -> None:
        operation(self._connection)
        await asyncio.sleep(0)


def body(rng: random.Random) -> bytes:
    return rng.randbytes(BODY)


def fill(path: Path) -> None:
    """Writes the file that all peers start with."""
    store, rng = Store(path, migrations), random.Random(1)
    rows = [(f"key-{n}", f"session-{n % SESSIONS}", body(rng)) for n in range(ROWS)]
    store.write_now(lambda db: db.conn.executemany(INSERT, rows))
    store.close_now()


def operations(rng: random.Random, name: str, count: int) -> list[Operation]:
    """Yields the operations of one task."""

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


if __name__ == "__main__":
    print(measure())
