"""Files of promised answers: kept as long as somebody may want them, made anew where they had to go."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from bridge.core.errors import RequestError
from tests.server.daemons import ThreadDaemon, until
from tests.server.promises import Start, rows
from tests.server.wire import resume, session


async def test_a_key_whose_files_had_to_go_has_them_made_anew(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        first = await wire.request(1, "test.make", {"bytes": 5}, key="files")
        made = daemon.paths.blobs / first["outputs"][0]["blob"]
        assert (await wire.request(2, "test.make", {"bytes": 5}, key="files"))["meta"] == first["meta"]
        made.unlink()
        again = await wire.request(3, "test.make", {"bytes": 5}, key="files")
        assert again["outputs"] == first["outputs"]
        assert made.is_file()
    assert rows(daemon, "SELECT count(*) FROM jobs WHERE key = 'files'") == [(1,)]


async def test_files_of_answers_that_came_make_room_and_are_made_anew(start: Start) -> None:
    daemon = start(blobs__quota=15, cache__max_size=0)
    blobs, keeper = daemon.bridge.blobs, daemon.bridge.keeper
    async with session(daemon.file) as wire:
        first = await wire.request(1, "test.make", {"bytes": 1}, key="first")
        await wire.send("ack", seq=first["seq"])
        await asyncio.to_thread(
            until, lambda: not rows(daemon, "SELECT 1 FROM outbox"), "it to be acknowledged"
        )
        made = blobs.path(first["outputs"][0]["blob"])
        hour_ago = time.time() - 3600
        os.utime(made, (hour_ago, hour_ago))
        await asyncio.to_thread(daemon.call, keeper.room("another", 10))
        assert not made.exists()
        again = await wire.request(2, "test.make", {"bytes": 1}, key="first")
        assert again["outputs"] == first["outputs"] and made.is_file()


async def test_files_of_an_answer_that_is_given_again_stay_a_while(start: Start) -> None:
    daemon = start(blobs__quota=15, cache__max_size=0)
    async with session(daemon.file) as wire:
        first = await wire.request(1, "test.make", {"bytes": 1}, key="first")
        made = daemon.bridge.blobs.path(first["outputs"][0]["blob"])
        hour_ago = time.time() - 3600
        os.utime(made, (hour_ago, hour_ago))
        again = await wire.request(2, "test.make", {"bytes": 1}, key="first")
        await wire.send("ack", seq=again["seq"])
        await asyncio.to_thread(
            until, lambda: not rows(daemon, "SELECT 1 FROM outbox"), "it to be acknowledged"
        )
        with pytest.raises(RequestError, match="is reached"):
            await asyncio.to_thread(daemon.call, daemon.bridge.keeper.room("another", 10))
        assert made.is_file()


async def test_files_of_an_answer_stay_a_while_for_a_client_that_was_away(start: Start) -> None:
    daemon = start(blobs__quota=15, cache__max_size=0)
    async with session(daemon.file) as wire:
        first = await wire.request(1, "test.make", {"bytes": 1}, key="first")
        back = resume(wire)
    made = daemon.bridge.blobs.path(first["outputs"][0]["blob"])
    hour_ago = time.time() - 3600
    os.utime(made, (hour_ago, hour_ago))
    async with session(daemon.file, resume=back) as wire:
        await wire.until("result", id=1)
    assert made.stat().st_mtime > hour_ago + 1800
