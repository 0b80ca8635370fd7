"""A connection that outlives its daemon, and what is said meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgpack
import pytest

from accel.text import AnyText
from bridge.commands import connection
from bridge.commands.connection import ReconnectingClient
from bridge.core.errors import RequestError, UserError
from tests.messages import in_chinese
from tests.server.daemons import ThreadDaemon

ASKED: dict[str, Any] = {"inputs": (), "priority": "normal", "deadline_ms": 60_000}


class Said(list[AnyText]):
    """What was said, and an event for the first of it."""

    def __init__(self) -> None:
        super().__init__()
        self.something = asyncio.Event()

    def append(self, line: AnyText) -> None:
        super().append(line)
        self.something.set()


async def test_a_daemon_that_is_gone_is_told_and_so_is_its_return(home: Path) -> None:
    said = Said()
    first = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(first.paths.connection_file, said.append)
    await asyncio.to_thread(first.stop)
    asked = asyncio.create_task(client.request("bridge.echo", {"value": 7}, **ASKED))
    await asyncio.wait_for(said.something.wait(), 30)
    second = await asyncio.to_thread(ThreadDaemon(home).start)
    assert (await asyncio.wait_for(asked, 30)).value == 7
    await client.aclose()
    await asyncio.to_thread(second.stop)
    assert [*map(str, said)] == [
        "The daemon is gone. Waiting up to 15 s for it. Start it with `popbridge serve`.",
        "The daemon is back.",
    ]


async def test_one_that_stays_away_is_given_up_in_the_users_language(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []
    monkeypatch.setattr(connection, "GONE_S", 0.5)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    daemon = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(daemon.paths.connection_file, said.append)
    await asyncio.to_thread(daemon.stop)
    with pytest.raises(UserError) as raised:
        await client.request("bridge.echo", {}, **ASKED)
    await client.aclose()
    assert raised.value.text == connection.DAEMON_GONE
    assert len(said) == 1 and "最多等待 1 秒" in in_chinese(said[0])


async def test_a_connection_that_is_only_cut_is_opened_anew_without_a_word(home: Path) -> None:
    said: list[AnyText] = []
    daemon = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(daemon.paths.connection_file, said.append)
    await client._client._socket.close()
    assert (await client.request("bridge.echo", {"value": 7}, **ASKED)).value == 7
    await client.aclose()
    await asyncio.to_thread(daemon.stop)
    assert [*map(str, said)] == []


async def test_what_the_daemon_hangs_up_for_is_asked_once_and_costs_what_follows_nothing(home: Path) -> None:
    said: list[AnyText] = []
    daemon = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(daemon.paths.connection_file, said.append)
    asked = asyncio.create_task(client.request("test.sleep", {"seconds": 2}, **ASKED))
    while not client._client._open:
        await asyncio.sleep(0)
    await client._client._socket.send(msgpack.packb({"type": "from the future"}))
    with pytest.raises(RequestError, match="closed the connection: 4006"):
        await asked
    assert (await client.request("bridge.echo", {"value": 7}, **ASKED)).value == 7
    await client.aclose()
    await asyncio.to_thread(daemon.stop)
    assert [*map(str, said)] == []


async def test_a_blob_is_sent_to_the_daemon_that_is_back(home: Path) -> None:
    said = Said()
    first = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(first.paths.connection_file, said.append)
    await asyncio.to_thread(first.stop)
    sent = asyncio.create_task(client.put_blob(b"moss"))
    await asyncio.wait_for(said.something.wait(), 30)
    second = await asyncio.to_thread(ThreadDaemon(home).start)
    name = await asyncio.wait_for(sent, 30)
    assert await client.get_blob(name) == b"moss" and len(said) == 2
    await client.aclose()
    await asyncio.to_thread(second.stop)


async def test_what_a_connected_daemon_isnt_to_blame_for_is_told_at_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[AnyText] = []
    monkeypatch.setattr(connection, "CLOSE_DETECTION_S", 0.05)
    daemon = ThreadDaemon(home).start()
    client = await ReconnectingClient.connect(daemon.paths.connection_file, said.append)
    name = await client.put_blob(b"moss")
    (daemon.paths.blobs / name).write_bytes(b"rust")
    with pytest.raises(UserError, match="arrived damaged"):
        await client.get_blob(name)
    await client.aclose()
    await asyncio.to_thread(daemon.stop)
    assert [*map(str, said)] == []
