"""Responses on their way to the disk: written together, found meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import pytest

from bridge.store import response_tables as module
from bridge.store.response_tables import CachedResponse, WriteBehind


class Disk:
    """Takes what is written, and time for it where it is held."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.gone: list[set[bytes]] = []
        self.free = asyncio.Event()
        self.free.set()

    async def write(self, many: Sequence[CachedResponse], gone: Collection[bytes]) -> None:
        await self.free.wait()
        self.gone.append(set(gone))
        self.groups.append([one.key for one in many])


def kept(name: str, size: int = 10, blob: str = "") -> CachedResponse:
    return CachedResponse(name.encode(), 1, bytes(size), {blob: 5} if blob else {})


async def test_what_comes_within_a_moment_is_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_DELAY_S", 0.01)
    disk = Disk()
    behind = WriteBehind(disk.write)
    for name in ("one", "two", "one"):
        await behind.add(kept(name))
    assert behind.get(b"two") == kept("two") and len(behind) == 2
    async with asyncio.timeout(10):
        while not disk.groups:
            await asyncio.sleep(0.001)
    assert disk.groups == [[b"two", b"one"]] and len(behind) == 0
    await behind.add(kept("three"))
    await behind.close()
    assert disk.groups[1:] == [[b"three"]]


async def test_what_is_being_written_is_found_and_its_files_are_named() -> None:
    disk = Disk()
    disk.free.clear()
    behind = WriteBehind(disk.write)
    await behind.add(kept("one", blob="a"))
    writing = asyncio.create_task(behind.flush())
    await asyncio.sleep(0)
    await behind.add(kept("two", blob="b"))
    assert behind.get(b"one") and behind.blobs == {"a", "b"}
    disk.free.set()
    await writing
    assert behind.get(b"one") is None and behind.blobs == {"b"}
    await behind.close()


async def test_too_much_to_be_held_back_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING_BYTES", 100)
    disk = Disk()
    behind = WriteBehind(disk.write)
    await behind.add(kept("one", 60))
    await behind.add(kept("two", 60))
    assert disk.groups == [[b"one", b"two"]]
    await behind.close()


async def test_what_was_removed_is_never_written_and_the_disk_forgets_it() -> None:
    disk = Disk()
    behind = WriteBehind(disk.write)
    await behind.add(kept("one"))
    behind.remove(b"one")
    behind.remove(b"two")
    assert behind.get(b"one") is None and behind.size == 0
    assert behind.hides(b"one") and behind.hides(b"two") and not behind.hides(b"three")
    await behind.close()
    assert (disk.groups, disk.gone) == ([[]], [{b"one", b"two"}])
    assert not behind.hides(b"one")


async def test_what_is_removed_while_it_is_written_is_gone_at_once_and_from_the_disk_later() -> None:
    disk = Disk()
    disk.free.clear()
    behind = WriteBehind(disk.write)
    await behind.add(kept("one"))
    writing = asyncio.create_task(behind.flush())
    await asyncio.sleep(0)
    behind.remove(b"one")
    assert behind.get(b"one") is None and behind.hides(b"one")
    disk.free.set()
    await writing
    assert behind.hides(b"one")
    await behind.close()
    assert (disk.groups, disk.gone) == ([[b"one"], []], [set(), {b"one"}])


async def test_what_comes_anew_after_it_was_removed_stays() -> None:
    disk = Disk()
    behind = WriteBehind(disk.write)
    behind.remove(b"one")
    await behind.add(kept("one"))
    assert behind.get(b"one") == kept("one")
    await behind.close()
    assert (disk.groups, disk.gone) == ([[b"one"]], [{b"one"}])
