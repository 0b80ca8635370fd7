"""Blobs in and out over HTTP."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator

import pytest

from bridge.server import blobs
from tests.server.caller import Caller, name_of
from tests.server.daemons import ThreadDaemon, until

DATA = b"0123456789"
NAME = name_of(DATA)
ETAG = f'"{NAME}"'


@pytest.fixture
def call(daemon: ThreadDaemon) -> Iterator[Caller]:
    made = Caller(daemon)
    yield made
    made.close()
    assert not made.waiting()


def got(call: Caller, **headers: str) -> tuple[int, bytes]:
    response, body = call("GET", NAME, **headers)
    return response.status, body


# In.


def test_what_was_put_can_be_had(call: Caller) -> None:
    (call.blobs / NAME).unlink(missing_ok=True)
    assert call("PUT", NAME, DATA)[0].status == 201
    response, body = call("GET", NAME)
    assert (response.status, body) == (200, DATA)
    assert response.headers["etag"] == ETAG
    assert response.headers["accept-ranges"] == "bytes"
    response, body = call("HEAD", NAME)
    assert (response.status, body, response.headers["content-length"]) == (200, b"", "10")


def test_putting_it_again_changes_nothing(call: Caller) -> None:
    call("PUT", NAME, DATA)
    inode = (call.blobs / NAME).stat().st_ino
    assert call("PUT", NAME, DATA)[0].status == 200
    assert (call.blobs / NAME).stat().st_ino == inode


def test_putting_it_again_counts_as_a_use(call: Caller) -> None:
    call("PUT", NAME, DATA)
    os.utime(call.blobs / NAME, (1e9, 1e9))
    call("PUT", NAME, DATA)
    assert (call.blobs / NAME).stat().st_mtime > 1.1e9


def test_other_bytes_under_a_name_that_is_there_are_refused(call: Caller) -> None:
    call("PUT", NAME, DATA)
    response, body = call("PUT", NAME, b"other")
    assert response.status == 400 and name_of(b"other").encode() in body
    assert (call.blobs / NAME).read_bytes() == DATA


def test_who_asks_first_needs_to_send_nothing_that_is_there(call: Caller) -> None:
    call("PUT", NAME, DATA)
    with call.raw("PUT", NAME, "Content-Length: 10", "Expect: 100-continue") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_who_asks_first_is_told_to_go_on_with_what_isnt_there(call: Caller) -> None:
    data = b"not there yet"
    with call.raw("PUT", name_of(data), "Content-Length: 13", "Expect: 100-continue") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(data)
        assert connection.recv(4096).startswith(b"HTTP/1.1 201 ")


def test_a_body_may_come_in_chunks(call: Caller) -> None:
    pieces = [os.urandom(70_000) for _ in range(20)]
    name = name_of(b"".join(pieces))
    response, _ = call("PUT", name, iter(pieces), Transfer_Encoding="chunked")
    assert response.status == 201
    assert call("GET", name)[1] == b"".join(pieces)


def test_nothing_at_all_is_a_blob(call: Caller) -> None:
    name = name_of(b"")
    assert call("PUT", name, b"")[0].status in (200, 201)
    response, body = call("GET", name)
    assert (response.status, body, response.headers["content-length"]) == (200, b"", "0")
    assert call("GET", name, Range="bytes=0-")[0].status == 416


def test_bytes_that_arent_those_of_the_name_are_refused(call: Caller) -> None:
    wrong = "0" * 64
    response, body = call("PUT", wrong, DATA)
    assert response.status == 400
    assert NAME.encode() in body
    assert not (call.blobs / wrong).exists()


def test_more_bytes_than_were_told_are_another_request_that_is_none(call: Caller) -> None:
    data = b"short"
    with call.raw("PUT", name_of(data), "Content-Length: 5") as connection:
        connection.sendall(data + b"and more\r\n\r\n")
        told = b""
        while block := connection.recv(4096):
            told += block
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"201", b"400"]


@pytest.mark.parametrize("length", ["-1", "x", "1, 2", "9" * 30])
def test_a_length_that_is_none_is_refused(call: Caller, length: str) -> None:
    with call.raw("PUT", NAME, f"Content-Length: {length}") as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("token", [None, "wrong", "ü"])
@pytest.mark.parametrize(
    ("method", "path"),
    [(method, NAME) for method in ("GET", "PUT", "HEAD", "OPTIONS")]
    + [(method, f"{NAME}/upload") for method in ("HEAD", "PATCH", "DELETE", "OPTIONS")],
)
def test_nothing_without_the_token(call: Caller, method: str, path: str, token: str | None) -> None:
    response, body = call(method, path, body=DATA if method[0] == "P" else None, token=token)
    assert response.status == 401
    assert method == "HEAD" or b"Bearer" in body


def test_another_scheme_than_bearer_is_none(call: Caller) -> None:
    response, _ = call("GET", NAME, token=None, Authorization=f"Basic {call.daemon.file.token}")
    assert response.status == 401


@pytest.mark.parametrize("name", ["x", NAME.upper(), "..%2F..%2Fetc%2Fpasswd", NAME + "0", "%00" * 64])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_name_that_is_none_is_refused(call: Caller, method: str, name: str) -> None:
    assert call(method, name, DATA if method == "PUT" else None)[0].status in (400, 404)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_blobs_know_no_other_method(call: Caller, method: str) -> None:
    assert call(method, NAME)[0].status == 405


def test_a_blob_that_says_it_is_too_large_isnt_taken(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__max_size=5))
    response, body = call("PUT", NAME, DATA)
    assert response.status == 413
    assert b"blobs.max_size" in body
    call.close()


def test_a_blob_that_turns_out_too_large_isnt_taken(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__max_size=5))
    response, _ = call("PUT", NAME, iter([DATA]), Transfer_Encoding="chunked")
    assert response.status == 413
    assert not call.waiting()
    call.close()


# Out.


def test_what_isnt_there_isnt_found(call: Caller) -> None:
    response, body = call("GET", "1" * 64)
    assert response.status == 404
    assert b"not_found" in body


def test_a_part_can_be_had(call: Caller) -> None:
    call("PUT", NAME, DATA)
    response, body = call("GET", NAME, Range="bytes=2-4")
    assert (response.status, body) == (206, b"234")
    assert response.headers["content-range"] == "bytes 2-4/10"
    assert got(call, Range="bytes=7-") == got(call, Range="bytes=-3") == (206, b"789")
    assert got(call, Range="bytes=8-300") == (206, b"89")


def test_several_parts_come_as_several_parts(call: Caller) -> None:
    call("PUT", NAME, DATA)
    response, body = call("GET", NAME, Range="bytes=0-1,8-9,50-")
    assert response.status == 206
    kind, _, boundary = response.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = [part.partition(b"\r\n\r\n") for part in body.split(b"--" + boundary.encode())[1:-1]]
    assert [data.removesuffix(b"\r\n") for _, _, data in parts] == [b"01", b"89"]
    assert b"content-range: bytes 0-1/10" in parts[0][0].lower()


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12,20-", "bytes=-0"])
def test_a_part_that_isnt_there_is_refused_with_the_size(call: Caller, asked: str) -> None:
    call("PUT", NAME, DATA)
    response, _ = call("GET", NAME, Range=asked)
    assert response.status == 416
    assert response.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=4-2", "bytes=x", "2-4"])
def test_a_range_that_cant_be_read_is_passed_over(call: Caller, asked: str) -> None:
    call("PUT", NAME, DATA)
    assert got(call, Range=asked) == (200, DATA)


def test_a_part_is_of_the_blob_that_the_client_means_or_all_comes(call: Caller) -> None:
    call("PUT", NAME, DATA)
    assert got(call, Range="bytes=2-4", If_Range=ETAG) == (206, b"234")
    for other in (f'"{"0" * 64}"', f"W/{ETAG}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert got(call, Range="bytes=2-4", If_Range=other) == (200, DATA)


def test_asking_what_is_there_has_no_parts(call: Caller) -> None:
    call("PUT", NAME, DATA)
    response, _ = call("HEAD", NAME, Range="bytes=2-4")
    assert (response.status, response.headers["content-length"]) == (200, "10")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
def test_who_has_it_already_is_told_so(call: Caller, method: str, known: str) -> None:
    call("PUT", NAME, DATA)
    response, body = call(method, NAME, If_None_Match=known)
    assert (response.status, body, response.headers["etag"]) == (304, b"", ETAG)


def test_who_has_another_gets_it(call: Caller) -> None:
    call("PUT", NAME, DATA)
    assert got(call, If_None_Match='"other"') == (200, DATA)


def test_reading_counts_as_a_use_once_an_hour(call: Caller) -> None:
    call("PUT", NAME, DATA)
    path = call.blobs / NAME
    for ago, dated_anew in ((1800, False), (2 * 3600, True)):
        then = time.time() - ago
        os.utime(path, (then, then))
        got(call)
        assert (path.stat().st_mtime > then + 60) is dated_anew


def test_while_it_is_read_it_stays(call: Caller) -> None:
    data = os.urandom(24 << 20)
    name = name_of(data)
    call("PUT", name, data)
    store = call.daemon.bridge.blobs
    with call.raw("GET", name, "Connection: close") as connection:
        received = connection.recv(100)
        assert store.remove(name, before=time.time() + 60) is None
        while block := connection.recv(1 << 20):
            received += block
    assert received.partition(b"\r\n\r\n")[2] == data
    until(lambda: store.remove(name, before=time.time() + 60), "the pin to go")


# Room.


def test_beyond_the_quota_nothing_is_taken_until_something_may_go(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "PAUSE_S", 0.0)
    call = Caller(start(blobs__quota=1000))
    first, second = b"1" * 700, b"2" * 700
    assert call("PUT", name_of(first), first)[0].status == 201
    response, body = call("PUT", name_of(second), second)
    assert response.status == 507
    assert b"storage_full" in body and b"blobs.quota" in body
    assert not call.waiting()
    hour_ago = time.time() - 3600
    os.utime(call.blobs / name_of(first), (hour_ago, hour_ago))
    assert call("PUT", name_of(second), second)[0].status == 201
    assert call("GET", name_of(first))[0].status == 404
    call.close()


def test_a_body_without_a_length_is_held_to_the_quota_too(start: Callable[..., ThreadDaemon]) -> None:
    call = Caller(start(blobs__quota=1 << 20))
    pieces = [os.urandom(1 << 19) for _ in range(4)]
    response, _ = call("PUT", name_of(b"".join(pieces)), iter(pieces), Transfer_Encoding="chunked")
    assert response.status == 507
    assert not call.waiting()
    assert call.daemon.bridge.blobs.used == 0
    call.close()
