"""A file such as the journal's, what is read and written in it, and the peers that do it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct
from sqlite_utils import Database, Migrations

from bridge.server.serve import SWITCH_S
from bridge.store.store import Store

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

    switch_s: float
    """How long a thread may keep Python: `sys.setswitchinterval`."""

    async def do(self, operation: Operation) -> None: ...
    async def close(self) -> None: ...


class OurStore:
    """The daemon's."""

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
    """One connection on the event loop's own thread."""

    async def do(self, operation: Operation) -> None:
        operation(self._connection)
        await asyncio.sleep(0)


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
