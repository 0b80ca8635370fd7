"""Whoever copies the folder of blobs reads none of a project that asks for encryption."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import RequestError
from bridge.store import blob_encryption
from bridge.store.blob_encryption import (
    CHUNK_BYTES,
    convert_file,
    is_encrypted,
    open_file,
    plain_size,
    seal_file,
)
from bridge.store.blobs import BlobStore, Sweep
from bridge.store.encryption import SealError, Vault, key_id, new_key
from tests.server.daemons import ThreadDaemon
from tests.server.pages import page
from tests.server.wire import session

OLD, NEW = new_key(), new_key()
MARK = b"s3cret-pixels"
Start = Callable[..., ThreadDaemon]


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_a_blob_comes_back_whole_and_no_chunk_can_be_cut_moved_or_repeated(size: int) -> None:
    vault, data, target = Vault([OLD]), os.urandom(size), io.BytesIO()
    seal_file(io.BytesIO(data), target, vault, "a")
    sealed = target.getvalue()
    assert b"".join(open_file(io.BytesIO(sealed), vault, "a")) == data
    assert plain_size(len(sealed)) == size
    chunk, head = CHUNK_BYTES + 16, len(sealed) - size - 16 * max(1, -(-size // CHUNK_BYTES))
    spoilt = [sealed[:-1], sealed[:head], sealed + sealed[-chunk:], sealed[:20]]
    if size > CHUNK_BYTES:
        spoilt += [sealed[: head + chunk], sealed[:head] + sealed[head + chunk :]]
    for each in spoilt:
        with pytest.raises(SealError):
            list(open_file(io.BytesIO(each), vault, "a"))
    with pytest.raises(SealError):
        list(open_file(io.BytesIO(sealed), vault, "b"))
    with pytest.raises(SealError):
        list(open_file(io.BytesIO(sealed), Vault([NEW]), "a"))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made = BlobStore(tmp_path / "blobs", 1 << 20, vault=Vault([OLD]))
    yield made
    made.close()


def test_a_private_blob_is_sealed_also_if_it_was_there_before(store: BlobStore) -> None:
    name = store.put(MARK)
    assert store.path(name).read_bytes() == MARK
    assert store.put(MARK, private=True) == name
    assert MARK not in store.path(name).read_bytes()
    assert store.size_of(name) == len(MARK)
    copy = store.plain(store.path(name))
    assert copy.read_bytes() == MARK and store.is_copy(str(copy))
    store.expire_copies(float("inf"))
    assert not copy.exists()
    # A changed one is as good as none.
    with store.path(name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    with pytest.raises(RequestError):
        store.plain(store.path(name))


def test_a_rotation_wraps_keys_of_blobs_anew_and_turning_encryption_off_opens_them(store: BlobStore) -> None:
    path = store.path(store.put(MARK, private=True))
    used, size = path.stat().st_mtime_ns, path.stat().st_size
    assert convert_file(path, Vault([NEW, OLD]))
    assert not convert_file(path, Vault([NEW, OLD]))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (used, size)
    assert bytes.fromhex(key_id(OLD)) not in path.read_bytes()
    assert convert_file(path, Vault([NEW], seals=False))
    assert path.read_bytes() == MARK


def test_all_blobs_are_sealed_if_the_setting_says_so_old_ones_by_the_sweep(tmp_path: Path) -> None:
    before = BlobStore(tmp_path / "blobs", 1 << 20)
    old = before.path(before.put(MARK))
    os.utime(old, (1e9, 1e9))
    store = BlobStore(tmp_path / "blobs", 1 << 20, vault=Vault([OLD]), seals=True)
    name = hashlib.sha256(b"uploaded").hexdigest()
    with store.receive(name) as upload:
        upload.write(b"uploaded")
        upload.commit()
    assert is_encrypted(store.path(name)) and is_encrypted(store.path(store.put(b"put")))
    sweep = Sweep(store, {old.name}, 0.0)
    while sweep.step():
        pass
    assert not is_encrypted(old)
    sweep = Sweep(store, set(), 4e9)
    while sweep.step():
        pass
    assert is_encrypted(old) and old.stat().st_mtime == 1e9
    store.close()


async def test_what_is_made_from_a_project_that_asks_is_sealed_served_and_used_again(
    start: Start, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "popbridge.toml").write_text("[privacy]\nencrypt = true\n")
    (root / "texture.bin").write_bytes(MARK)
    daemon = start()
    blobs = daemon.paths.blobs
    project = {"id": "p", "name": "P", "root": str(root)}
    async with session(daemon.file, project=project) as wire:
        params = {"log": str(tmp_path / "log")}
        made = await wire.request(
            1, "test.note", params, inputs=[{"name": "t", "path": str(root / "texture.bin")}]
        )
        (output,) = made["outputs"]
        assert output["size"] == len(MARK) + 1
        assert is_encrypted(blobs / output["blob"])
        read = await wire.request(2, "test.read", {}, inputs=[{"name": "o", "blob": output["blob"]}])
        assert read["value"] == [MARK + b"!"]
        # What is made from it is private as well.
        again = await wire.request(3, "test.note", params, inputs=[{"name": "o", "blob": output["blob"]}])
        assert is_encrypted(blobs / again["outputs"][0]["blob"])
        # From the cache, too, and in the same form.
        same = await wire.request(4, "test.note", params, inputs=[{"name": "o", "blob": output["blob"]}])
        assert same["outputs"] == again["outputs"] and same["meta"]["cached"]
        data = await wire.request(5, "test.read", {}, inputs=[{"name": "d", "data": MARK * 3}], key="k")
        assert data["value"] == [MARK * 3]
    url, token = f"/blobs/{output['blob']}", f"Bearer {daemon.file.token}"
    _, whole = await asyncio.to_thread(page, daemon.file, url, authorization=token)
    assert whole == MARK + b"!"
    response, part = await asyncio.to_thread(page, daemon.file, url, authorization=token, range="bytes=1-3")
    assert (response.status, part) == (206, MARK[1:4])
    await asyncio.to_thread(daemon.stop)
    for path in blobs.rglob("*"):
        assert not path.is_file() or MARK not in path.read_bytes(), path


async def test_blobs_of_other_projects_stay_as_they_are(start: Start, tmp_path: Path) -> None:
    (tmp_path / "texture.bin").write_bytes(MARK)
    daemon = start()
    async with session(daemon.file, project={"id": "p", "name": "P", "root": str(tmp_path)}) as wire:
        made = await wire.request(
            1, "test.note", {"log": str(tmp_path / "log")},
            inputs=[{"name": "t", "path": str(tmp_path / "texture.bin")}],
        )  # fmt: skip
    assert (daemon.paths.blobs / made["outputs"][0]["blob"]).read_bytes() == MARK + b"!"


@pytest.mark.skipif(sys.platform == "win32", reason="others have no folder of files in memory")
def test_copies_are_never_deleted_through_a_link_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everyone may create names in the folder of files in memory, and this one can be foretold."""
    mine = tmp_path / "documents"
    mine.mkdir(mode=0o700)
    (mine / "novel.txt").write_text("the only copy")
    place = tmp_path / "memory"
    place.symlink_to(mine)
    monkeypatch.setattr(blob_encryption, "_memory_folder", lambda blobs: place)
    copies = blob_encryption.PlainCopies(tmp_path / "blobs", Vault([OLD]))
    copies.close()
    assert (mine / "novel.txt").read_text() == "the only copy"
