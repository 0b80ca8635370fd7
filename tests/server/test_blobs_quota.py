"""Room for blobs: made where it is needed, never at the cost of what is needed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import RequestError, StoreError
from bridge.server import blobs as module
from bridge.server.blobs import BlobCollector
from bridge.store.blobs import BlobStore
from tests.server.caller import Caller, name_of
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import session

DAY_S = 86_400.0


def put(store: BlobStore, data: bytes, age_s: float = 0.0) -> str:
    name = store.put(data)
    then = time.time() - age_s
    os.utime(store.path(name), (then, then))
    return name


async def nothing() -> set[str]:
    return set()


def keeper(
    store: BlobStore, named: Iterable[str] = (), cached: Iterable[str] = (), **more: Any
) -> BlobCollector:
    async def names() -> set[str]:
        return set(named)

    async def results() -> set[str]:
        return set(cached)

    return BlobCollector(store, names, results, **{"keep_s": DAY_S, "sweep_s": 600.0, **more})


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path, 1000, quota=100)


async def test_what_may_go_makes_room(store: BlobStore) -> None:
    old, named = put(store, b"1" * 40, 3600), put(store, b"2" * 40, 7200)
    kept = keeper(store, {named})
    await kept.sweep()
    await kept.room("x", 60)
    assert store.has(named) and not store.has(old)


async def test_what_is_cached_stays_until_room_is_needed(store: BlobStore) -> None:
    older, cached = put(store, b"1" * 20, 9 * DAY_S), put(store, b"2" * 40, 8 * DAY_S)
    kept = keeper(store, cached={cached})
    await kept.sweep()
    assert store.has(cached) and not store.has(older)
    await kept.room("x", 80)
    assert not store.has(cached)


async def test_where_nothing_may_go_there_is_no_room(store: BlobStore) -> None:
    put(store, b"1" * 80)
    kept = keeper(store)
    await kept.sweep()
    with pytest.raises(RequestError, match="80 of 100 bytes") as caught:
        await kept.room("x", 60)
    assert caught.value.code.name == "storage_full"


async def test_who_asks_again_soon_costs_no_second_look(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = put(store, b"1" * 80)
    kept = keeper(store)
    await kept.sweep()
    for ask in range(2):
        with pytest.raises(RequestError):
            await kept.room("x", 60 + ask)
        hour_ago = time.time() - 3600
        os.utime(store.path(name), (hour_ago, hour_ago))
    monkeypatch.setattr(kept, "_fruitless_until", 0.0)
    await kept.room("x", 60)


async def test_without_a_quota_there_is_always_room(tmp_path: Path) -> None:
    await keeper(BlobStore(tmp_path, 1000)).room("x", 1 << 50)


async def test_room_is_known_only_after_a_first_look(store: BlobStore) -> None:
    put(store, b"1" * 80)
    again = BlobStore(store.folder, 1000, quota=100)
    kept = keeper(again)
    asking = asyncio.create_task(kept.room("x", 60))
    await asyncio.sleep(0)
    await kept.sweep()
    with pytest.raises(RequestError):
        await asking


@pytest.mark.parametrize("known", [True, False])
async def test_while_it_cant_be_known_what_is_named_nothing_goes(
    store: BlobStore, caplog: pytest.LogCaptureFixture, known: bool
) -> None:
    async def unknown() -> set[str]:
        raise StoreError("the disk is gone")

    name = put(store, b"1" * 95, 9 * DAY_S)
    names, cached = (nothing, unknown) if known else (unknown, nothing)
    kept = BlobCollector(store, names, cached, keep_s=DAY_S, sweep_s=600.0)
    await kept.sweep()
    assert not await kept.free(10)
    assert store.has(name) and store.count == 1
    assert "the disk is gone" in caplog.text


async def test_a_full_disk_is_freed_of_what_was_used_longest_ago(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_FREED", 10)
    names = [put(store, bytes([age]) * 10, age * 3600) for age in (2, 3, 4)]
    kept = keeper(store)
    assert await kept.free(15)
    assert [store.has(name) for name in names] == [True, False, False]
    assert await kept.free(0)
    assert not await kept.free(0)


async def test_it_looks_by_itself_and_when_little_room_is_left(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.0)
    looks = asyncio.Semaphore(0)

    async def names() -> set[str]:
        looks.release()
        if store.count == 0:
            raise RuntimeError("by a bug")
        return set()

    running = asyncio.create_task(BlobCollector(store, names, nothing, keep_s=DAY_S, sweep_s=3600.0).run())
    await looks.acquire()
    old = put(store, b"1" * 50, 3600)
    await asyncio.to_thread(store.put, b"2" * 45)
    await looks.acquire()
    async with asyncio.timeout(30):
        while store.has(old):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "by a bug" in caplog.text


def test_pressure_after_the_end_of_the_loop_is_nobodys_business() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    module._wake(loop, asyncio.Event())


# In a daemon.


async def test_what_a_session_has_yet_to_hear_of_stays(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(cache__max_size=0)
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.make", {"bytes": 1})
        name = answer["outputs"][0]["blob"]
        path = daemon.paths.blobs / name
        os.utime(path, (1e9, 1e9))
        daemon.call(daemon.bridge.keeper.sweep())
        assert path.exists()
        await wire.send("ack", seq=answer["seq"])
        await asyncio.to_thread(
            until, lambda: not daemon.call(daemon.bridge.keeper._names()), "the acknowledgement"
        )
        daemon.call(daemon.bridge.keeper.sweep())
        assert not path.exists()


async def test_others_are_heard_while_what_clients_leave_unacknowledged_is_looked_through(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCAN_BYTES", 1000)
    daemon = start()
    real, turns, heard = module.blob_names_in, [], [0]

    def counting(data: bytes) -> set[str]:
        asyncio.get_running_loop().call_soon(heard.append, 0)
        turns.append(len(heard))
        return real(data)

    async with session(daemon.file) as wire:
        for number in range(4):
            await wire.request(number, "bridge.echo", {"value": "x" * 2000})
        monkeypatch.setattr(module, "blob_names_in", counting)
        sessions = [daemon.bridge.sessions.by_id[wire.ready["session"]]]
        await asyncio.to_thread(daemon.call, module.referenced_blobs(daemon.bridge.store, [], sessions))
    assert turns == [1, 2, 3, 4]


async def test_what_a_request_names_counts_as_used(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start()
    name = name_of(b"input")
    call = Caller(daemon)
    call("PUT", name, b"input")
    os.utime(daemon.paths.blobs / name, (1e9, 1e9))
    async with session(daemon.file) as wire:
        answer = await wire.request(1, "test.read", inputs=[{"name": "x", "blob": name}])
    assert answer["value"] == [b"input"]
    daemon.call(daemon.bridge.keeper.sweep())
    assert (daemon.paths.blobs / name).exists()
    call.close()


async def test_a_first_sweep_that_fails_does_not_hold_up_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BlobStore(tmp_path / "blobs", quota=1000, max_size=1000)

    async def references() -> set[str]:
        return set()

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "counting", refuse)
    collector = module.BlobCollector(store, references, references, keep_s=1.0, sweep_s=600.0)
    task = asyncio.create_task(collector.run())
    try:
        await asyncio.wait_for(collector.room("x", 1), 5)
    finally:
        task.cancel()
