"""Responses go onto the shelf and come off it whole, or not at all."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.messages import OutputRef, ResultMeta
from bridge.server.cache import ResponseStore, copy_response
from bridge.server.executors import Response
from bridge.store.blobs import BlobStore
from bridge.store.response_tables import CachedResponse
from bridge.store.responses import Responses

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[ResponseStore]:
    responses = Responses(tmp_path / "responses.db", 1 << 20)
    await responses.open()
    yield ResponseStore(responses, BlobStore(tmp_path / "blobs", 1 << 20))
    await responses.close()


def response(value: Any, *outputs: OutputRef) -> Response:
    return Response(
        value, list(outputs), ResultMeta(device="CPU", reason="r", batch=3, queued_ms=1, run_ms=2)
    )


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "x", b"x", [1, {"a": [b"y", None]}]])
async def test_what_was_put_is_found_with_nothing_of_the_run_but_its_device(
    shelf: ResponseStore, value: Any
) -> None:
    await shelf.put(KEY, 1, response(value))
    expected = Response(value, [], ResultMeta(cached=True, device="CPU"))
    assert shelf.hot(KEY) == await shelf.find(KEY) == expected
    assert await shelf.find(b"o" * 32) is None


async def test_what_cant_be_packed_isnt_kept(shelf: ResponseStore) -> None:
    for value in (object(), 2**70, "\ud800"):
        await shelf.put(KEY, 1, response(value))
        assert await shelf.find(KEY) is None


@pytest.mark.parametrize("packed", [b"rubbish", b"\x81\xa5value\xa1\xff"])
async def test_what_cant_be_unpacked_is_forgotten(shelf: ResponseStore, packed: bytes) -> None:
    await shelf.responses.keep(CachedResponse(KEY, 1, packed, {}))
    assert await shelf.find(KEY) is None
    await shelf.responses.flush()
    assert shelf.responses.entries == 0


async def test_nobody_waits_for_a_response_to_be_forgotten_where_another_program_holds_the_file(
    shelf: ResponseStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = shelf._blobs.put(b"12345")
    output = OutputRef(name="o", media_type="x/y", size=5, blob=name)
    for key in (KEY, OTHER):
        await shelf.put(key, 1, response(1, output))
    await shelf.responses.flush()
    shelf.responses._memory.clear()
    (tmp_path / "blobs" / name).unlink()
    with contextlib.closing(sqlite3.connect(tmp_path / "responses.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert await shelf.find(KEY) is None
        # What has waited for the other program in vain would say so.
        assert caplog.text == "" and shelf.responses.entries == 2
        await shelf.put(KEY, 1, response(2))
    found = await shelf.find(KEY)
    assert found is not None and found.value == 2
    assert await shelf.find(OTHER) is None
    await shelf.responses.flush()
    assert shelf.responses.entries == 1 and await shelf.responses.blobs() == set()


async def test_a_response_is_whole_only_with_all_its_files(shelf: ResponseStore, tmp_path: Path) -> None:
    name = shelf._blobs.put(b"12345")
    output = OutputRef(name="o", media_type="x/y", size=5, blob=name)
    await shelf.put(KEY, 1, response(1, output))
    found = await shelf.find(KEY)
    assert found is not None and found.outputs == [output]
    (tmp_path / "blobs" / name).unlink()
    assert shelf.hot(KEY) is None
    await shelf.responses.flush()
    assert shelf.responses.entries == 0 and await shelf.responses.blobs() == set()


def test_a_copy_has_a_value_of_its_own() -> None:
    one = response({"a": [1]})
    other = copy_response(one)
    assert other == one
    other.value["a"].append(2)
    assert one.value == {"a": [1]}
    plain = response("x")
    assert copy_response(plain) is plain
