"""The database file: made, migrated, refused in words."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from bridge.core.errors import UserError
from bridge.store import database
from bridge.store.backups import restore
from bridge.store.database import connect, migrations, open_database, open_readonly
from bridge.store.integrity import inspect
from tests.store.damage import content, filled, keep, misspell, receipts


def test_a_new_database_has_every_table_and_outlives_a_killed_process(tmp_path: Path) -> None:
    db = open_database(tmp_path / "deep" / "popbridge.db")
    assert {"sessions", "popups", "receipts", "rules"} <= set(db.table_names())
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.conn.close()


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    schemas = []
    for _ in range(2):
        db = open_database(tmp_path / "popbridge.db")
        schemas.append(db.schema)
        db.conn.close()
    assert schemas[0] == schemas[1]


def locked(path: Path) -> sqlite3.Connection:
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    return holder


def garbage(path: Path) -> None:
    path.write_bytes(b"this was a letter to grandmother" * 1000)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [garbage, folder, locked])
def test_a_file_that_cant_be_used_is_named(
    tmp_path: Path, spoil: Callable[[Path], sqlite3.Connection | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.database.BUSY_TIMEOUT_MS", 10)
    path = tmp_path / "popbridge.db"
    holder = spoil(path)
    with pytest.raises(UserError) as caught:
        open_database(path)
    assert str(path) in str(caught.value)
    if holder:
        holder.close()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="can't be used"):
        open_database(tmp_path / "file" / "popbridge.db")


def test_without_a_database_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert open_readonly(tmp_path / "popbridge.db") is None


def test_an_empty_one_that_a_daemon_without_room_left_has_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert open_readonly(tmp_path / "empty.db") is None
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert open_readonly(tmp_path / "log.db") is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows takes it for one that isn't there")
def test_one_that_the_system_wont_look_at_is_told() -> None:
    with pytest.raises(UserError, match=r"x\.db can't be read \(File name too long\)\.$"):
        open_readonly(Path("x" * 5_000, "x.db"))


def test_a_reader_beside_the_daemon_cant_write(tmp_path: Path) -> None:
    writer = open_database(tmp_path / "popbridge.db")
    reader = open_readonly(tmp_path / "popbridge.db")
    assert reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.table("rules").insert({"project": "p", "folder": "f", "finding": "x", "created": "now"})
    reader.conn.close()
    writer.conn.close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_folder_that_may_not_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    filled(tmp_path / "popbridge.db", 3)
    # Nobody can write a file of this name now, as none could be written on a read-only disk.
    (tmp_path / "popbridge.db-shm").symlink_to(tmp_path / "missing" / "file")
    reader = open_readonly(tmp_path / "popbridge.db")
    assert reader is not None
    assert reader.table("receipts").count == 3
    reader.conn.close()


def test_a_reader_of_what_is_no_database_is_told_so(tmp_path: Path) -> None:
    garbage(tmp_path / "popbridge.db")
    with pytest.raises(UserError, match="can't be read"):
        open_readonly(tmp_path / "popbridge.db")


def test_a_damage_whose_error_is_no_unicode_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path / "popbridge.db", 3)
    misspell(path, "jobs")
    with pytest.raises(UserError, match=r"is damaged\. `popbridge db check`"):
        open_database(path)
    with pytest.raises(UserError, match="can't be read"):
        open_readonly(path)
    assert inspect(path).problems


FIRST = Migrations("popbridge")
FIRST(name="first_tables")(database.first_tables)


def later(step: Callable[[Database], object]) -> Migrations:
    """PopBridge's migrations and one more."""
    made = Migrations("popbridge")
    with Database(memory=True) as empty:
        for one in migrations.pending(empty):
            made(name=one.name)(one.fn)
    made(name="later")(step)
    return made


def of_the_first_release(path: Path) -> Path:
    """A database with a row in every table, as the first release left it."""
    with contextlib.closing(connect(path, FIRST).conn) as connection:
        connection.execute(
            "INSERT INTO sessions (id, token_digest, seq_reserved, acked, identify, closed) "
            "VALUES ('s', 'd', 10000, 3, x'80', 0)"
        )
        connection.execute(
            "INSERT INTO popups (session, advisor, message, state, status, created) "
            "VALUES ('s', 'a', x'80', x'c0', 'open', '2026')"
        )
        connection.execute("INSERT INTO rules VALUES ('p', 'f', 'x', '2026')")
        keep(connection, range(1, 31))
    return path


def befores(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.before-*"))


def test_a_database_of_the_first_release_keeps_its_rows(tmp_path: Path) -> None:
    path = of_the_first_release(tmp_path / "popbridge.db")
    with contextlib.closing(open_database(path).conn) as connection:
        for table, count in {"sessions": 1, "popups": 1, "receipts": 30, "rules": 1}.items():
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,)
        row = "SELECT id, token_digest, seq_reserved, acked, identify, closed FROM sessions"
        assert connection.execute(row).fetchone() == ("s", "d", 10000, 3, b"\x80", 0)


def test_before_rows_are_migrated_a_copy_is_kept_beside_them(tmp_path: Path) -> None:
    path = filled(tmp_path / "popbridge.db", 5)
    before = content(path)
    connect(path, later(lambda db: db.conn.execute("DROP TABLE rules"))).conn.close()
    (kept,) = befores(path)
    assert content(kept) == before != content(path)


