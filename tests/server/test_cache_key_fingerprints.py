"""Files are read again only where they have changed, and never taken for what they no longer are."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.workload import Input
from bridge.server import cache_key as hashing_module
from bridge.server import cache_key as module
from bridge.server.cache_key import FileHasher, Fingerprints, InputFingerprint
from bridge.store.blobs import BlobStore


class Counted(FileHasher):
    """Counts how often files are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    async def digest(self, path: str, priority: str, *, confined: bool = False) -> bytes:
        self.read.append(Path(path).name)
        return await super().digest(path, priority, confined=confined)


@pytest.fixture
def hashing() -> Iterator[Counted]:
    made = Counted()
    yield made
    made.close()


@pytest.fixture
def contents(tmp_path: Path, hashing: Counted) -> Fingerprints:
    return Fingerprints(BlobStore(tmp_path / "blobs", 1 << 20), hashing)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def age(path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 60) -> None:
    """Later, as far as files can tell."""
    real = time.time_ns
    monkeypatch.setattr(module.time, "time_ns", lambda: real() + int(seconds * 1e9))


def look(contents: Fingerprints, path: Path) -> list[InputFingerprint]:
    return contents.look([Input("x", str(path))])


async def test_a_file_that_stays_is_read_once(
    tmp_path: Path, contents: Fingerprints, hashing: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    age(file, monkeypatch)
    for _ in range(3):
        assert await contents.digests(look(contents, file), "normal") == [sha(b"one")]
    assert hashing.read == ["a"]
    assert look(contents, file)[0].digest == sha(b"one")


async def test_a_file_that_has_changed_is_read_again(
    tmp_path: Path, contents: Fingerprints, hashing: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    age(file, monkeypatch)
    await contents.digests(look(contents, file), "normal")
    old = file.stat()
    file.write_bytes(b"two")
    if sys.platform != "win32":  # which tells only when a file was made, and not when it changed
        os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))  # as tools do that unpack archives
    assert await contents.digests(look(contents, file), "normal") == [sha(b"two")]
    other = tmp_path / "b"
    other.write_bytes(b"six")
    os.utime(other, ns=(old.st_atime_ns, old.st_mtime_ns))
    os.replace(other, file)
    assert await contents.digests(look(contents, file), "normal") == [sha(b"six")]


