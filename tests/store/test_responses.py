"""Kept responses: bounded, the least recently used go first, and never worth an error."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import StoreError
from bridge.store import responses as module
from bridge.store.records import is_damage
from bridge.store.response_tables import BITS, ROW_OVERHEAD, BloomFilter, CachedResponse, LruCache
from bridge.store.responses import Responses
from tests.store.damage import misspell

MIB = 1 << 20
Open = Callable[..., Awaitable[Responses]]


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def kept(number: int, size: int = 100, blobs: dict[str, int] | None = None) -> CachedResponse:
    return CachedResponse(key(number), number, bytes([number % 256]) * size, blobs or {})


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    made: list[Responses] = []

    async def begin(max_size: int = MIB, path: Path = tmp_path / "cache" / "responses.db") -> Responses:
        made.append(Responses(path, max_size))
        await made[-1].open()
        return made[-1]

    yield begin
    for each in made:
        await each.close()


async def again(responses: Responses, opened: Open, max_size: int = MIB) -> Responses:
    await responses.close()
    return await opened(max_size)


async def test_what_is_kept_is_found_also_after_a_restart(opened: Open) -> None:
    responses = await opened()
    assert await responses.find(key(1)) is None
    await responses.keep(kept(1, blobs={"b": 1000}))
    assert responses.hot(key(1)) == await responses.find(key(1)) == kept(1).packed
    responses = await again(responses, opened)
    assert responses.hot(key(1)) is None
    assert await responses.find(key(1)) == kept(1).packed
    assert responses.hot(key(1)) == kept(1).packed
    assert (responses.entries, responses.size) == (1, 1100 + ROW_OVERHEAD)


async def test_a_response_that_comes_again_takes_the_place_of_the_earlier_one(opened: Open) -> None:
    responses = await opened()
    await responses.keep(kept(1, 100, {"a": 10, "b": 20}))
    await responses.keep(kept(1, 50, {"b": 20, "c": 30}))
    assert (responses.entries, responses.size) == (1, 100 + ROW_OVERHEAD)
    assert await responses.blobs() == {"b", "c"}


async def test_what_was_used_least_recently_goes_first_and_lets_go_of_its_files(opened: Open) -> None:
    responses = await opened()
    for number in range(10):
        await responses.keep(kept(number, blobs={f"blob {number}": 99_000}))
    assert responses.hot(key(0)) is not None
    for number in range(10, 13):
        await responses.keep(kept(number, blobs={f"blob {number}": 99_000}))
    await responses.flush()
    assert responses.evictions > 0 and responses.size <= MIB
    assert await responses.find(key(0)) is not None
    assert await responses.find(key(1)) is None
    names = await responses.blobs()
    assert {"blob 0", "blob 12"} <= names and "blob 1" not in names
    assert responses.entries == len(names) == 13 - responses.evictions


async def test_uses_of_an_earlier_run_count(opened: Open) -> None:
    responses = await opened()
    for number in range(10):
        await responses.keep(kept(number, blobs={"b": 99_000}))
    assert await responses.find(key(0)) is not None
    responses = await again(responses, opened)
    for number in range(10, 13):
        await responses.keep(kept(number, blobs={"b": 99_000}))
    await responses.flush()
    assert await responses.find(key(0)) is not None
    assert await responses.find(key(1)) is None


async def test_many_uses_are_noted_in_one_write(opened: Open) -> None:
    responses = await opened()
    for number in range(module.USES_PER_WRITE + 1):
        await responses.keep(kept(number, 1))
    await responses.flush()
    store = responses._store
    assert store is not None
    before = store.writes
    for number in range(module.USES_PER_WRITE + 1):
        assert responses.hot(key(number))
    await responses.blobs()
    assert store.writes - before <= 1


async def test_what_is_larger_than_all_that_may_be_kept_isnt(opened: Open) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.keep(kept(2, blobs={"b": MIB}))
    assert await responses.find(key(2)) is None
    assert await responses.find(key(1)) is not None


async def test_a_smaller_limit_holds_from_the_next_start_on(opened: Open) -> None:
    responses = await opened()
    for number in range(8):
        await responses.keep(kept(number, blobs={"b": 99_000}))
    responses = await again(responses, opened, 200_000)
    assert responses.size <= 200_000 and responses.entries == 1
    assert await responses.find(key(7)) is not None


async def test_a_large_response_is_found_though_memory_doesnt_hold_it(opened: Open) -> None:
    responses = await opened()
    await responses.keep(kept(1, module.MEMORY_MAX_ENTRY + 1))
    assert responses.hot(key(1)) == kept(1, module.MEMORY_MAX_ENTRY + 1).packed
    await responses.flush()
    assert responses.hot(key(1)) is None
    assert await responses.find(key(1)) == kept(1, module.MEMORY_MAX_ENTRY + 1).packed


async def test_forgotten_and_cleared_responses_are_gone_and_give_the_disk_back(
    opened: Open, tmp_path: Path
) -> None:
    responses = await opened()
    for number in range(20):
        await responses.keep(kept(number, 40_000))
    responses.forget(key(0))
    assert await responses.find(key(0)) is None and responses.entries == 19
    assert await responses.clear() == 19
    assert (responses.entries, responses.size) == (0, 0)
    assert await responses.find(key(1)) is None
    assert not responses.may_hold(1)
    assert (tmp_path / "cache" / "responses.db").stat().st_size < 100_000
    await responses.keep(kept(1))
    assert await responses.find(key(1)) is not None


async def test_an_outline_that_was_never_kept_is_known_not_to_be_there(opened: Open) -> None:
    responses = await opened()
    assert not responses.may_hold(-5)
    await responses.keep(CachedResponse(key(1), -5, b"x", {}))
    assert responses.may_hold(-5) and not responses.may_hold(6)
    responses = await again(responses, opened)
    assert responses.may_hold(-5) and not responses.may_hold(6)


@pytest.mark.parametrize("contents", [b"", b"no database" * 1000, b"SQLite format 3\0" + bytes(5000)])
async def test_a_broken_file_is_made_anew(opened: Open, tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(contents)
    path.with_name("broken.db-wal").write_bytes(b"rubbish")
    responses = await opened(path=path)
    await responses.keep(kept(1))
    await responses.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM responses").fetchone() == (1,)
    connection.close()


async def test_a_file_whose_error_is_no_unicode_is_made_anew(opened: Open, tmp_path: Path) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.close()
    misspell(tmp_path / "cache" / "responses.db", "response_blobs")
    responses = await opened()
    assert responses.entries == 0
    await responses.keep(kept(2))
    responses = await again(responses, opened)
    assert await responses.find(key(2)) == kept(2).packed


@pytest.mark.parametrize("outline", ["'text'", "x'00'"])
async def test_a_file_with_values_of_other_types_is_made_anew(
    opened: Open, tmp_path: Path, outline: str
) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "responses.db")) as db, db:
        db.execute(f"UPDATE responses SET outline = {outline}")
    responses = await opened()
    assert responses.entries == 0 and await responses.find(key(1)) is None


async def test_a_response_that_is_none_any_more_is_none(opened: Open, tmp_path: Path) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "responses.db")) as db, db:
        db.execute("UPDATE responses SET packed = 7")
    responses = await opened()
    assert await responses.find(key(1)) is None


async def test_a_file_of_a_newer_release_is_made_anew(opened: Open, tmp_path: Path) -> None:
    responses = await opened()
    await responses.close()
    path = tmp_path / "cache" / "responses.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE _sqlite_migrations SET name = name || '_from_the_future'")
    connection.close()
    responses = await opened()
    await responses.keep(kept(1))
    assert responses.entries == 1


async def test_a_file_that_breaks_under_way_costs_only_what_was_kept(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    responses = await opened()
    for number in range(50):
        await responses.keep(kept(number, 4000))
    await responses.close()
    path = tmp_path / "cache" / "responses.db"
    size = path.stat().st_size
    responses = await opened()
    # Beyond the pages that opening has read.
    with path.open("r+b") as file:
        file.seek(20_000)
        file.write(os.urandom(size - 20_000))
    found = [await responses.find(key(number)) for number in range(50)]
    assert all(one in (None, kept(number, 4000).packed) for number, one in enumerate(found))
    assert None in found
    await responses.keep(kept(99))
    responses._memory.clear()
    assert await responses.find(key(99)) == kept(99).packed
    assert "damaged" in caplog.text


async def test_values_that_break_under_way_cost_only_what_was_kept(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "responses.db")) as other, other:
        other.execute("DELETE FROM totals")
    await responses.keep(kept(2))
    await responses.flush()
    await responses.keep(kept(3))
    await responses.flush()
    responses._memory.clear()
    assert await responses.find(key(3)) == kept(3).packed
    assert responses.entries == 1 and "response cache" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
async def test_a_folder_that_was_removed_is_made_anew_and_that_is_told_once(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    responses = await opened()
    for number in range(3):
        await responses.keep(kept(number))
        await responses.flush()
        shutil.rmtree(tmp_path / "cache")
    await responses.keep(kept(9))
    responses = await again(responses, opened)
    assert responses.entries == 1 and await responses.find(key(9)) == kept(9).packed
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 1 and "was deleted while the daemon was running" in told[0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
async def test_uses_of_what_was_removed_are_no_trouble(
    opened: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    responses = await opened()
    await responses.keep(kept(1))
    await responses.flush()
    shutil.rmtree(tmp_path / "cache")
    assert await responses.find(key(1)) == kept(1).packed
    await responses.close()
    assert caplog.text == "" and not (tmp_path / "cache").exists()


async def test_without_a_file_memory_has_to_do(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    responses = await opened(path=tmp_path / "folder" / "responses.db")
    await responses.keep(kept(1))
    assert await responses.find(key(1)) == kept(1).packed
    assert (responses.entries, responses.size) == (1, 100)
    assert await responses.blobs() == set()
    assert await responses.clear() == 1
    assert await responses.find(key(1)) is None


async def test_a_full_disk_is_told_once_and_costs_no_request(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    responses = await opened()
    store = responses._store
    assert store is not None
    await store.write(lambda db: db.conn.execute("PRAGMA max_page_count = 1").fetchone())
    for number in range(5):
        await responses.keep(kept(number, 50_000))
        await responses.flush()
    assert await responses.find(key(4)) == kept(4, 50_000).packed
    assert caplog.text.count("the disk is full") == 1


def test_memory_holds_no_more_than_it_may() -> None:
    hot = LruCache(1000, 400)
    for number in range(10):
        hot.put(key(number), bytes(300))
        assert hot.bytes <= 1000 and len(hot) <= 3
    assert hot.get(key(9)) and not hot.get(key(6))
    hot.put(key(9), bytes(401))
    assert not hot.get(key(9)) and hot.bytes == 600
    hot.drop([key(7), key(99)])
    assert hot.bytes == 300
    hot.clear()
    assert hot.bytes == len(hot) == 0


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=300), st.integers(-(2**63), 2**63 - 1))
def test_an_outline_that_was_added_is_always_there(numbers: set[int], other: int) -> None:
    outlines = BloomFilter()
    outlines.add(numbers)
    assert all(number in outlines for number in numbers)
    assert (other in outlines) == (other % BITS in {number % BITS for number in numbers})
    outlines.clear()
    assert other not in outlines


def test_a_busy_database_isnt_taken_for_a_broken_one() -> None:
    assert not is_damage(StoreError("another program has locked its database"))
