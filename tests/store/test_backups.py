"""Daily backups: made beside a daemon that writes, checked, seven kept; and which one is restored."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.store import backups
from bridge.store.backups import DailyBackup, backup_time, list_backups, make_backup, newest_backup, restore
from bridge.store.database import open_database
from tests.store.damage import PAGE, filled, flip, keep, receipts


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return filled(tmp_path / "popbridge.db", 200)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "START_DELAY_S", 0.0)
    monkeypatch.setattr(backups, "CHECK_INTERVAL_S", 0.01)


def dated(database: Path, days_ago: int) -> Path:
    """A backup of an earlier day."""
    day = datetime.now(UTC) - timedelta(days=days_ago)
    path = database.parent / "backups" / f"popbridge-{day:%Y%m%d-%H%M%S}.db"
    path.parent.mkdir(exist_ok=True)
    shutil.copy(database, path)
    return path


def spoil_text(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "INSERT INTO sessions (id, token_digest, seq_reserved, acked, identify, closed) "
            "VALUES ('s', CAST(x'ff' AS TEXT), 0, 0, x'80', 0)"
        )


def fill_disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr("bridge.store.backups.shutil.disk_usage", lambda folder: usage)


async def run_until(ready: Callable[[], Any], database: Path) -> None:
    task = asyncio.create_task(DailyBackup(database).run())
    async with asyncio.timeout(30):
        while not ready():
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_a_backup_holds_what_was_committed_and_is_one_file(database: Path) -> None:
    with contextlib.closing(open_database(database).conn) as writer:
        keep(writer, [201])
        made = make_backup(database)
    assert receipts(made)[-1] == 201
    assert list_backups(database) == [made] == list(made.parent.iterdir())
    assert abs(backup_time(made) - datetime.now(UTC)) < timedelta(minutes=1)


def test_commits_during_a_backup_neither_wait_for_it_nor_start_it_again(tmp_path: Path) -> None:
    database = filled(tmp_path / "popbridge.db", 2000)
    numbers = iter(range(2001, 1_000_000))
    with contextlib.closing(open_database(database).conn) as writer:
        made = make_backup(database, step=lambda: keep(writer, [next(numbers)]))
    assert receipts(made) == list(range(1, 2001))
    assert next(numbers) > 2002


@pytest.mark.usefixtures("impatient")
async def test_the_daemon_makes_one_backup_a_day(database: Path) -> None:
    yesterday = dated(database, 1)
    await run_until(lambda: len(list_backups(database)) == 2, database)
    await asyncio.sleep(0.1)
    assert list_backups(database)[0] == yesterday and len(list_backups(database)) == 2


def test_seven_are_kept(database: Path) -> None:
    earlier = [dated(database, days) for days in range(20, 0, -2)]
    made = make_backup(database)
    assert list_backups(database) == [*earlier[-6:], made]


def test_after_the_clock_was_set_back_the_backup_just_made_stays(database: Path) -> None:
    later = [dated(database, -days) for days in range(1, 8)]
    made = make_backup(database)
    assert list_backups(database) == [made, *later[1:]]


@pytest.mark.parametrize(
    "spoil",
    [lambda path: flip(path, 0.5), lambda path: path.write_bytes(b"x" * 9999), spoil_text],
    ids=["damaged pages", "no database", "text of which no daemon could start"],
)
def test_a_damaged_database_replaces_no_backup(database: Path, spoil: Callable[[Path], None]) -> None:
    earlier = [dated(database, days) for days in range(7, 0, -1)]
    spoil(database)
    with pytest.raises(sqlite3.Error):
        make_backup(database)
    assert sorted(earlier[0].parent.iterdir()) == earlier


def test_without_room_on_the_disk_none_is_made(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = dated(database, 1)
    fill_disk(monkeypatch, 2 * database.stat().st_size - 1)
    with pytest.raises(OSError, match="free"):
        make_backup(database)
    assert list(earlier.parent.iterdir()) == [earlier]


def test_the_draft_of_a_killed_daemon_is_removed(database: Path) -> None:
    draft = dated(database, 1).with_name(".popbridge-20260101-000000.db.0123456789ab")
    draft.write_bytes(bytes(PAGE))
    make_backup(database)
    assert not draft.exists()


@pytest.mark.usefixtures("impatient")
async def test_a_failure_is_a_warning_and_tried_again(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [OSError(errno.EIO, "Input/output error"), RuntimeError("a mistake"), None, None]
    copy = backups.copy_database

    def fail(*args: Any, **options: Any) -> None:
        if (error := failures.pop(0)) is not None:
            raise error
        copy(*args, **options)

    monkeypatch.setattr(backups, "copy_database", fail)
    await run_until(lambda: list_backups(database), database)
    warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert [bool(one.exc_info) for one in warnings] == [False, True]
    assert all(str(database) in one.getMessage() for one in warnings)


@pytest.mark.usefixtures("impatient")
async def test_a_daemon_that_stops_waits_for_no_backup(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(database.with_name("large.db"), 20_000)
    monkeypatch.setattr(backups, "PAUSE_S", 1.0)
    begun = threading.Event()
    check_room = backups._require_room
    monkeypatch.setattr(backups, "_require_room", lambda *paths: (begun.set(), check_room(*paths)))
    start = time.monotonic()
    await run_until(begun.is_set, database.with_name("large.db"))
    assert time.monotonic() - start < 10
    assert list(backups.backups_folder(database).iterdir()) == []
    assert not caplog.records


def test_the_newest_whole_backup_is_found(database: Path) -> None:
    assert newest_backup(database) == (None, [])
    oldest, middle, newest = (dated(database, days) for days in (3, 2, 1))
    (oldest.parent / "notes.db").write_text("somebody's")
    assert newest_backup(database) == (newest, [])
    flip(newest, 0.5)
    middle.write_bytes(b"x" * 9999)
    assert newest_backup(database) == (oldest, [newest, middle])


def test_restoring_tells_what_only_the_old_database_has(database: Path) -> None:
    backup = make_backup(database)
    with contextlib.closing(open_database(database).conn) as connection:
        keep(connection, [201, 202, 203])
        connection.execute("DELETE FROM receipts WHERE id = 7")
        connection.execute("INSERT INTO rules VALUES ('p', 'f', 'x', 'now')")
        connection.execute("INSERT INTO waiters (session, request, job) VALUES ('s', 1, 1)")
    restored = restore(backup, database)
    assert restored.lost == {"receipts": 3, "rules": 1, "waiters": 1}
    assert (restored.rows["receipts"], restored.rows["rules"]) == (200, 0)
    assert restored.old is not None and receipts(restored.old)[-1] == 203
    assert receipts(database) == list(range(1, 201))


def test_what_is_lost_of_a_database_that_cant_be_read_is_unknown(database: Path) -> None:
    backup = make_backup(database)
    database.write_bytes(b"x" * 9999)
    assert set(restore(backup, database).lost.values()) == {None}
