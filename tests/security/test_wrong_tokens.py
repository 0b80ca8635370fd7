"""Wrong tokens leave a trace, are slowed down, and delay nobody else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import pytest

from bridge.server.access import door as doors
from tests.server.conftest import start  # noqa: F401
from tests.server.daemons import ThreadDaemon
from tests.server.pages import bearer, page
from tests.server.wire import dial, identity, session

WRONG = "local." + "x" * 43


async def refused_s(daemon: ThreadDaemon) -> float:
    """The seconds until a socket with a wrong token is closed for it."""
    begin = time.monotonic()
    async with dial(daemon.file) as wire:
        await wire.send("identify", **identity(daemon.file, auth={"token": WRONG}))
        assert (await wire.closed())[0] == 4009
    return time.monotonic() - begin


async def test_each_way_to_fail_is_a_warning_with_the_peer(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    daemon = start()
    with caplog.at_level(logging.WARNING):
        await refused_s(daemon)
        assert (await asyncio.to_thread(page, daemon.file, "/status", **bearer(daemon.file, WRONG)))[
            0
        ].status == 401
    lines = [record for record in caplog.records if record.name == "bridge.server.access.door"]
    assert [record.levelno for record in lines] == [logging.WARNING] * 2
    peer = next(iter(daemon.bridge.door.peers))
    assert all(peer in record.getMessage() for record in lines)
    assert daemon.bridge.door.counts.failed_attempts == 2


async def test_many_wrong_tokens_wait_and_the_right_one_never_does(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(doors, "MAX_DELAY_S", 1.0)
    daemon = start(limits__failed_attempts=5)
    took = await asyncio.gather(*(refused_s(daemon) for _ in range(12)))
    assert sum(seconds >= 1.0 for seconds in took) == 7
    waiting = asyncio.create_task(refused_s(daemon))
    begin = time.monotonic()
    async with session(daemon.file) as wire:
        assert (await wire.request(1, "bridge.echo"))["type"] == "result"
    answer, _ = await asyncio.to_thread(page, daemon.file, "/status", **bearer(daemon.file))
    assert answer.status == 200
    assert time.monotonic() - begin < 1.0
    assert await waiting >= 1.0
    answer, _ = await asyncio.to_thread(page, daemon.file, "/status", **bearer(daemon.file, WRONG))
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 1
    # A flood of them doesn't fill the log.
    assert sum(record.name == "bridge.server.access.door" for record in caplog.records) <= doors.LOG_BURST + 1
