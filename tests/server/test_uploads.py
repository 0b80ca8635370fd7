"""Uploads that break off and are taken up again."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from bridge.server import blobs
from bridge.store.uploads import Upload
from tests.server.caller import Caller, name_of
from tests.server.daemons import ProcessDaemon, ThreadDaemon, until

PARTIAL = {"Content_Type": "application/partial-upload"}


@pytest.fixture
def call(daemon: ThreadDaemon) -> Iterator[Caller]:
    made = Caller(daemon)
    yield made
    for path in made.waiting():
        daemon.bridge.blobs.parts.forget(path.name[:64])
    made.close()


@pytest.fixture
def data() -> bytes:
    """Bytes that no other test uploads."""
    return os.urandom(3_000_000)


def offset(call: Caller, name: str) -> int:
    response, _ = call("HEAD", f"{name}/upload")
    assert response.status == 204
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["upload-complete"] == "?0"
    return int(response.headers["upload-offset"])


def append(
    call: Caller, name: str, body: object, at: int, complete: str = "?1", **more: str
) -> tuple[HTTPResponse, bytes]:
    headers = {"Upload_Offset": str(at), "Upload_Complete": complete, **PARTIAL, **more}
    return call("PATCH", f"{name}/upload", body, **headers)


def broken(
    call: Caller, method: str, path: str, body: bytes, total: int, *headers: str, had: int = 0
) -> None:
    """Sends the beginning of a body, and hangs up once more than `had` bytes are kept."""
    with call.raw(method, path, f"Content-Length: {total}", *headers) as connection:
        connection.sendall(body)
        name = path.partition("/")[0]
        until(lambda: any(p.stat().st_size > had for p in call.waiting() if name in p.name), "some of it")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def idle(call: Caller, name: str, at_least: int) -> int:
    """How much waits, once it does."""
    return int(until(lambda: (found := offset(call, name)) >= at_least and found, "the part to wait"))


# The whole way.


def test_an_upload_goes_on_where_the_connection_broke(call: Caller, data: bytes) -> None:
    name = name_of(data)
    broken(call, "PUT", name, data[:2_000_000], len(data))
    at = idle(call, name, 1_000_000)
    response, _ = append(call, name, data[at:], at)
    assert response.status == 201
    assert response.headers["upload-complete"] == "?1"
    assert call("GET", name)[1] == data
    assert not call.waiting()


def test_it_may_break_again_and_again(call: Caller, data: bytes) -> None:
    name, at = name_of(data), 0
    for _ in range(3):
        headers = (f"Upload-Offset: {at}", "Upload-Complete: ?1", "Content-Type: application/partial-upload")
        broken(call, "PATCH", f"{name}/upload", data[at : at + 700_000], len(data) - at, *headers, had=at)
        at = idle(call, name, at + 1)
    assert append(call, name, data[at:], at)[0].status == 201
    assert call("GET", name)[1] == data


def test_it_goes_on_after_the_daemon_was_killed(process: ProcessDaemon, data: bytes) -> None:
    name = name_of(data)
    daemon: ThreadDaemon = process  # type: ignore[assignment]
    process.file = process.start()  # type: ignore[attr-defined]
    call = Caller(daemon)
    with call.raw("PUT", name, f"Content-Length: {len(data)}") as connection:
        connection.sendall(data[:2_000_000])
        until(lambda: sum(p.stat().st_size for p in call.waiting()) > 1_000_000, "some of it")
        process.kill()
    process.file = process.start()  # type: ignore[attr-defined]
    call = Caller(daemon)
    at = offset(call, name)
    assert 1_000_000 < at <= 2_000_000
    assert append(call, name, data[at:], at)[0].status == 201
    assert call("GET", name)[1] == data
    call.close()


def test_a_blob_may_come_in_parts_whose_number_nobody_knows(call: Caller, data: bytes) -> None:
    name = name_of(data)
    response, _ = call("PUT", name, data[:1_000_000], Upload_Complete="?0")
    assert (response.status, response.headers["location"]) == (201, f"/blobs/{name}/upload")
    assert response.headers["upload-offset"] == "1000000"
    response, _ = append(call, name, iter([data[1_000_000:]]), 1_000_000, "?0", Transfer_Encoding="chunked")
    assert (response.status, response.headers["upload-complete"]) == (204, "?0")
    assert offset(call, name) == len(data)
    assert append(call, name, b"", len(data))[0].status == 201
    assert call("GET", name)[1] == data


def test_an_upload_may_begin_where_nothing_is(call: Caller, data: bytes) -> None:
    name = name_of(data)
    assert offset(call, name) == 0
    assert append(call, name, data, 0)[0].status == 201


def test_how_much_may_come_is_told_beforehand(call: Caller) -> None:
    for path in ("1" * 64, f"{'1' * 64}/upload"):
        response, _ = call("OPTIONS", path)
        assert response.status == 204
        assert response.headers["accept-patch"] == "application/partial-upload"
        assert response.headers["upload-limit"] == f"max-size={1 << 30}, max-age=86400"
    assert "max-size" in call("HEAD", f"{'1' * 64}/upload")[0].headers["upload-limit"]


# What is whole.


def test_of_what_is_whole_all_has_come(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, data)
    response, _ = call("HEAD", f"{name}/upload")
    assert (response.status, response.headers["upload-complete"]) == (204, "?1")
    assert response.headers["upload-offset"] == response.headers["upload-length"] == str(len(data))


def test_adding_to_what_is_whole_changes_nothing(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, data)
    response, _ = append(call, name, b"more", 17)
    assert (response.status, response.headers["upload-complete"]) == (200, "?1")
    assert call("GET", name)[1] == data


def test_the_beginning_of_what_is_whole_needs_no_more(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, data)
    response, _ = call("PUT", name, data[:1000], Upload_Complete="?0")
    assert (response.status, response.headers["upload-complete"]) == (200, "?1")


# What is refused.


def test_another_offset_is_refused_with_the_right_one(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, data[:1000], Upload_Complete="?0")
    for wrong in (0, 999, 1001, 10**15 - 1):
        response, _ = append(call, name, b"x", wrong)
        if wrong < 1 << 30:
            assert (response.status, response.headers["upload-offset"]) == (409, "1000")
        else:
            assert response.status == 413
    assert offset(call, name) == 1000


def test_wrong_bytes_are_refused_when_all_have_come_and_then_forgotten(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, b"wrong", Upload_Complete="?0")
    response, body = append(call, name, data[5:], 5)
    assert response.status == 400 and b"upload the blob again" in body
    assert offset(call, name) == 0 and not call.waiting()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload_Offset": "0", "Upload_Complete": "?1"}, 415),
        ({"Upload_Offset": "0", "Upload_Complete": "?1", "Content_Type": "text/plain"}, 415),
        ({"Upload_Complete": "?1", **PARTIAL}, 400),
        ({"Upload_Offset": "0", **PARTIAL}, 400),
        ({"Upload_Offset": "-1", "Upload_Complete": "?1", **PARTIAL}, 400),
        ({"Upload_Offset": "1.0", "Upload_Complete": "?1", **PARTIAL}, 400),
        ({"Upload_Offset": "0", "Upload_Complete": "1", **PARTIAL}, 400),
        ({"Upload_Offset": "0", "Upload_Complete": "true", **PARTIAL}, 400),
    ],
)
def test_an_append_that_doesnt_say_what_it_is_is_refused(
    call: Caller, headers: dict[str, str], status: int
) -> None:
    response, body = call("PATCH", f"{'2' * 64}/upload", b"x", **headers)
    assert response.status == status and b"message" in body


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_a_name_that_is_none_has_no_uploads(call: Caller, method: str) -> None:
    headers = {"Upload_Offset": "0", "Upload_Complete": "?1", **PARTIAL}
    assert call(method, "x/upload", b"x" if method == "PATCH" else None, **headers)[0].status == 400


def test_more_than_is_taken_is_refused_at_once(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__max_size=1000))
    name = "3" * 64
    call("PUT", name, b"x" * 600, Upload_Complete="?0")
    assert append(call, name, b"x" * 600, 600)[0].status == 413
    assert offset(call, name) == 600
    call.close()


def test_an_upload_can_be_given_up(call: Caller, data: bytes) -> None:
    name = name_of(data)
    call("PUT", name, data[:1000], Upload_Complete="?0")
    assert call("DELETE", f"{name}/upload")[0].status == 204
    assert offset(call, name) == 0 and not call.waiting()


# Several at once.


def test_two_uploads_of_one_blob_at_once_both_end_well(call: Caller, data: bytes) -> None:
    name = name_of(data)
    headers = ("Content-Type: application/partial-upload", "Upload-Offset: 0", "Upload-Complete: ?1")
    with call.raw("PATCH", f"{name}/upload", f"Content-Length: {len(data)}", *headers) as slow:
        slow.sendall(data[:1_000_000])
        until(call.waiting, "the first one to begin")
        with call.raw("PUT", name, f"Content-Length: {len(data)}") as other:
            other.sendall(data)
            assert other.recv(4096).startswith(b"HTTP/1.1 201 ")
        slow.sendall(data[1_000_000:])
        assert slow.recv(4096).startswith(b"HTTP/1.1 201 ")
    assert call("GET", name)[1] == data
    until(lambda: not call.waiting(), "the parts to go")


def test_who_asks_disturbs_nobody_who_is_sending(call: Caller, data: bytes) -> None:
    name = name_of(data)
    asked, goes_on = threading.Event(), itertools.count()
    with call.raw("PUT", name, f"Content-Length: {len(data)}") as slow:

        def send() -> None:
            while not asked.wait(0.01):
                slow.sendall(data[(at := next(goes_on)) : at + 1])
            slow.sendall(data[next(goes_on) :])

        sending = threading.Thread(target=send)
        sending.start()
        until(lambda: call.daemon.look(lambda: name in call.daemon.bridge.uploads.active), "it to begin")
        assert offset(call, name) == 0
        asked.set()
        sending.join()
        assert slow.recv(4096).startswith(b"HTTP/1.1 201 ")


def test_an_upload_that_stalls_makes_way_for_the_next_try(
    call: Caller, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "STALL_S", 0.5)
    name = name_of(data)
    with call.raw("PUT", name, f"Content-Length: {len(data)}") as half_open:
        half_open.sendall(data[:1_000_000])
        until(call.waiting, "it to begin")
        at = idle(call, name, 1)
        assert half_open.recv(4096).startswith(b"HTTP/1.1 408 ")
    assert append(call, name, data[at:], at)[0].status == 201
    assert call("GET", name)[1] == data


def test_an_upload_of_which_nothing_comes_any_more_ends(
    call: Caller, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "IDLE_S", 0.2)
    name = name_of(data)
    with call.raw("PUT", name, f"Content-Length: {len(data)}") as half_open:
        half_open.sendall(data[:1000])
        told = half_open.recv(4096)
    assert told.startswith(b"HTTP/1.1 408 ") and b"upload-offset: 1000" in told


def test_a_daemon_that_stops_keeps_what_has_come(start: Callable[..., ThreadDaemon], data: bytes) -> None:
    daemon = start()
    call = Caller(daemon)
    name = name_of(data)
    with call.raw("PUT", name, f"Content-Length: {len(data)}") as connection:
        connection.sendall(data[:1000])
        under_way = daemon.bridge.uploads.active
        until(lambda: daemon.look(lambda: name in under_way), "it to begin")
        daemon.stop()
    (part,) = call.waiting()
    assert part.read_bytes() == data[:1000]
    call.close()


# A full disk.


def tmpfs(folder: Path, size: str) -> bool:
    """Whether a small disk could be put there."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="mounts a small disk")
