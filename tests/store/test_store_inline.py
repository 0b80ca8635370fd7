"""What the loop does of the database itself: brief reads, and commits that wait for nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bridge.core.errors import StoreError
from bridge.store import store as inline_module
from bridge.store import transactions as commits_module
from bridge.store.store import LoopBudget, Store
from tests.store.things import migrations, texts


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "test.db", migrations)
    # A new log's first commit is a thread's.
    await made.write(lambda db: None, synced=False)
    yield made
    await made.close()


def where(source: Any) -> str:
    return threading.current_thread().name


def insert(text: str) -> Any:
    def work(db: Database) -> str:
        db.conn.execute("INSERT INTO things (text) VALUES (?)", (text,))
        return threading.current_thread().name

    return work


HERE = threading.main_thread().name


async def test_a_brief_read_needs_no_thread(store: Store) -> None:
    assert await store.read(where) == HERE


async def test_reads_see_all_writes_however_many_were_interrupted(store: Store) -> None:
    for number in range(600):
        # SQLite counts the operations of a statement over all of its runs, and interrupts some of any kind.
        await store.write(insert(str(number)), synced=False)
        found = await store.read(
            lambda connection, row=number + 1: [
                *Database(connection).query("SELECT text FROM things WHERE rowid = ?", [row])
            ]
        )
        assert found == [{"text": str(number)}]


async def test_what_is_much_to_read_is_a_threads(store: Store) -> None:
    def count(connection: sqlite3.Connection) -> tuple[int, str]:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
        (found,) = connection.execute(f"{numbers} SELECT count(*) FROM n").fetchone()
        return found, where(connection)

    number, thread = await store.read(count)
    assert number == 5000
    assert thread.startswith("store-reader")


async def test_what_isnt_brief_is_a_threads_though_it_takes_few_operations(store: Store) -> None:
    assert (await store.read(where, brief=False)).startswith("store-reader")
    assert await store.write(where, synced=False) == HERE
    assert await store.write(where, synced=False, brief=False) == "store-writer"


async def test_what_asks_for_more_time_is_a_threads(store: Store) -> None:
    assert (await store.read(where, limit_s=60)).startswith("store-reader")


async def test_nothing_is_read_before_what_threads_are_at_work_on(store: Store) -> None:
    gate = threading.Event()
    first = asyncio.create_task(store.read(lambda connection: gate.wait(10), limit_s=60))
    await asyncio.sleep(0)
    second = asyncio.create_task(store.read(where))
    await asyncio.sleep(0)
    gate.set()
    assert (await second).startswith("store-reader")
    assert await first
    assert await store.read(where) == HERE


async def test_a_mistake_of_a_statement_is_told_by_the_thread_that_reads_it_again(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table: wings"):
        await store.read(lambda connection: connection.execute("SELECT * FROM wings").fetchall())


async def test_an_error_of_a_brief_read_comes_to_who_asked(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        await store.read(lambda connection: 1 / 0)
    assert await store.read(texts) == []


async def test_a_turn_of_the_loop_reads_only_so_much_itself(store: Store) -> None:
    async def read_on() -> list[str]:
        found = []
        while not found or found[-1] == HERE:
            found.append(await store.read(where))
        return found

    async with asyncio.timeout(30):
        found = await read_on()
    assert found[-1].startswith("store-reader")
    assert await store.read(where) == HERE


async def test_after_a_slow_one_the_loop_leaves_the_disk_to_threads() -> None:
    loop, allowance = asyncio.get_running_loop(), LoopBudget()
    assert allowance.left(loop)
    allowance.charge(loop, inline_module.SLOW_S * 2)
    await asyncio.sleep(0)
    assert not allowance.left(loop)


async def test_another_loop_has_its_own_turns() -> None:
    loop, allowance = asyncio.get_running_loop(), LoopBudget()
    assert allowance.left(loop)
    allowance.charge(loop, inline_module.TURN_BUDGET_S)
    assert not allowance.left(loop)
    other = asyncio.new_event_loop()
    try:
        assert allowance.left(other)
    finally:
        other.close()


async def test_what_need_not_reach_the_disk_is_committed_without_a_thread(store: Store) -> None:
    assert await store.write(insert("here"), synced=False) == HERE
    assert await store.write(insert("there")) == "store-writer"
    assert await store.read(texts) == ["here", "there"]


async def test_what_was_put_before_is_committed_before(store: Store) -> None:
    gate = threading.Event()
    first = asyncio.create_task(store.write(lambda db: (gate.wait(10), insert("first")(db))[1]))
    await asyncio.sleep(0)
    second = asyncio.create_task(store.write(insert("second"), synced=False))
    await asyncio.sleep(0)
    gate.set()
    assert (await first, await second) == ("store-writer", "store-writer")
    assert await store.read(texts) == ["first", "second"]


async def test_the_loop_waits_for_no_program_that_holds_the_file(store: Store) -> None:
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(store.write(insert("later"), synced=False))
    await asyncio.sleep(0)
    assert not writing.done()
    holder.execute("ROLLBACK")
    holder.close()
    assert await writing == "store-writer"


async def test_an_unsynced_work_that_fails_is_undone_and_its_error_told(store: Store) -> None:
    def fails(db: Database) -> None:
        insert("undone")(db)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await store.write(fails, synced=False)
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(lambda db: db.conn.execute("INSERT INTO things (id) VALUES (1), (1)"), synced=False)
    assert await store.read(texts) == []


async def test_a_full_file_is_told_in_words_also_where_no_thread_was_needed(store: Store) -> None:
    await store.write(lambda db: db.conn.execute("PRAGMA max_page_count = 1").fetchall())
    with pytest.raises(StoreError, match="full"):
        await store.write(insert("x" * 100_000), synced=False)
    await store.write(lambda db: db.conn.execute("PRAGMA max_page_count = 100000").fetchall())


async def test_the_log_is_moved_by_the_thread_after_so_many_commits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits_module, "CHECKPOINT_WORKS", 8)
    threads = [await store.write(insert(str(n)), synced=False) for n in range(20)]
    # One finds that it is time to, and the next begins a new log, whose head is synced.
    assert threads.count("store-writer") >= 4
    assert HERE in threads
    assert await store.read(texts) == [str(n) for n in range(20)]


async def test_a_log_that_has_grown_is_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "CHECKPOINT_BYTES", 100_000)
    await store.write(insert("x" * 200_000))
    await store.write(insert("y"))
    reader = sqlite3.connect(f"file:{store.path}?immutable=1", uri=True)
    try:
        assert reader.execute("SELECT count(*) FROM things").fetchone()[0] >= 1
    finally:
        reader.close()
