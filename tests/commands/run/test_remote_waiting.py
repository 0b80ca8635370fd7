"""What is said while the daemon's database fails, and of a daemon that gives no answer at all."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.text import AnyText
from bridge.commands import connection
from bridge.commands.connection import ReconnectingClient, fetch_status, watch
from bridge.commands.run import remote
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile
from bridge.server.handshake import NOT_DURABLE
from bridge.store.uploads import Upload
from tests.commands.run.test_remote_reconnects import ASKED
from tests.server.caller import name_of
from tests.server.daemons import ThreadDaemon

HELD = "another program has locked its database"
REFUSED = f"The daemon's database is unavailable: {HELD}."
NOTICE = str(NOT_DURABLE.fill(reason=HELD))


@pytest.fixture
def daemon(home: Path) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(home).start()
    yield running
    running.stop()


@pytest.fixture
def other(daemon: ThreadDaemon) -> Iterator[sqlite3.Connection]:
    """Another program that has opened the daemon's database."""
    with contextlib.closing(
        sqlite3.connect(daemon.paths.database, isolation_level=None, check_same_thread=False)
    ) as connection:
        yield connection


class Until(list[AnyText]):
    """The notices; the other program releases the database at the first one."""

    def __init__(self, other: sqlite3.Connection) -> None:
        super().__init__()
        self._other = other

    def append(self, line: AnyText) -> None:
        super().append(line)
        if self._other.in_transaction:
            self._other.execute("ROLLBACK")


@contextlib.asynccontextmanager
async def asking(daemon: ThreadDaemon, say: Callable[[AnyText], None]) -> AsyncIterator[Callable[..., Any]]:
    """How `popbridge run` asks."""
    file = daemon.paths.connection_file
    client = await ReconnectingClient.connect(file, say)
    async with contextlib.aclosing(client), watch(client, file, say) as waits:

        async def asked(workload: str, **params: Any) -> Any:
            with waits.answer():
                return (await client.request(workload, params, **ASKED)).value

        yield asked


def test_a_daemon_that_cant_store_a_request_is_announced_and_so_is_its_return(
    daemon: ThreadDaemon, other: sqlite3.Connection, popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = Until(other)
    monkeypatch.setattr(remote, "show_notice", notices.append)
    monkeypatch.setattr(remote, "backoff_s", lambda *_: 0.05)
    monkeypatch.setattr(connection, "QUIET_S", 60)
    other.execute("BEGIN IMMEDIATE")
    code, out, _ = popbridge("run", "bridge.echo", "--param", "value=7", "--daemon")
    assert (code, out) == (0, "bridge.echo: 7\n")
    assert len(notices) == 2 and REFUSED in str(notices[0]) and "answers again" in str(notices[1])


async def test_answers_that_wait_for_the_database_are_announced_with_the_reason(
    daemon: ThreadDaemon, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = Until(other)
    monkeypatch.setattr(connection, "QUIET_S", 0.2)
    async with asking(daemon, notices.append) as asked:
        answer = asyncio.create_task(asked("test.sleep", seconds=1))
        while not other.execute("SELECT count(*) FROM jobs").fetchone()[0]:
            await asyncio.sleep(0)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.wait([answer], timeout=30)
        assert answer.done(), (notices, other.in_transaction)
        await answer
    assert len(notices) == 2 and str(notices[0]).endswith(NOTICE) and "answers again" in str(notices[1])


async def test_a_long_job_of_a_daemon_that_is_well_is_waited_for_without_a_word(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []
    looked: list[Any] = []

    def look(file: ConnectionFile) -> Any:
        looked.append(fetch_status(file))
        return looked[-1]

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "fetch_status", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert looked and said == []


async def test_where_nobody_says_why_the_log_is_named(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []

    def look(file: ConnectionFile) -> Any:
        # Just before it could write again: who comes now is told nothing.
        status = fetch_status(file)
        status.figures[connection.FAILING] = 1.0
        return status

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "fetch_status", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and str(said[0]).endswith("See its log.")


async def test_a_daemon_that_says_nothing_at_all_is_told(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []

    def look(file: ConnectionFile) -> Any:
        raise UserError("PopBridge doesn't answer within 10 s.")

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "fetch_status", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and str(said[0]).startswith("No answer for 0 s.")
    assert str(said[0]).endswith("PopBridge doesn't answer within 10 s.")


@pytest.mark.parametrize(
    ("answers", "waits"),
    [(True, "No progress of an upload"), (False, "No answer for")],
    ids=["status", "no-status"],
)
async def test_an_upload_without_progress_is_announced_and_so_is_its_end(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch, answers: bool, waits: str
) -> None:
    takes, write = threading.Event(), Upload.write

    def held(upload: Upload, *pieces: bytes) -> None:
        takes.wait(60)
        write(upload, *pieces)

    class Said(list[AnyText]):
        def append(self, line: AnyText) -> None:
            super().append(line)
            monkeypatch.setattr(connection, "QUIET_S", 60)
            takes.set()

    def look(file: ConnectionFile) -> Any:
        if not answers:
            raise UserError("PopBridge doesn't answer within 10 s.")
        return fetch_status(file)

    said = Said()
    monkeypatch.setattr(Upload, "write", held)
    monkeypatch.setattr(connection, "fetch_status", look)
    monkeypatch.setattr(connection, "QUIET_S", 0.2)
    file = daemon.paths.connection_file
    client = await ReconnectingClient.connect(file, said.append)
    # More than the system takes for a daemon that doesn't read.
    data = bytes(32 << 20)
    async with contextlib.aclosing(client), watch(client, file, said.append) as waits_for:
        assert await client.put_blob(data, waits_for.upload) == name_of(data)
    assert len(said) == 2 and str(said[0]).startswith(waits) and "upload continues" in str(said[1])


async def test_an_upload_that_goes_on_is_no_silence(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []
    file = daemon.paths.connection_file
    client = await ReconnectingClient.connect(file, said.append)
    monkeypatch.setattr(connection, "QUIET_S", 0.05)
    async with contextlib.aclosing(client), watch(client, file, said.append) as waits_for:
        with waits_for.upload() as tell:
            # What is read before it is sent isn't the daemon's to answer for.
            await asyncio.sleep(0.3)
            assert said == []
            monkeypatch.setattr(connection, "QUIET_S", 60)
            for position in range(3):
                tell(position)
        tell(4)
    assert said == []


async def test_after_a_look_that_failed_the_daemon_is_looked_at_again(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []
    looks = 0

    def look(file: ConnectionFile) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("nobody has thought of this")
        raise UserError("PopBridge doesn't answer within 10 s.")

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "fetch_status", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and str(said[0]).endswith("PopBridge doesn't answer within 10 s.")
