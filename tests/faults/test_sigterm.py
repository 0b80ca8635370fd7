"""SIGTERM at bad moments: what is under way is answered, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

import psutil
import pytest

from bridge.client import transfer
from bridge.core.errors import RequestError, UserError
from bridge.paths import ConnectionFile
from tests.server.daemons import ProcessDaemon, until
from tests.server.wire import Wire, resume, session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to be stopped by")


def ended(process: ProcessDaemon, workers: list[psutil.Process]) -> None:
    """It has stopped in order, and nothing of it is left."""
    assert process.process is not None
    assert process.process.wait(30) == 0
    output = process.output.read_text()
    assert "Traceback" not in output
    assert output.splitlines()[-1] == "PopBridge has stopped."
    assert not process.paths.connection_file.exists()
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in workers), "its workers")


async def load(wire: Wire, count: int) -> None:
    """So many jobs, which have been taken when this returns."""
    for number in range(count):
        await wire.send("request", id=number, workload="test.sleep", params={"seconds": 0.1})
    await wire.request(1000, "bridge.echo")


def upload_for_ever(file: ConnectionFile) -> None:
    """Until the daemon is gone."""
    while True:
        transfer.put(file, os.urandom(2 << 20), threading.Event())


async def test_under_load_all_that_was_begun_is_answered_before_it_ends(process: ProcessDaemon) -> None:
    file = process.start()
    workers = psutil.Process(file.pid).children()
    uploading = asyncio.create_task(asyncio.to_thread(upload_for_ever, file))
    async with session(file) as one, session(file) as other:
        await load(one, 8)
        await load(other, 8)
        assert process.process is not None
        process.process.send_signal(signal.SIGTERM)
        for wire in (one, other):
            answered = {(await wire.until("result"))["id"] for _ in range(8)}
            assert answered == set(range(8))
            assert (await wire.closed())[0] == 1012
    ended(process, workers)
    with pytest.raises((UserError, RequestError)):
        await uploading


async def test_what_comes_while_it_stops_is_refused_with_words(process: ProcessDaemon) -> None:
    file = process.start()
    async with session(file) as wire:
        await load(wire, 10)
        process.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        until(lambda: not process.paths.connection_file.exists(), "its first step of stopping")
        refused = None
        for number in range(2000, 4000):
            refused = await wire.request(number, "test.sleep", {"seconds": 0})
            if refused["type"] == "error":
                break
        assert refused is not None
        assert refused["code"] == "shutting_down"
        assert refused["retryable"]
    ended(process, [])


async def test_a_job_that_takes_too_long_doesnt_keep_it_from_stopping(process: ProcessDaemon) -> None:
    file = process.start()
    workers = psutil.Process(file.pid).children()
    begin = time.monotonic()
    async with session(file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 300})
        await wire.request(2, "bridge.echo")
        process.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        assert (await wire.until("error", id=1))["code"] == "shutting_down"
    ended(process, workers)
    assert time.monotonic() - begin < 60


async def test_a_second_sigterm_changes_nothing(process: ProcessDaemon) -> None:
    file = process.start()
    workers = psutil.Process(file.pid).children()
    async with session(file) as wire:
        await load(wire, 5)
        for _ in range(3):
            process.process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        assert {(await wire.until("result"))["id"] for _ in range(5)} == set(range(5))
        assert (await wire.closed())[0] == 1012
    ended(process, workers)


async def test_what_wasnt_handled_when_it_stopped_is_there_after_the_next_start(
    process: ProcessDaemon,
) -> None:
    file = process.start()
    async with session(file) as wire:
        await wire.send("event", name="test.popup", data={"count": 5})
        for _ in range(5):
            await wire.until("popup")
        assert await asyncio.to_thread(process.stop) == 0
    async with session(process.start(), resume=resume(wire, 2)) as again:
        assert [(await again.until("popup"))["title"] for _ in range(3)] == ["popup 2", "popup 3", "popup 4"]


@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.8, 1.2])
def test_while_it_starts_it_ends_without_leaving_anything(process: ProcessDaemon, after_s: float) -> None:
    begun = process.spawn()
    # The moments are spread over a start: whichever it is, the outcome has to be the same.
    time.sleep(after_s)
    workers = psutil.Process(begun.pid).children() if begun.poll() is None else []
    begun.send_signal(signal.SIGTERM)
    # Before it listens to signals the system ends it.
    assert begun.wait(30) in (0, -signal.SIGTERM)
    assert "Traceback" not in process.output.read_text()
    assert not process.paths.connection_file.exists()
    until(lambda: not any(one.is_running() and one.status() != "zombie" for one in workers), "its workers")
    process.start()
    assert process.stop() == 0
