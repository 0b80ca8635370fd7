"""What workloads make counts against the quota, and stays while they are at work."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.caller import Caller, name_of
from tests.server.daemons import ThreadDaemon, until
from tests.server.test_uploads import tmpfs
from tests.server.wire import session


async def test_outputs_are_counted_once(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    blobs = daemon.bridge.blobs
    until(lambda: daemon.bridge.keeper._counted.is_set(), "the first look")
    async with session(daemon.file) as wire:
        for number in range(3):
            await wire.request(number, "test.make", {"bytes": number})
    assert (blobs.count, blobs.size) == (1, 10)
    daemon.call(daemon.bridge.keeper.sweep())
    assert (blobs.count, blobs.size) == (1, 10)


async def test_a_workload_makes_files_though_the_folder_of_blobs_was_removed(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    blobs = daemon.bridge.blobs
    async with session(daemon.file) as wire:
        shutil.rmtree(blobs.folder)
        made = await wire.request(1, "test.make", {"bytes": 1})
        assert blobs.has(made["outputs"][0]["blob"])
        shutil.rmtree(blobs.folder)
        blobs.folder.write_text("in the way")
        failed = await wire.request(2, "test.make", {"bytes": 2})
        assert failed["code"] == "storage_full" and "What it makes" in failed["message"]
        blobs.folder.unlink()


async def test_beyond_the_quota_no_work_begins_that_makes_files(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(blobs__quota=1000)
    call = Caller(daemon)
    data = b"x" * 1000
    assert call("PUT", name_of(data), data)[0].status == 201
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.make", {"bytes": 1})
        assert (answer["type"], answer["code"], answer["retryable"]) == ("error", "storage_full", True)
        assert "1000 of 1000 bytes" in answer["message"]
        inline = await wire.request(2, "test.inline", {"bytes": 10})
        assert inline["code"] == "storage_full"
    call.close()


async def test_while_a_workload_is_at_work_what_was_made_since_stays(
    start: Callable[..., ThreadDaemon],
) -> None:
    daemon = start()
    blobs = daemon.bridge.blobs
    async with session(daemon.file) as wire:
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 60})
        await asyncio.to_thread(until, lambda: blobs.removable(0) < time.time() - 2, "it to begin")
        name = blobs.put(b"made meanwhile")
        assert blobs.remove(name, blobs.removable(0)) is None
        await wire.send("cancel", id=1)
        await wire.until("error", id=1)
    await asyncio.to_thread(until, lambda: blobs.remove(name, blobs.removable(-60)), "it to end")


@pytest.mark.skipif(sys.platform == "win32", reason="mounts a small disk")
async def test_a_worker_that_finds_the_disk_full_tries_again_in_the_room_that_was_made(
    start: Callable[..., ThreadDaemon], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk = tmp_path / "home" / "blobs"
    if not tmpfs(disk, "1m"):
        pytest.skip("only root may mount a small disk")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", str(disk)], check=False))
    daemon = start()
    blobs = daemon.bridge.blobs
    name = blobs.put(b"x" * ((1 << 20) - 8192))
    filler = disk / "other"
    with pytest.raises(OSError), filler.open("wb") as file:
        file.write(b"x" * (1 << 20))
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.make", {"bytes": 1})
        assert (answer["type"], answer["code"]) == ("error", "storage_full")
        assert "no space left on device) in the daemon's data folder" in answer["message"]
        hour_ago = time.time() - 3600
        os.utime(blobs.path(name), (hour_ago, hour_ago))
        answer = await wire.request(2, "test.make", {"bytes": 1})
        assert answer["type"] == "result"
    assert not blobs.has(name)