def test_a_fresh_database_and_a_throw_away_one_have_no_copy_beside_them(tmp_path: Path) -> None:
    open_database(tmp_path / "popbridge.db").conn.close()
    with contextlib.closing(connect(tmp_path / "cache.db", migrations, durable=False).conn) as connection:
        keep(connection, [1])
    added = later(lambda db: db.conn.execute("CREATE TABLE more (x)"))
    for name in ("popbridge.db", "cache.db"):
        connect(tmp_path / name, added, durable=False).conn.close()
        assert not befores(tmp_path / name)


def test_only_the_latest_copies_are_kept(tmp_path: Path) -> None:
    path = filled(tmp_path / "popbridge.db", 5)
    for day in range(1, 6):
        path.with_name(f"popbridge.db.before-2025010{day}-120000").touch()
    connect(path, later(lambda db: db.conn.execute("DROP TABLE rules"))).conn.close()
    assert len(befores(path)) == database.MAX_MIGRATION_COPIES
    assert befores(path)[0].name.endswith("20250104-120000")


def unthought_of(db: Database) -> None:
    raise ValueError("oops")


def misspelt(db: Database) -> None:
    db.conn.execute("UPDATE receipts SET oops = 1")


def out_of_room(db: Database) -> None:
    db.conn.execute("PRAGMA max_page_count = 40")
    db.conn.execute("CREATE TABLE oops AS SELECT zeroblob(1000000)")


@pytest.mark.parametrize(
    ("step", "says"),
    [(unthought_of, "and is unchanged"), (misspelt, "and is unchanged"), (out_of_room, "disk is full")],
)
def test_a_migration_that_fails_leaves_the_database_and_its_log_as_they_were(
    tmp_path: Path, step: Callable[[Database], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_way(db: Database) -> None:
        db.conn.execute("ALTER TABLE receipts ADD COLUMN more")
        db.conn.execute("UPDATE receipts SET more = 1")
        db.table("rules").drop()
        step(db)

    path = of_the_first_release(tmp_path / "popbridge.db")
    open_database(path).conn.close()
    # Another program's connection keeps what it has written in the log.
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        keep(other, [31])
        before = {name: (tmp_path / name).read_bytes() for name in ("popbridge.db", "popbridge.db-wal")}
        assert before["popbridge.db-wal"]
        with monkeypatch.context() as patch, pytest.raises(UserError, match=says):
            patch.setattr(database, "migrations", later(half_way))
            open_database(path)
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
    with contextlib.closing(open_database(path).conn) as connection:
        assert connection.execute("SELECT count(*) FROM receipts").fetchone() == (31,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_without_room_for_the_copy_nothing_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = filled(tmp_path / "popbridge.db", 5)
    before = content(path)
    monkeypatch.setattr(database, "replace_database", full)
    monkeypatch.setattr(database, "migrations", later(lambda db: db.conn.execute("DROP TABLE rules")))
    with pytest.raises(UserError, match="No space left"):
        open_database(path)
    assert content(path) == before


def test_a_database_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = filled(tmp_path / "popbridge.db", 5)
    connect(path, later(lambda db: db.conn.execute("CREATE TABLE more (x)"))).conn.close()
    before = content(path)
    with pytest.raises(UserError, match=r"made by a newer PopBridge \(later\)\. Update PopBridge"):
        open_database(path)
    assert content(path) == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("ALTER TABLE _sqlite_migrations RENAME COLUMN name TO nam", "has no column name"),
        ("ALTER TABLE _sqlite_migrations RENAME COLUMN applied_at TO x", "has no column applied_at"),
        ("ALTER TABLE _sqlite_migrations RENAME COLUMN migration_set TO x", "has no column migration_set"),
        ("UPDATE _sqlite_migrations SET name = NULL WHERE id = 1", "has None in the place of a name"),
        ("UPDATE _sqlite_migrations SET name = x'ff' WHERE id = 1", "in the place of a name"),
        ("UPDATE _sqlite_migrations SET name = CAST(x'ff' AS TEXT) WHERE id = 1", "UTF-8"),
    ],
)
def test_a_damaged_table_of_migrations_is_told_and_costs_no_rows(
    tmp_path: Path, damage: str, says: str
) -> None:
    path = filled(tmp_path / "popbridge.db", 5)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(damage)
    with pytest.raises(UserError, match=r"is damaged\. `popbridge db check`.*`popbridge db restore`"):
        open_database(path)
    assert any(says in problem for problem in inspect(path).problems)
    with pytest.raises(sqlite3.Error, match=says):
        restore(path, tmp_path / "other.db")
    assert receipts(path) == [1, 2, 3, 4, 5]


def test_a_database_without_its_list_of_migrations_is_refused_as_it_is(tmp_path: Path) -> None:
    path = filled(tmp_path / "popbridge.db", 5)
    for damage in ("DELETE FROM _sqlite_migrations", "DROP TABLE _sqlite_migrations"):
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(damage)
        with pytest.raises(UserError, match=r"its list of migrations is lost.*`popbridge db restore`"):
            open_database(path)
        assert receipts(path) == [1, 2, 3, 4, 5]


def test_nothing_is_added_to_another_programs_database(tmp_path: Path) -> None:
    path = tmp_path / "popbridge.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (x)")
    before = content(path)
    with pytest.raises(UserError, match="isn't a PopBridge database"):
        open_database(path)
    assert content(path) == before
