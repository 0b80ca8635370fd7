"""The store: group commit, readers beside it, and failures in words that cost nobody else anything."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from accel.execution.backoff import Backoff
from bridge.core.errors import StoreError, UserError
from bridge.store import store as store_module
from bridge.store.records import PermanentDamage, UnreadableRow
from bridge.store.store import Store
from tests.store.things import migrations, texts


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "test.db", migrations)
    yield made
    await made.close()


def insert(text: str, number: int | None = None) -> Any:
    def work(db: Database) -> int:
        return db.conn.execute("INSERT INTO things (id, text) VALUES (?, ?)", (number, text)).lastrowid or 0

    return work


async def test_what_was_written_is_read(store: Store) -> None:
    assert await store.write(insert("one")) == 1
    assert await store.read(texts) == ["one"]


async def test_what_waits_is_committed_together(store: Store) -> None:
    gate = threading.Event()
    first = asyncio.create_task(store.write(lambda db: gate.wait(10)))
    await asyncio.sleep(0)
    many = [asyncio.create_task(store.write(insert(str(n)))) for n in range(200)]
    await asyncio.sleep(0)
    gate.set()
    await first
    assert await asyncio.gather(*many) == list(range(1, 201))
    assert store.writes == 201
    assert store.commits <= 3


async def test_who_fails_costs_nobody_else_anything(store: Store) -> None:
    def fails(db: Database) -> None:
        db.conn.execute("INSERT INTO things (text) VALUES ('half done')")
        raise ValueError("oops")

    outcomes = await asyncio.gather(
        store.write(insert("before")), store.write(fails), store.write(insert("after")),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(one) for one in outcomes] == [int, ValueError, int]
    assert await store.read(texts) == ["before", "after"]


async def test_a_mistake_in_a_statement_is_no_failure_of_the_store(store: Store) -> None:
    await store.write(insert("one", 1))
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(insert("another", 1))
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        await store.read(lambda connection: connection.execute("SELECT * FROM nothing"))


async def test_a_work_that_ends_the_transaction_is_told_and_the_writer_goes_on(store: Store) -> None:
    def rollback(db: Database) -> None:
        db.conn.execute("ROLLBACK")
        raise ValueError("it was I")

    gate = threading.Event()
    first = asyncio.create_task(store.write(lambda db: gate.wait(10)))
    await asyncio.sleep(0)
    late = [asyncio.create_task(store.write(work)) for work in (insert("one"), rollback, insert("two"))]
    await asyncio.sleep(0)
    gate.set()
    await first
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert [type(one) for one in outcomes] == [int, ValueError, int]
    assert await store.read(texts) == ["one", "two"]


async def test_after_a_work_that_ends_the_transaction_in_silence_nothing_is_done_twice(store: Store) -> None:
    gate = threading.Event()
    first = asyncio.create_task(store.write(lambda db: gate.wait(10)))
    await asyncio.sleep(0)
    works = (insert("one"), lambda db: db.conn.execute("ROLLBACK").rowcount, insert("two"))
    late = [asyncio.create_task(store.write(work)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    await first
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert isinstance(outcomes[1], sqlite3.Error)
    assert await store.read(texts) == ["one", "two"]


async def test_a_work_that_cant_be_undone_now_is_undone_before_the_next(store: Store) -> None:
    def fails(db: Database) -> None:
        insert("half done")(db)
        # As a disk that fails keeps SQLite from undoing it.
        db.conn.set_authorizer(lambda action, what, *_: int(what == "ROLLBACK"))
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        await store.write(fails)
    with pytest.raises(sqlite3.Error):
        await store.write(insert("refused"))
    await asyncio.to_thread(store._commits._connection.set_authorizer, None)
    await store.write(insert("kept"))
    assert await store.read(texts) == ["kept"]


async def test_what_doesnt_fit_is_told_and_what_fits_is_kept(store: Store) -> None:
    store.write_now(lambda db: db.conn.execute("PRAGMA max_page_count = 40"))
    large = "x" * 200_000
    outcomes = await asyncio.gather(
        store.write(insert("small")), store.write(insert(large)), store.write(insert("small too")),
        return_exceptions=True,
    )  # fmt: skip
    assert isinstance(outcomes[1], StoreError)
    assert "the disk is full" in outcomes[1].reason
    await store.write(insert("and this"))
    assert store.trouble == ""
    assert await store.read(texts) == ["small", "small too", "and this"]


def no_utf8(db: Database) -> list[str]:
    """What fails as a damaged page's text does."""
    return [text for (text,) in db.execute("SELECT CAST(x'ff' AS TEXT) FROM things")]


