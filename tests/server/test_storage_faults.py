"""A full disk, a held, failing, read-only or damaged file under a real daemon: told, and got over."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from bridge import cli
from bridge.store.backups import make_backup
from tests.server.advised import popup
from tests.server.daemons import PATIENCE_S, ProcessDaemon, ThreadDaemon, until
from tests.server.wire import Wire, resume, session
from tests.store.damage import PAGE, filled, receipts

PROJECT = {"id": "p", "name": "P"}
Trouble = Callable[[ProcessDaemon], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def held(process: ProcessDaemon | ThreadDaemon) -> Iterator[None]:
    """Another program writes and doesn't come to an end."""
    with contextlib.closing(sqlite3.connect(process.paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def full(process: ProcessDaemon) -> Iterator[None]:
    """Nothing more fits."""
    ballast = process.paths.data / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PAGE))
    yield
    ballast.unlink()


@contextlib.contextmanager
def failing(process: ProcessDaemon) -> Iterator[None]:
    """The system refuses to let the files grow."""
    assert process.process is not None
    running = psutil.Process(process.process.pid)
    log = process.paths.database.with_name("popbridge.db-wal")
    _, hard = running.rlimit(psutil.RLIMIT_FSIZE)
    running.rlimit(psutil.RLIMIT_FSIZE, (log.stat().st_size, hard))
    yield
    running.rlimit(psutil.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with a disk of its own, of 4 MiB."""
    folder = tmp_path / "home"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def rule(wire: Wire, number: int) -> dict[str, Any]:
    """What comes of a request that has to be kept."""
    return await wire.request(number, "test.ask", {"do": "rule"})


async def recovered(wire: Wire) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for number in range(100, 100_000):
            if (await rule(wire, number))["type"] == "result":
                return
            await asyncio.sleep(0.05)


async def outlives(process: ProcessDaemon, trouble: Trouble, says: str) -> None:
    """Told on the wire and in the log; all else goes on; nothing that was acknowledged is lost."""
    file = process.start()
    async with session(file, project=PROJECT) as wire:
        shown = [await popup(wire, body="before")]
        with trouble(process):
            answer = await rule(wire, 1)
            assert (answer["code"], answer["retryable"]) == ("store_unavailable", True)
            assert says in answer["message"]
            assert (await wire.request(2, "bridge.echo", {"value": 7}))["value"] == 7
            async with session(file, instance="two") as other:
                assert "A restart of PopBridge would lose" in other.ready["notice"]
                assert says in other.ready["notice"]
                assert (await other.request(1, "bridge.echo", {"value": 8}))["value"] == 8
            assert says in process.output.read_text()
        await recovered(wire)
        shown.append(await popup(wire, body="after"))
        # A session that couldn't be kept when it was opened is kept now.
        await asyncio.to_thread(until, lambda: other.ready["session"] in sessions(process), "the session")
        process.kill()
    async with session(process.start(), project=PROJECT, resume=resume(wire, 0)) as again:
        assert again.ready["resumed"] is True
        assert "notice" not in again.ready
        assert [await again.receive() for _ in shown] == shown
    assert "Traceback" not in process.output.read_text()


def sessions(process: ProcessDaemon) -> set[str]:
    with contextlib.closing(sqlite3.connect(process.paths.database)) as connection:
        return {name for (name,) in connection.execute("SELECT id FROM sessions")}


@pytest.mark.parametrize("is_known", [True, False])
async def test_what_is_closed_while_nothing_can_be_kept_is_closed_for_the_next_daemon_too(
    daemon: ThreadDaemon, is_known: bool
) -> None:
    async with session(daemon.file, project=PROJECT) as wire:
        withdrawn, replaced = await popup(wire), await popup(wire, dedupe="rock")
        with held(daemon):
            # Else it is the closing itself that meets the trouble first.
            if is_known:
                assert (await rule(wire, 1))["code"] == "store_unavailable"
            await wire.request(2, "test.ask", {"do": "close", "popup": withdrawn["id"]})
            await wire.send("event", name="test.popup", data={"dedupe": "rock"})
            assert (await rule(wire, 3))["code"] == "store_unavailable"
        assert (await wire.until("popup_close", id=replaced["id"]))["reason"] == "superseded"
        both = (withdrawn["id"], replaced["id"])
        settled = {"settled"}
        await asyncio.to_thread(
            until, lambda: {daemon.popup(closed).status for closed in both} == settled, "it to be kept"
        )


async def test_a_file_that_another_program_holds(process: ProcessDaemon) -> None:
    await outlives(process, held, "another program has locked its database")


async def test_a_full_disk(small_disk: Path) -> None:
    process = ProcessDaemon(small_disk)
    try:
        await outlives(process, full, "the disk is full")
    finally:
        process.end()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
async def test_a_disk_that_refuses_to_write(process: ProcessDaemon) -> None:
    await outlives(process, failing, "the disk reported an error")


async def test_a_database_that_may_grow_no_more(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    store = daemon.bridge.store
    limit = store.write_now(lambda db: db.conn.execute("PRAGMA page_count").fetchone()[0]) + 3
    store.write_now(lambda db: db.conn.execute(f"PRAGMA max_page_count = {limit}"))
    opened = []

    async def notice() -> str:
        async with session(daemon.file, project={"id": "p" * 128, "name": "x" * 256}) as wire:
            opened.append(wire.ready["session"])
            return wire.ready.get("notice", "")

    while not (said := await notice()):
        assert len(opened) < 100
    assert "the disk is full" in said and len(opened) > 3
    store.write_now(lambda db: db.conn.execute("PRAGMA max_page_count = 1000000"))
    assert not await notice()

    def kept() -> set[str]:
        with contextlib.closing(sqlite3.connect(store.path)) as connection:
            return {name for (name,) in connection.execute("SELECT id FROM sessions")}

    await asyncio.to_thread(until, lambda: set(opened) <= kept(), "all sessions to be kept")


async def test_blobs_come_and_go_while_the_database_is_held(process: ProcessDaemon) -> None:
    file = process.start()
    with held(process):
        name = sha256(b"texture").hexdigest()
        head = {"Authorization": f"Bearer {file.token}"}
        put = urllib.request.Request(f"{file.http}/blobs/{name}", b"texture", head, method="PUT")
        get = urllib.request.Request(f"{file.http}/blobs/{name}", None, head)
        for request in (put, get):
            with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
                assert answer.status in (200, 201)


async def test_a_file_that_is_damaged_under_the_daemon(
    process: ProcessDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    database = process.paths.database
    filled(database)
    make_backup(database)
    file = process.start()
    async with session(file, project=PROJECT) as wire:
        assert (await rule(wire, 40))["type"] == "result"
        with database.open("r+b") as opened:
            pages = database.stat().st_size // PAGE
            for page in range(pages // 4, pages * 3 // 4):
                opened.seek(page * PAGE)
                opened.write(b"\xa5" * 100)
        for number in range(1, 20):
            answer = await wire.request(number, "receipts.list", {"limit": 1000, "before": number * 100})
            if answer["type"] == "error":
                break
        assert answer["code"] == "store_unavailable", process.output.read_text()[-1500:]
        assert "its database is damaged" in answer["message"]
        assert (await wire.request(30, "bridge.echo", {"value": 7}))["value"] == 7
    async with session(file, instance="two") as other:
        assert (await other.request(1, "bridge.echo", {"value": 8}))["value"] == 8
    assert await asyncio.to_thread(process.stop) == 0
    monkeypatch.setenv("POPBRIDGE_HOME", str(process.paths.data))
    assert cli.main(["db", "check"]) == 1
    assert cli.main(["db", "restore"]) == 0
    assert receipts(database) == list(range(1, 2001))
    async with session(process.start(), instance="three") as again:
        assert "notice" not in again.ready
        answer = await again.request(1, "receipts.list", {"limit": 100})
        assert answer["type"] == "result", (answer, process.output.read_text()[-2000:])


def change(database: Path, statement: str) -> None:
    """Changes the database as another program would, beside the daemon."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(statement)


async def check_damage_is_told(wire: Wire, *words: str) -> None:
    """The other 29 receipts are listed; who asks for receipt 7 is told the remedy and `words`."""
    listed = (await wire.request(1, "receipts.list", {"limit": 100}))["value"]
    assert (len(listed["receipts"]), listed["damaged"]) == (29, [7])
    answer = await wire.request(2, "receipts.revert", {"id": 7})
    assert (answer["type"], answer.get("code")) == ("error", "store_unavailable")
    for word in ("its database is damaged", "popbridge db check", *words):
        assert word in answer["message"]


@pytest.mark.parametrize(
    ("damage", "named", "checked"),
    [
        ("note = CAST(x'ff' AS TEXT)", "note", "column note"),
        ("args = x'c1'", "receipts, row 7", "row 7 of receipts can't be read"),
    ],
    ids=["text that is no UTF-8", "a value that can't be unpacked"],
)
async def test_a_receipt_that_cant_be_read_under_the_daemon(
    process: ProcessDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: str,
    named: str,
    checked: str,
) -> None:
    database = process.paths.database
    filled(database, 30)
    make_backup(database)
    file = process.start()
    change(database, f"UPDATE receipts SET {damage} WHERE id = 7")
    async with session(file, project=PROJECT) as wire:
        await check_damage_is_told(wire, str(database), named)
        assert (await wire.request(3, "receipts.list", {"limit": 10}))["type"] == "result"
        assert (await rule(wire, 4))["type"] == "result"
    assert await asyncio.to_thread(process.stop) == 0
    assert "Traceback" not in process.output.read_text()
    monkeypatch.setenv("POPBRIDGE_HOME", str(process.paths.data))
    assert cli.main(["db", "check"]) == 1
    assert checked in capsys.readouterr().out
    assert cli.main(["db", "restore"]) == 0
    assert cli.main(["db", "check"]) == 0
    async with session(process.start(), instance="two") as again:
        found = await again.request(1, "receipts.list", {"limit": 100})
        assert len(found["value"]["receipts"]) == 30


def refused(process: ProcessDaemon) -> str:
    """The one line of a daemon that doesn't start."""
    assert process.spawn().wait(PATIENCE_S) == 2
    said = process.output.read_text()
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def test_a_read_only_folder_is_told_at_the_start_and_can_be_looked_at(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(small_disk / "popbridge.db", 10)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "Read-only file system" in refused(ProcessDaemon(small_disk))
    monkeypatch.setenv("POPBRIDGE_HOME", str(small_disk))
    assert cli.main(["db", "check"]) == 0
    assert cli.main(["db", "backup", str(small_disk.parent / "backup.db")]) == 0
    assert cli.main(["db", "vacuum"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_damaged_file_is_told_at_the_start(process: ProcessDaemon) -> None:
    process.paths.data.mkdir()
    process.paths.database.write_bytes(b"a letter to grandmother" * 1000)
    said = refused(process)
    assert "popbridge db restore" in said and "is damaged" in said


def test_a_held_file_is_told_at_the_start(process: ProcessDaemon) -> None:
    filled(process.paths.database, 10)
    with held(process):
        assert "another program has locked its database" in refused(process)
