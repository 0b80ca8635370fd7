"""Which rows of damaged tables are kept, beside what can be read of them one by one."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from bridge.store.database import open_database
from bridge.store.inspect import inspect
from bridge.store.readable import Numbered
from bridge.store.salvage import salvage
from bridge.store.splits import Splits
from tests.store.damage import PAGE, busy, keep, numbers, overwrite, readable

TABLES = ("jobs", "receipts", "outbox")
ROWS = 500


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return busy(tmp_path_factory.mktemp("whole") / "whole.db", ROWS)


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> Path:
    return shutil.copy(whole, tmp_path / "a.db")


def nothing_more_can_be_read(damaged: Path, fresh: Path) -> None:
    made = salvage(damaged, fresh)
    for table in TABLES:
        kept = numbers(fresh, table)
        assert kept >= readable(damaged, table, range(1, ROWS + 100)), table
        assert made.rows[table] == len(kept)
    assert not inspect(fresh).problems


@pytest.mark.parametrize("content", [b"\xa5" * PAGE, bytes(PAGE), random.Random(0).randbytes(PAGE)])
@pytest.mark.parametrize(("share", "seed"), [(0.01, 1), (0.05, 2), (0.2, 3), (0.2, 4), (0.5, 5)])
def test_wherever_pages_are_overwritten_each_row_that_can_be_read_is_kept(
    damaged: Path, tmp_path: Path, content: bytes, share: float, seed: int
) -> None:
    pages = damaged.stat().st_size // PAGE
    # Without the first page there is no database, without the schema's no table.
    needed = {1, *leaves(damaged, "sqlite_schema")}
    places = random.Random(seed).sample(
        [n for n in range(1, pages + 1) if n not in needed], int(pages * share)
    )
    overwrite(damaged, places, content)
    nothing_more_can_be_read(damaged, tmp_path / "b.db")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("end", ["first", "last"])
def test_without_the_first_or_the_last_page_of_a_table_all_its_others_are_kept(
    damaged: Path, tmp_path: Path, table: str, end: str
) -> None:
    at = 0 if end == "first" else -1
    edge = Splits(damaged).of(root_of(damaged, table))[at]
    overwrite(damaged, [leaves(damaged, table)[at]])
    nothing_more_can_be_read(damaged, tmp_path / "b.db")
    kept = numbers(tmp_path / "b.db", table)
    assert (min(kept) > edge) if end == "first" else (max(kept) == edge)


def test_of_a_promised_job_the_last_page_says_how_many_are_lost(damaged: Path, tmp_path: Path) -> None:
    overwrite(damaged, [leaves(damaged, "jobs")[-1]])
    made = salvage(damaged, tmp_path / "b.db")
    before = set(range(ROWS // 10, ROWS + 1))
    assert made.lost["jobs"] == len(before - numbers(tmp_path / "b.db", "jobs")) > 0


def test_the_number_of_a_lost_job_is_never_given_again(damaged: Path, tmp_path: Path) -> None:
    overwrite(damaged, [leaves(damaged, "jobs")[-1]])
    salvage(damaged, tmp_path / "b.db")
    assert next_job(tmp_path / "b.db") == ROWS + 1


def test_where_every_job_was_swept_their_numbers_arent_given_again(damaged: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute("DELETE FROM jobs")
    assert salvage(damaged, tmp_path / "b.db").lost == {}
    assert next_job(tmp_path / "b.db") == ROWS + 1


def test_pages_that_are_only_in_the_log_tell_where_to_look_too(tmp_path: Path) -> None:
    source = tmp_path / "a.db"
    with contextlib.closing(open_database(source).conn) as writer:
        keep(writer, range(1, 50))
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        keep(writer, range(50, ROWS + 1))
        assert Splits(source).of(root_of(source, "receipts"))[-1] > ROWS - 10
        overwrite(source, [leaves(source, "receipts")[3]])
        assert ROWS - 10 < salvage(source, tmp_path / "b.db").rows["receipts"] < ROWS


def test_where_the_file_cant_be_read_beside_another_program_both_ends_are_kept(damaged: Path) -> None:
    overwrite(damaged, [leaves(damaged, "receipts")[10]])
    kept: list[tuple[int, ...]] = []
    with contextlib.closing(sqlite3.connect(damaged)) as source:
        unread = Numbered(source, "receipts", ["id"], ends=(), top=ROWS).read(kept.append)
    assert {row[0] for row in kept} == readable(damaged, "receipts", range(1, ROWS + 1))
    assert len(kept) == ROWS - unread < ROWS


def test_of_rows_by_name_those_between_two_damaged_pages_are_found_by_an_index(
    damaged: Path, tmp_path: Path
) -> None:
    pages = leaves(damaged, "waiters")
    overwrite(damaged, [pages[len(pages) // 4], pages[3 * len(pages) // 4]])
    made = salvage(damaged, tmp_path / "b.db")
    most = PAGE // 200
    assert ROWS - 2 * most <= made.rows["waiters"] < ROWS
    assert made.lost == {"waiters": ROWS - made.rows["waiters"]}


def test_a_file_that_is_no_database_tells_nothing_of_tables(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(bytes(3 * PAGE))
    assert Splits(tmp_path / "a.db").of(2) == []
    assert Splits(tmp_path / "missing.db").of(2) == []


def root_of(path: Path, table: str) -> int:
    if table == "sqlite_schema":
        return 1
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]


def leaves(path: Path, table: str) -> list[int]:
    """The pages that hold a table's rows, in order (the database file format, b-tree pages)."""
    data, found = path.read_bytes(), []
    waiting = [root_of(path, table)]
    while waiting:
        page = waiting.pop(0)
        content = data[(page - 1) * PAGE : page * PAGE]
        # The first page begins with the file's own header.
        head = 100 if page == 1 else 0
        if content[head] not in (2, 5):
            found.append(page)
            continue
        first = head + 12
        pointers = range(first, first + 2 * int.from_bytes(content[head + 3 : head + 5], "big"), 2)
        cells = [int.from_bytes(content[at : at + 2], "big") for at in pointers]
        waiting = [int.from_bytes(content[at : at + 4], "big") for at in (*cells, head + 8)] + waiting
    return found


def next_job(path: Path) -> int:
    with contextlib.closing(open_database(path).conn) as connection:
        made = connection.execute(
            "INSERT INTO jobs (scope, digest, workload, priority, state, cache, created, params, inputs) "
            "VALUES ('s', x'00', 'w', 1, 'waiting', 0, '2026', x'90', x'90')"
        )
        return made.lastrowid