def no_name(db: Database) -> list[Any]:
    """What fails where the damage is in the name of a column."""
    return db.execute("SELECT * FROM unnamed").fetchall()


@pytest.fixture
def damaged(store: Store) -> Store:
    store.write_now(insert("one"))
    store.write_now(lambda db: db.conn.execute("CREATE TABLE unnamed (xx)"))
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'xx', CAST(x'ffff' AS TEXT)) WHERE name = 'unnamed'"
        )
        other.execute("CREATE TABLE more (x)")
    return store


@pytest.mark.parametrize("fails", [no_utf8, no_name])
async def test_text_that_is_no_utf8_is_damage_to_who_reads_it_alone(
    damaged: Store, fails: Callable[[Any], Any]
) -> None:
    for limit_s in (2.0, 3.0):  # at once, and by a thread
        with pytest.raises(StoreError, match="is damaged; stop") as caught:
            await damaged.read(fails, limit_s=limit_s)
        assert str(damaged.path) in caught.value.reason
    await damaged.write(insert("two"))
    assert await damaged.read(texts) == await damaged.read(texts, limit_s=3.0) == ["one", "two"]


@pytest.mark.parametrize("fails", [no_utf8, no_name])
@pytest.mark.parametrize("synced", [True, False])
async def test_text_that_is_no_utf8_is_damage_to_who_meets_it_when_writing(
    damaged: Store, fails: Callable[[Any], Any], synced: bool
) -> None:
    def half_done(db: Database) -> None:
        insert("half done")(db)
        fails(db)

    # At once, where that is for who needs no disk; then alone, then with others.
    works = [half_done, insert("two"), half_done, insert("three")]
    with pytest.raises(StoreError, match="is damaged; stop"):
        await damaged.write(half_done, synced=synced)
    assert str(damaged.path) in damaged.trouble
    gate = threading.Event()
    first = asyncio.create_task(damaged.write(lambda db: gate.wait(10)))
    await asyncio.sleep(0)
    late = [asyncio.create_task(damaged.write(work, synced=synced)) for work in works]
    await asyncio.sleep(0)
    gate.set()
    await first
    outcomes = await asyncio.gather(*late, return_exceptions=True)
    assert [type(one) for one in outcomes] == [PermanentDamage, int, PermanentDamage, int]
    assert await damaged.read(texts) == ["one", "two", "three"]


async def test_a_file_that_another_holds_is_told_at_once_for_all_that_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write(lambda db: db.conn.execute("PRAGMA busy_timeout = 10"))
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(store.write(insert(str(n))) for n in range(20)), return_exceptions=True)
    assert {str(one) for one in outcomes} == {"another program has locked its database"}
    assert str(store.trouble).startswith("another program has locked its database")
    holder.execute("ROLLBACK")
    holder.close()
    assert await store.write(insert("now")) == 1
    assert store.trouble == ""


async def test_what_must_be_kept_is_tried_until_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "RETRY", Backoff(0.001, 0.001))
    await store.write(lambda db: db.conn.execute("PRAGMA busy_timeout = 1"))
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    keeping = asyncio.create_task(store.persist(insert("kept")))
    while not caplog.records:
        await asyncio.sleep(0.001)
    holder.execute("ROLLBACK")
    holder.close()
    assert await keeping == 1
    assert "is retried: another program has locked its database" in caplog.text


def no_record(db: Database) -> None:
    """What fails where a row holds something else than was kept."""
    raise UnreadableRow("things, row 1: no bytes")


@pytest.mark.parametrize("fails", [no_utf8, no_name, no_record])
async def test_what_cant_be_read_isnt_tried_again(damaged: Store, fails: Callable[[Any], Any]) -> None:
    def half_done(db: Database) -> None:
        insert("half done")(db)
        fails(db)

    async with asyncio.timeout(30):
        for asked in (damaged.persist(half_done), damaged.insist(lambda: damaged.read(fails))):
            with pytest.raises(PermanentDamage, match="is damaged; stop"):
                await asked
    assert await damaged.read(texts) == ["one"]


async def test_a_query_that_takes_too_long_is_given_up_and_the_reader_goes_on(store: Store) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(StoreError, match="took too long"):
        await store.read(lambda connection: connection.execute(endless).fetchone(), limit_s=0.05)
    assert await asyncio.gather(*(store.read(texts) for _ in range(8))) == [[]] * 8


