"""Whoever copies the data folder reads no popup, answer, request or result in it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bridge.paths import Paths
from bridge.store.backups import list_backups, make_backup
from bridge.store.database import back_up_before_migration, connect_readonly, open_readonly
from bridge.store.key_rotation import copy_form
from bridge.store.receipts import ReceiptStore
from tests.security.stored import form, found, needs
from tests.server.advised import answered, popup
from tests.server.daemons import ProcessDaemon, until
from tests.server.wire import resume, session

MARKS = ("s3cret-title", "s3cret-state", "s3cret-arg", "s3cret-note", "s3cret-before", "s3cret-error",
         "s3cret-param", "s3cret-plain", "s3cret-waiting", "s3cret-item", "s3cret-long")  # fmt: skip
PROJECT = {"id": "p", "name": "P"}


async def use(process: ProcessDaemon, log: Path) -> Any:
    """Leaves a mark in everything that the daemon stores, and kills it."""
    async with session(process.start(), project=PROJECT) as wire:
        items = [{"id": "i", "title": "s3cret-item"}]
        shown = await popup(wire, title="s3cret-title", state={"tag": "s3cret-state"}, items=items)
        assert await answered(wire, shown) == "answered"
        # A list that is too long for a frame is a blob.
        long = [{"id": str(number), "title": "s3cret-long" * 9} for number in range(800)]
        assert (await popup(wire, items=long, dedupe="long"))["items_blob"]
        args = {"changes": [{"path": "a", "options": {"x": "s3cret-arg"}}]}
        await wire.send("event", name="test.command", data={"args": args, "note": "s3cret-note"})
        command = await wire.until("command")
        done = {"before": [{"path": "a", "options": {"x": "s3cret-before"}}], "after": [],
                "errors": [{"path": "a", "message": "s3cret-error"}]}  # fmt: skip
        await wire.send("result", id=command["id"], value=done)
        keyed = {"path": str(log), "line": "s3cret-param"}
        assert (await wire.request(1, "test.log", keyed, key="k"))["type"] == "result"
        plain = {"path": str(log), "line": "s3cret-plain"}
        assert (await wire.request(2, "test.log", plain))["value"] == "s3cret-plain"
        # It is never acknowledged, and the last one still runs.
        waiting = {"path": str(log), "line": "s3cret-waiting", "seconds": 60}
        await wire.send("request", id=3, workload="test.log", params=waiting, key="w")
        await wire.until("accepted", id=3)
        until(lambda: cached(process.paths), "the result in the cache")
        process.kill()
    return wire


def cached(paths: Paths) -> int:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect_readonly(paths.responses_file)) as db:
        return int(db.execute("SELECT count(*) FROM responses").fetchone()[0])
    return 0


@pytest.fixture
def plain(tmp_path: Path) -> ProcessDaemon:
    """A daemon of the same folder that doesn't encrypt, as before."""
    return ProcessDaemon(tmp_path / "home", POPBRIDGE_ENCRYPTION="false", POPBRIDGE_LOG_LEVEL="debug")


@pytest.fixture
def process(tmp_path: Path) -> Any:
    log = str(tmp_path / "home" / "daemon.log")
    made = ProcessDaemon(tmp_path / "home", POPBRIDGE_LOG_FILE=log, POPBRIDGE_LOG_LEVEL="debug")
    yield made
    made.end()


async def test_no_mark_is_in_the_database_its_log_the_cache_backups_or_log_files(
    process: ProcessDaemon, tmp_path: Path
) -> None:
    wire = await use(process, tmp_path / "trace")
    assert process.paths.database.with_name("popbridge.db-wal").stat().st_size
    assert found(tmp_path / "home", MARKS) == set()
    assert found(tmp_path, ["s3cret-plain"]) == {("trace", "s3cret-plain")}
    make_backup(process.paths.database)
    # The next daemon finds all of it again.
    async with session(process.start(), project=PROJECT, resume=resume(wire, 0)) as again:
        assert (await again.until("result", id=1))["value"] == "s3cret-param"
        assert (
            await again.request(4, "test.log", {"path": str(tmp_path / "trace"), "line": "s3cret-plain"})
        )["meta"]["cached"]
    process.kill()
    assert found(tmp_path / "home", MARKS) == set()
    assert receipt(process.paths).args["changes"][0]["options"] == {"x": "s3cret-arg"}
    assert receipt(process.paths).note == "s3cret-note"


async def test_what_an_earlier_version_left_in_plain_text_is_encrypted_copies_included(
    plain: ProcessDaemon, process: ProcessDaemon, tmp_path: Path
) -> None:
    wire = await use(plain, tmp_path / "trace")
    paths = process.paths
    assert {mark for _, mark in found(paths.data, MARKS)} == set(MARKS)
    backup = make_backup(paths.database)
    with contextlib.closing(connect_readonly(paths.database)) as source:
        before = back_up_before_migration(source, paths.database)
    old = paths.database.with_name("popbridge.db.old-20260101-000000")
    shutil.copyfile(backup, old)
    # A row that was deleted stays in a free page.
    with contextlib.closing(sqlite3.connect(paths.database)) as connection, connection:
        connection.execute("CREATE TABLE gone (text)")
        connection.execute("INSERT INTO gone VALUES (?)", ("s3cret-param" * 2000,))
        connection.execute("DROP TABLE gone")
    async with session(process.start(), project=PROJECT, resume=resume(wire, 0)) as again:
        assert (await again.until("result", id=1))["value"] == "s3cret-param"
        until(lambda: form(paths), "the rows to be encrypted")
        key = needs(paths)
        until(lambda: {copy_form(path) for path in (backup, before, old)} == {key}, "the copies")
        assert (await again.request(5, "bridge.echo"))["type"] == "result"
        process.kill()
    assert found(paths.data, MARKS) == set()
    assert receipt(paths).note == "s3cret-note"
    assert list_backups(paths.database) == [backup]


async def test_without_encryption_the_same_marks_are_found_again(
    plain: ProcessDaemon, process: ProcessDaemon, tmp_path: Path
) -> None:
    await use(process, tmp_path / "trace")
    plain.start()
    until(lambda: form(process.paths) == "", "the rows to be plain")
    plain.kill()
    found_now = {mark for _, mark in found(process.paths.data, MARKS)}
    assert found_now >= {"s3cret-title", "s3cret-param", "s3cret-arg"}
    assert receipt(process.paths).note == "s3cret-note"
    # Then the key isn't needed any more.
    (process.paths.data / "master.key").unlink()
    assert receipt(process.paths).note == "s3cret-note"


def receipt(paths: Paths) -> Any:
    db = open_readonly(paths.database)
    assert db is not None
    with contextlib.closing(db.conn):
        return ReceiptStore(db).latest()[0]
