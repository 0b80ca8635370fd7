"""Too many open files are an error of their own that can be retried, wherever they are met."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from accel.execution import worker
from accel.execution.worker import store_output
from accel.image.decode import decode_image
from accel.workload import Input, Limits, OutputFile, WorkloadError
from bridge.core import errors
from bridge.core.errors import OutOfDescriptors, StoreError
from bridge.store import uploads
from bridge.store.blobs import BlobStore, write_error
from bridge.store.records import as_store_error
from tests.server.caller import Caller, name_of
from tests.server.conftest import start  # noqa: F401
from tests.server.daemons import ThreadDaemon

NUMBERS = [errno.EMFILE, errno.ENFILE]


def fail(number: int) -> Callable[..., Any]:
    def opens(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return opens


@pytest.mark.parametrize("number", NUMBERS)
def test_a_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    store = BlobStore(tmp_path / "blobs", 1000, 0)
    monkeypatch.setattr(Path, "write_bytes", fail(number))
    with pytest.raises(errors.RequestError) as caught:
        store.put(b"x")
    assert (caught.value.code, caught.value.code.retryable) == (errors.OUT_OF_DESCRIPTORS, True)
    assert caught.value.retry_after_ms > 0
    assert write_error("a", OSError(errno.ENOSPC, "full")).code is errors.STORAGE_FULL


@pytest.mark.parametrize("number", NUMBERS)
def test_what_a_workload_makes_and_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(worker, "_write", fail(number))
    with pytest.raises(WorkloadError) as caught:
        store_output(OutputFile("a.png", "image/png", b"x"), tmp_path)
    assert caught.value.code == errors.OUT_OF_DESCRIPTORS.name
    source = tmp_path / "a.png"
    source.write_bytes(b"x")
    monkeypatch.setattr(Path, "open", fail(number))
    with pytest.raises(WorkloadError) as caught:
        decode_image(Input("a.png", str(source)), Limits(100, "", {}))
    assert caught.value.code == errors.OUT_OF_DESCRIPTORS.name


def test_the_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "nowhere" / "a.db").execute("SELECT 1")
    missing = as_store_error(caught.value)
    assert isinstance(missing, StoreError) and not isinstance(missing, OutOfDescriptors)
    assert errors.unavailable(missing).code is errors.STORE_UNAVAILABLE
    monkeypatch.setattr(os, "open", fail(errno.EMFILE))
    out = as_store_error(caught.value)
    assert isinstance(out, OutOfDescriptors)
    assert errors.unavailable(out).code is errors.OUT_OF_DESCRIPTORS


def test_an_upload_is_answered_with_503_and_when_to_retry(
    start: Callable[..., ThreadDaemon],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = start()
    monkeypatch.setattr(uploads, "FileIO", fail(errno.EMFILE))
    call = Caller(daemon)
    response, body = call("PUT", name_of(b"x"), b"x")
    assert response.status == 503
    assert int(response.headers["retry-after"]) >= 1
    assert b"out_of_descriptors" in body
    monkeypatch.setattr(uploads, "FileIO", FileIO)
    assert call("PUT", name_of(b"x"), b"x")[0].status == 201
    call.close()
