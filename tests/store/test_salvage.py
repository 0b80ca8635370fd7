"""What is left of a damaged database."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database, Migrations

from bridge.store.database import connect, migrations, open_database
from bridge.store.inspect import inspect
from bridge.store.salvage import salvage
from tests.store.damage import PAGE, at_once, content, filled, flip, receipts


def test_of_a_whole_database_everything_is_kept(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.db", 50)
    with contextlib.closing(open_database(source).conn) as connection:
        connection.execute("INSERT INTO rules VALUES ('p', 'f', 'x', 'now')")
    made = salvage(source, tmp_path / "b.db")
    assert (made.rows["receipts"], made.lost) == (50, {})
    same = [[line for line in content(path) if "_sqlite_migrations" not in line]
            for path in (source, tmp_path / "b.db")]  # fmt: skip
    assert same[0] == same[1]
    assert not inspect(tmp_path / "b.db").problems


@pytest.mark.parametrize("places", [(0.5,), (0.3, 0.6, 0.9), (0.999,)])
def test_the_rows_before_between_and_behind_damage_are_kept(
    tmp_path: Path, places: tuple[float, ...]
) -> None:
    source = filled(tmp_path / "a.db")
    for place in places:
        flip(source, place)
    made = salvage(source, tmp_path / "b.db")
    kept = receipts(tmp_path / "b.db")
    # A page holds three or four such rows; the pages may also be of indexes, or of those above.
    assert len(kept) >= 2000 - len(places) * 3 * 5
    assert made.rows["receipts"] == len(kept)
    missing = 2000 - len(kept)
    lost = made.lost.get("receipts", 0)
    assert lost is None or missing <= lost <= missing + len(places) * 5
    assert not inspect(tmp_path / "b.db").problems


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(2, 100), st.binary(min_size=1, max_size=300)), max_size=8))
def test_whatever_is_broken_salvage_ends_and_its_file_is_whole(
    tmp_path: Path, wounds: list[tuple[int, bytes]]
) -> None:
    source, target = tmp_path / "a.db", tmp_path / "b.db"
    source.unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    filled(source, 300)
    data = bytearray(source.read_bytes())
    for page, bytes_ in wounds:
        at = page * PAGE % len(data)
        data[at : at + len(bytes_)] = bytes_
    source.write_bytes(data)
    with contextlib.suppress(sqlite3.DatabaseError):
        salvage(source, target)
        assert not inspect(target).problems


def test_rows_without_numbers_are_kept_from_both_ends(tmp_path: Path) -> None:
    source = tmp_path / "a.db"
    with contextlib.closing(open_database(source).conn) as connection:
        insert = "INSERT INTO waiters (session, request, job, key) VALUES (?, ?, ?, ?)"
        with at_once(connection):
            connection.executemany(insert, [("s", number, number, "k" * 100) for number in range(3000)])
    assert salvage(source, tmp_path / "b.db").rows["waiters"] == 3000
    flip(source, 0.5)
    made = salvage(source, tmp_path / "c.db")
    assert 0 < made.rows["waiters"] < 3000
    assert made.lost == {"waiters": 3000 - made.rows["waiters"]}


def test_where_the_end_of_a_table_is_damaged_the_index_says_how_many_are_lost(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.db", 300)
    with contextlib.closing(sqlite3.connect(source)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'receipts'").fetchone()
    data = bytearray(source.read_bytes())
    # A table's root names its last leaf at 8 (the database file format, b-tree pages).
    last = int.from_bytes(data[(root - 1) * PAGE + 8 : (root - 1) * PAGE + 12], "big")
    data[(last - 1) * PAGE : last * PAGE] = b"\xa5" * PAGE
    source.write_bytes(data)
    made = salvage(source, tmp_path / "b.db")
    assert made.lost == {"receipts": 300 - made.rows["receipts"]}
    with contextlib.closing(sqlite3.connect(source)) as connection:
        named = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'receipts' AND sql != ''"
        for (name,) in connection.execute(named).fetchall():
            connection.execute(f"DROP INDEX {name}")
    assert salvage(source, tmp_path / "c.db").lost == {"receipts": None}


def test_of_an_older_database_the_rows_become_those_of_now(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.db", 20)
    later = Migrations("popbridge")
    for one in migrations.pending(Database(memory=True)):
        later(name=one.name)(one.fn)

    @later()
    def doubled(db: Database) -> None:
        db.conn.execute("ALTER TABLE receipts ADD COLUMN twice INTEGER")
        db.conn.execute("UPDATE receipts SET twice = id * 2")

    salvage(source, tmp_path / "b.db", later)
    with contextlib.closing(connect(tmp_path / "b.db", later).conn) as connection:
        assert connection.execute("SELECT sum(twice) FROM receipts").fetchone() == (420,)


def test_where_the_list_of_migrations_is_lost_the_rows_arent(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.db", 20)
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.execute("DROP TABLE _sqlite_migrations")
    assert salvage(source, tmp_path / "b.db").rows["receipts"] == 20


def test_of_what_is_no_database_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"a letter to grandmother" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        salvage(tmp_path / "a.db", tmp_path / "b.db")


def test_a_receipt_that_cant_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    source = filled(tmp_path / "a.db", 9)
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as other:
        other.execute("UPDATE receipts SET args = x'81a1' WHERE id IN (3, 5)")
        other.execute("UPDATE receipts SET note = CAST(x'ff' AS TEXT) WHERE id = 7")
    made = salvage(source, tmp_path / "b.db")
    assert (made.rows["receipts"], made.lost) == (7, {"receipts": 2})
    assert receipts(tmp_path / "b.db") == [1, 2, 4, 6, 7, 8, 9]
    assert inspect(tmp_path / "b.db").problems == []