async def test_what_is_read_is_told_though_the_same_reader_goes_on_with_a_slow_query(tmp_path: Path) -> None:
    store = Store(tmp_path / "test.db", migrations, readers=1)
    gate, told = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> int:
        connection.create_function("enough", 0, told.is_set)
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE NOT enough())"
        return connection.execute(f"{numbers} SELECT count(*) FROM n").fetchone()[0]

    first = asyncio.create_task(store.read(lambda connection: gate.wait(10), limit_s=60))
    quick = asyncio.create_task(store.read(texts, limit_s=60))
    last = asyncio.create_task(store.read(slow, limit_s=60))
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(30):
        assert (await first, await quick) == (True, [])
        assert not last.done()
        told.set()
        assert await last > 0
    await store.close()


async def test_a_reader_cant_write(store: Store) -> None:
    with pytest.raises(StoreError, match="is not writable"):
        await store.read(lambda connection: connection.execute("DELETE FROM things"))


async def test_a_failing_read_is_the_readers_own(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        await store.read(lambda connection: 1 // 0)


async def test_what_nobody_waits_for_is_kept_or_logged(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.submit(insert("one", 1))
    store.submit(insert("one", 1))
    await store.write(lambda db: db.conn.execute("PRAGMA max_page_count = 20"))
    store.submit(insert("x" * 200_000))
    await store.write(insert("last"))
    assert await store.read(texts) == ["one", "last"]
    assert "UNIQUE constraint" in caplog.text
    assert "a write failed: the disk is full" in caplog.text


async def test_who_submits_something_may_be_told_that_it_isnt_kept(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[str] = []
    store.submit(insert("one", 1), lambda: failed.append("one"))
    store.submit(insert("two", 1), lambda: failed.append("two"))
    await store.write(insert("last"))
    await asyncio.sleep(0)
    assert failed == ["two"] and not caplog.text


async def test_a_wait_that_is_cancelled_cancels_no_write(store: Store) -> None:
    waiting = asyncio.create_task(store.write(insert("one")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await store.write(insert("two"))
    assert await store.read(texts) == ["one", "two"]


async def test_closing_keeps_what_was_handed_in_and_refuses_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path / "test.db", migrations)
    for number in range(1000):
        store.submit(insert(str(number)))
    await store.close()
    await store.close()
    store.submit(insert("too late"))
    for late in (store.write(insert("x")), store.read(texts), store.persist(insert("x"))):
        with pytest.raises(StoreError, match="stopping"):
            await late
    with pytest.raises(StoreError, match="stopping"):
        store.write_now(insert("x"))
    again = Store(tmp_path / "test.db", migrations)
    assert again.write_now(lambda db: db.table("things").count) == 1000
    again.close_now()
    again.close_now()


def test_a_blocking_write_raises_what_its_work_raised(tmp_path: Path) -> None:
    store = Store(tmp_path / "test.db", migrations)
    with pytest.raises(ZeroDivisionError):
        store.write_now(lambda db: 1 // 0)
    store.close_now()


def test_outcomes_for_a_loop_that_has_ended_are_nobodys(tmp_path: Path) -> None:
    store = Store(tmp_path / "test.db", migrations)
    gate = threading.Event()

    async def leave() -> None:
        waiting = asyncio.create_task(store.write(lambda db: gate.wait(10)))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    gate.set()
    assert store.write_now(insert("one")) == 1
    store.close_now()


@pytest.mark.parametrize(("durable", "levels"), [(True, [2, 1, 2]), (False, [0, 0, 0])])
async def test_a_commit_waits_for_the_disk_only_where_it_has_to(
    tmp_path: Path, durable: bool, levels: list[int]
) -> None:
    store = Store(tmp_path / "test.db", migrations, durable=durable)

    def level(db: Database) -> int:
        return int(db.conn.execute("PRAGMA synchronous").fetchone()[0])

    assert [await store.write(level, synced=synced) for synced in (True, False, True)] == levels
    await store.close()


def test_a_file_that_cant_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(b"this was a letter to grandmother" * 1000)
    with pytest.raises(UserError, match=r"test\.db is damaged"):
        Store(path, migrations)


def test_a_reader_that_cant_be_opened_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no more files")

    monkeypatch.setattr("bridge.store.store.connect_readonly", fail)
    with pytest.raises(UserError, match="no more files"):
        Store(tmp_path / "test.db", migrations)