def test_a_full_disk_is_said_and_what_nothing_names_makes_room(
    start: Callable[..., ThreadDaemon], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    disk = tmp_path / "home" / "blobs"
    if not tmpfs(disk, "4m"):
        pytest.skip("only root may mount a small disk")
    request.addfinalizer(lambda: subprocess.run(["umount", "-l", str(disk)], check=False))
    call = Caller(start())
    first, second = os.urandom(3 << 20), os.urandom(3 << 20)
    assert call("PUT", name_of(first), first)[0].status == 201
    response, body = call("PUT", name_of(second), second)
    assert response.status == 507
    assert b"no space left" in body and b"storage_full" in body
    assert not call.waiting()
    hour_ago = time.time() - 3600
    os.utime(call.blobs / name_of(first), (hour_ago, hour_ago))
    assert call("PUT", name_of(second), second)[0].status == 201
    assert call("GET", name_of(second))[1] == second
    assert call("GET", name_of(first))[0].status == 404
    call.close()


@pytest.mark.parametrize("step", ["write", "commit"])
def test_whatever_the_disk_says_is_said(
    call: Caller, data: bytes, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Upload, step, fails)
    response, body = call("PUT", name_of(data), data)
    assert response.status == 507 and b"input/output error" in body
    assert not call.waiting()