async def test_a_file_that_was_just_written_is_read_each_time(
    tmp_path: Path, contents: Fingerprints, hashing: Counted
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    for _ in range(2):
        assert await contents.digests(look(contents, file), "normal") == [sha(b"one")]
    assert hashing.read == ["a", "a"]


async def test_a_blob_is_never_read(tmp_path: Path, hashing: Counted) -> None:
    blobs = BlobStore(tmp_path / "blobs", 1 << 20)
    contents = Fingerprints(blobs, hashing)
    path = blobs.path(blobs.put(b"blob"))
    looks = look(contents, path)
    assert await contents.digests(looks, "normal") == [sha(b"blob")]
    os.utime(path, (1, 1))  # as somebody who names it does
    assert look(contents, path)[0].identity == looks[0].identity
    assert await contents.confirmed(looks, None) == [sha(b"blob")]
    shutil.copy(path, tmp_path / path.name)  # not every file of such a name is one
    assert look(contents, tmp_path / path.name)[0].digest is None
    assert hashing.read == []


async def test_what_has_changed_since_it_was_looked_at_isnt_told(
    tmp_path: Path, contents: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    age(file, monkeypatch)
    seen = look(contents, file)
    file.write_bytes(b"other")
    assert await contents.digests(seen, "normal") is None
    assert await contents.confirmed(seen, None) is None
    file.unlink()
    with pytest.raises(FileNotFoundError):
        await contents.confirmed(seen, None)


async def test_a_file_that_changes_while_it_is_read_isnt_told(
    tmp_path: Path, contents: Fingerprints, hashing: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    age(file, monkeypatch)
    real = hashing_module._digest

    def read(path: str, given_up: threading.Event, confined: bool) -> bytes:
        found = real(path, given_up, confined)
        file.write_bytes(b"longer")
        return found

    monkeypatch.setattr(hashing_module, "_digest", read)
    assert await contents.digests(look(contents, file), "normal") is None


async def test_after_a_run_only_what_stayed_the_same_is_confirmed(
    tmp_path: Path, contents: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    young = look(contents, file)
    read = await contents.digests(young, "normal")
    assert await contents.confirmed(young, read) == [sha(b"one")]
    # Nobody knows what was in it when the run read it.
    assert await contents.confirmed(young, None) is None
    stamp = file.stat()
    with file.open("r+b") as open_file:
        open_file.write(b"two")
    if file.stat().st_mtime_ns == stamp.st_mtime_ns:  # within one tick of the clock
        assert await contents.confirmed(young, read) is None
    age(file, monkeypatch)
    old = look(contents, file)
    assert old[0].settled
    assert await contents.confirmed(old, None) == [sha(b"two")]


async def test_a_change_within_one_tick_of_the_clock_is_noticed(
    tmp_path: Path, contents: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"one")
    young = look(contents, file)
    read = await contents.digests(young, "normal")
    file.write_bytes(b"two")
    # The clock of FAT stands for two seconds.
    monkeypatch.setattr(module.FileStamp, "of", classmethod(lambda cls, path: young[0].stamp))
    assert await contents.confirmed(young, read) is None


async def test_no_more_files_are_remembered_than_may_be(
    tmp_path: Path, contents: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    files = [tmp_path / str(number) for number in range(5)]
    for file in files:
        file.write_bytes(file.name.encode())
    age(files[0], monkeypatch)
    for file in files:
        await contents.digests(look(contents, file), "bulk")
    assert [look(contents, file)[0].digest is not None for file in files] == [False, False, True, True, True]


def gated(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[str], list[str]]:
    """Reading that waits; what was begun and what was given up."""
    gate, begun, given_up = threading.Event(), list[str](), list[str]()

    def read(path: str, stop: threading.Event, confined: bool) -> bytes:
        begun.append(path)
        while not gate.is_set() and not stop.is_set():
            time.sleep(0.001)
        if stop.is_set():
            given_up.append(path)
        return path.encode()

    monkeypatch.setattr(hashing_module, "_digest", read)
    return gate, begun, given_up


async def until(ready: Any) -> None:
    async with asyncio.timeout(20):
        while not ready():
            await asyncio.sleep(0.001)


async def test_the_urgent_file_is_read_before_those_that_came_earlier(
    hashing: FileHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, _ = gated(monkeypatch)
    tasks = [asyncio.create_task(hashing.digest(f"bulk {n}", "bulk")) for n in range(6)]
    await until(lambda: len(begun) == hashing_module.THREADS)
    urgent = asyncio.create_task(hashing.digest("urgent", "interactive"))
    await asyncio.sleep(0)
    gate.set()
    assert await urgent == b"urgent"
    assert await asyncio.gather(*tasks) == [f"bulk {n}".encode() for n in range(6)]
    assert begun.index("urgent") == hashing_module.THREADS


async def test_who_gives_up_stops_the_reading_and_makes_room(
    hashing: FileHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, given_up = gated(monkeypatch)
    first, second, third, fourth = (
        asyncio.create_task(hashing.digest(name, "normal")) for name in ("1", "2", "3", "4")
    )
    await until(lambda: len(begun) == 2)
    third.cancel()
    first.cancel()
    await until(lambda: "1" in given_up and "4" in begun)
    gate.set()
    assert await second == b"2" and await fourth == b"4"
    assert "3" not in begun
    again = asyncio.gather(*(hashing.digest(str(n), "bulk") for n in range(10)))
    assert len(await again) == 10


async def test_a_turn_that_is_given_up_as_it_comes_goes_to_the_next(hashing: FileHasher) -> None:
    for _ in range(hashing_module.THREADS):
        await hashing._enter("normal")
    third, fourth = (asyncio.create_task(hashing._enter("normal")) for _ in range(2))
    await asyncio.sleep(0)
    hashing._leave()
    third.cancel()
    async with asyncio.timeout(20):
        await fourth
    assert third.cancelled()


async def test_a_large_file_has_the_digest_of_all_its_pieces(hashing: FileHasher, tmp_path: Path) -> None:
    data = os.urandom(hashing_module.CHUNK_BYTES * 2 + 17)
    (tmp_path / "large").write_bytes(data)
    assert await hashing.digest(str(tmp_path / "large"), "normal") == sha(data)
