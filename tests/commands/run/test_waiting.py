"""What is said while the daemon's database fails, and of a daemon that gives no answer at all."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.commands import connection
from bridge.commands.connection import ReconnectingClient, ask_daemon, watch
from bridge.commands.run import remote
from bridge.core.errors import UserError
from bridge.store.uploads import Upload
from tests.commands.run.test_lasting import ASKED
from tests.server.caller import name_of
from tests.server.daemons import ThreadDaemon

HELD = "another program holds its database"
REFUSED = f"The daemon's database is unavailable: {HELD}."
NOTICE = f"Nothing outlives a restart of PopBridge now: {HELD}."


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


class Until(list[str]):
    """What was said; from the first word on the other program lets the database go."""

    def __init__(self, other: sqlite3.Connection) -> None:
        super().__init__()
        self._other = other

    def append(self, line: str) -> None:
        super().append(line)
        if self._other.in_transaction:
            self._other.execute("ROLLBACK")


@contextlib.asynccontextmanager
async def asking(daemon: ThreadDaemon, say: Callable[[str], None]) -> AsyncIterator[Callable[..., Any]]:
    """How `popbridge run` asks."""
    file = daemon.paths.connection_file
    client = await ReconnectingClient.connect(file, say)
    async with contextlib.aclosing(client), watch(client, file, say) as waits:

        async def asked(workload: str, **params: Any) -> Any:
            with waits.answer():
                return (await client.request(workload, params, **ASKED)).value

        yield asked


@pytest.mark.parametrize(
    ("locale", "waits", "goes_on"),
    [
        (
            "C",
            f"The daemon can't keep what it is asked: trying again for up to 60 s. It says: {REFUSED}",
            "The daemon answers again: going on.",
        ),
        (
            "zh_CN.UTF-8",
            "守护进程暂时无法保存请求：最多重试 60 秒。"
            "守护进程的说明：目前无法保存任何内容：数据库被其他程序占用。",
            "守护进程已恢复应答：继续执行。",
        ),
    ],
    ids=["en", "zh"],
)
def test_a_daemon_that_cant_keep_a_request_is_told_and_so_is_its_return(
    daemon: ThreadDaemon, other: sqlite3.Connection, popbridge: Any, monkeypatch: pytest.MonkeyPatch,
    locale: str, waits: str, goes_on: str,
) -> None:  # fmt: skip
    said = Until(other)
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setattr(remote, "say", said.append)
    monkeypatch.setattr(remote, "backoff_s", lambda *_: 0.05)
    monkeypatch.setattr(connection, "QUIET_S", 60)
    other.execute("BEGIN IMMEDIATE")
    code, out, _ = popbridge("run", "bridge.echo", "--param", "value=7", "--daemon")
    assert (code, out) == (0, "bridge.echo: 7\n")
    assert [re.sub(r"[1-5]?\d(?= (s|秒))", "60", line) for line in said] == [waits, goes_on]


@pytest.mark.parametrize(
    ("locale", "why"),
    [
        ("C", f"It says: {NOTICE}"),
        ("zh_CN.UTF-8", "守护进程的说明：守护进程重启后不会保留任何内容：数据库被其他程序占用。"),
    ],
    ids=["en", "zh"],
)
async def test_answers_that_wait_to_be_kept_are_told_with_the_reason(
    daemon: ThreadDaemon, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, locale: str, why: str
) -> None:
    said = Until(other)
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setattr(connection, "QUIET_S", 0.2)
    async with asking(daemon, said.append) as asked:
        answer = asyncio.create_task(asked("test.sleep", seconds=1))
        while not other.execute("SELECT count(*) FROM jobs").fetchone()[0]:
            await asyncio.sleep(0)
        other.execute("BEGIN IMMEDIATE")
        await asyncio.wait([answer], timeout=30)
        assert answer.done(), (said, other.in_transaction)
        await answer
    assert len(said) == 2 and said[0].endswith(why)
    assert said[1] in (connection.ANSWERS.en, connection.ANSWERS.zh)


async def test_a_long_job_of_a_daemon_that_is_well_is_waited_for_without_a_word(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    looked: list[Any] = []

    def look() -> Any:
        looked.append(ask_daemon())
        return looked[-1]

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "ask_daemon", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert looked and said == []


async def test_where_nobody_says_why_the_log_is_named(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def look() -> Any:
        # Just before it could write again: who comes now is told nothing.
        status = ask_daemon()
        status.figures[connection.FAILING] = 1.0
        return status

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "ask_daemon", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and said[0].endswith("answers once it can. Its log says why.")


async def test_a_daemon_that_says_nothing_at_all_is_told(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def look() -> Any:
        raise UserError("PopBridge doesn't answer within 10 s.")

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "ask_daemon", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and said[0].startswith("No answer for 0 s, and the daemon doesn't say how it is")
    assert said[0].endswith("PopBridge doesn't answer within 10 s.")


@pytest.mark.parametrize(
    ("locale", "answers", "waits", "goes_on"),
    [
        (
            "C",
            True,
            "The daemon has taken nothing of an upload for",
            "The daemon takes the upload again: going on.",
        ),
        ("C", False, "No answer for", "The daemon takes the upload again: going on."),
        ("zh_CN.UTF-8", True, "已有 0 秒没有上传任何数据", "守护进程又开始接收上传：继续进行。"),
    ],
    ids=["en", "no-status", "zh"],
)
async def test_a_daemon_that_takes_nothing_of_an_upload_is_told_and_that_it_goes_on(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch,
    locale: str, answers: bool, waits: str, goes_on: str,
) -> None:  # fmt: skip
    takes, write = threading.Event(), Upload.write

    def held(upload: Upload, *pieces: bytes) -> None:
        takes.wait(60)
        write(upload, *pieces)

    class Said(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            monkeypatch.setattr(connection, "QUIET_S", 60)
            takes.set()

    def look() -> Any:
        if not answers:
            raise UserError("PopBridge doesn't answer within 10 s.")
        return ask_daemon()

    said = Said()
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setattr(Upload, "write", held)
    monkeypatch.setattr(connection, "ask_daemon", look)
    monkeypatch.setattr(connection, "QUIET_S", 0.2)
    file = daemon.paths.connection_file
    client = await ReconnectingClient.connect(file, said.append)
    # More than the system takes for a daemon that doesn't read.
    data = bytes(32 << 20)
    async with contextlib.aclosing(client), watch(client, file, said.append) as waits_for:
        assert await client.put_blob(data, waits_for.upload) == name_of(data)
    assert len(said) == 2 and said[0].startswith(waits) and said[1] == goes_on


async def test_an_upload_that_goes_on_is_no_silence(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
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
    said: list[str] = []
    looks = 0

    def look() -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise RuntimeError("nobody has thought of this")
        raise UserError("PopBridge doesn't answer within 10 s.")

    monkeypatch.setattr(connection, "QUIET_S", 0.1)
    monkeypatch.setattr(connection, "ask_daemon", look)
    async with asking(daemon, said.append) as asked:
        await asked("test.sleep", seconds=1)
    assert len(said) == 2 and said[0].endswith("PopBridge doesn't answer within 10 s.")
