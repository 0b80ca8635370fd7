"""The master key changes, goes and comes back while the daemon runs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreError
from bridge.server import key_watch
from bridge.store import key_rotation
from bridge.store.backups import make_backup
from bridge.store.blob_encryption import is_encrypted
from bridge.store.encryption import key_id, new_key
from bridge.store.key_rotation import KeyRotation, copy_form
from bridge.store.master_key import MasterKey, write_keys
from tests.security.stored import form
from tests.server.advised import popup
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import session

Start = Callable[..., ThreadDaemon]


@pytest.fixture(autouse=True)
def _impatient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_watch, "POLL_S", 0.05)
    monkeypatch.setattr(key_watch, "RETRY_S", 0.1)


def master(daemon: ThreadDaemon) -> MasterKey:
    return MasterKey.find(daemon.paths.data, home=True)


async def rotated(daemon: ThreadDaemon) -> str:
    """The id of the new key, once it is the only one."""
    key = new_key()
    await asyncio.to_thread(master(daemon).add, key)
    await asyncio.to_thread(until, lambda: master(daemon).read().keys == (key,), "the earlier key to go")
    return key_id(key)


async def test_rows_lists_blobs_results_and_backups_follow_the_key(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "popbridge.toml").write_text("[privacy]\nencrypt = true\n")
    (root / "a.bin").write_bytes(b"pixels")
    daemon = start()
    async with session(daemon.file, project={"id": "p", "name": "P", "root": str(root)}) as wire:
        shown = await popup(wire, title="before", rows=2000)
        params, inputs = {"log": str(tmp_path / "log")}, [{"name": "a", "path": str(root / "a.bin")}]
        made = await wire.request(1, "test.note", params, inputs=inputs)
        backup = await asyncio.to_thread(make_backup, daemon.paths.database)
        key = await rotated(daemon)
        assert form(daemon.paths) == copy_form(backup) == key
        for name in (shown["items_blob"], made["outputs"][0]["blob"]):
            content = (daemon.paths.blobs / name).read_bytes()
            assert is_encrypted(daemon.paths.blobs / name)
            assert bytes.fromhex(key) in content[:40]
        again = await wire.request(2, "test.note", params, inputs=inputs)
        assert again["meta"]["cached"] and again["outputs"] == made["outputs"]
        assert daemon.popup(shown["id"]) is not None


async def test_lists_of_an_earlier_version_are_encrypted_and_decrypted_again(start: Start) -> None:
    plain = start(encryption=False)
    async with session(plain.file) as wire:
        shown = await popup(wire, rows=2000)
    await asyncio.to_thread(plain.stop)
    path = plain.paths.blobs / shown["items_blob"]
    used = path.stat().st_mtime_ns
    daemon = start()
    await asyncio.to_thread(until, lambda: is_encrypted(path), "the list to be encrypted")
    await asyncio.to_thread(until, lambda: form(daemon.paths), "the rows")
    await asyncio.to_thread(daemon.stop)
    assert path.stat().st_mtime_ns == used
    start(encryption=False)
    await asyncio.to_thread(until, lambda: not is_encrypted(path), "the list to be decrypted")


@pytest.mark.parametrize("how", ["deleted", "another", "garbled"])
async def test_a_key_that_goes_while_the_daemon_runs_is_told_and_it_goes_on(
    start: Start, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    daemon = start()
    await asyncio.to_thread(until, lambda: form(daemon.paths), "the rows")
    file = daemon.paths.data / "master.key"
    content = file.read_bytes()
    if how == "deleted":
        file.unlink()
    elif how == "another":
        write_keys(file, [new_key()])
    else:
        file.write_text("a letter")
    await asyncio.to_thread(until, lambda: "master key" in caplog.text, "it to be told")
    async with session(daemon.file) as wire:
        shown = await popup(wire, title="kept")
        assert daemon.popup(shown["id"]) is not None
    file.write_bytes(content)
    await rotated(daemon)


async def test_a_conversion_that_fails_is_continued(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = [StoreError("full"), OSError("full"), sqlite3.OperationalError("full")]
    settle = KeyRotation.settle

    async def failing(self: KeyRotation, *more: Any) -> bool:
        if errors:
            raise errors.pop()
        return await settle(self, *more)

    monkeypatch.setattr(KeyRotation, "settle", failing)
    daemon = start()
    await asyncio.to_thread(until, lambda: form(daemon.paths), "the rows")
    assert caplog.text.count("continued later") == 3


async def test_a_copy_that_is_damaged_is_named_and_doesnt_hold_up_the_rest(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "PAUSE_S", 0.0)
    daemon = start()
    damaged = daemon.paths.database.with_name("popbridge.db.old-20260101-000000")
    damaged.write_bytes(b"a letter" * 1000)
    left = daemon.paths.database.with_name(".popbridge.db.0123456789ab")
    left.write_bytes(b"left by a killed process")
    await rotated(daemon)
    assert damaged.name in caplog.text and damaged.read_bytes().startswith(b"a letter")
    assert not left.exists()
