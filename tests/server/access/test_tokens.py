"""Tokens of a running daemon: they let in at once, and no longer once they are revoked or have expired."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.core import auth
from bridge.core.errors import StoreError
from bridge.paths import ConnectionFile
from bridge.server.access import authenticator
from bridge.server.access.tokens import MAX_BODY, CreatedToken, NewToken
from tests.server.daemons import ThreadDaemon, until
from tests.server.pages import bearer, page
from tests.server.wire import Wire, dial, identity, proof, resume, session

NONCE = "0a" * 16
TOOL = {"kind": "tool", "name": "ci", "version": "1"}

Start = Callable[..., ThreadDaemon]


@pytest.fixture
def running(start: Start) -> ThreadDaemon:
    return start()


def create(daemon: ThreadDaemon, *scopes: str, name: str = "ci", **fields: Any) -> CreatedToken:
    new = NewToken(name=name, scopes=[*scopes], **fields)
    made: CreatedToken = daemon.call(daemon.bridge.tokens.create(new))
    return made


async def come_in(wire: Wire, file: ConnectionFile, token: str, **changes: Any) -> dict[str, Any]:
    fields = {"client": TOOL, "auth": proof(file, wire, NONCE, token), **changes}
    await wire.send("identify", **identity(file, **fields))
    wire.ready = await wire.receive()
    return wire.ready


def door(file: ConnectionFile, token: str) -> Any:
    return dial(file, nonce=NONCE, token_id=auth.token_id(token))


def ask(
    file: ConnectionFile, method: str, path: str, body: bytes = b"", token: str | None = None
) -> tuple[int, Any]:
    client = HTTPConnection(urlsplit(file.http).netloc, timeout=30)
    try:
        client.request(method, path, body or None, bearer(file, token))
        response = client.getresponse()
        return response.status, json.loads(response.read())
    finally:
        client.close()


async def test_a_new_token_lets_its_client_in_with_its_scopes(running: ThreadDaemon) -> None:
    made = create(running, "tool", "read-only")
    async with door(running.file, made.token) as wire:
        offer = wire.hello["auth"]
        message = auth.signed_message(made.info.id, NONCE, offer["nonce"])
        assert auth.server_proof_matches(offer["proof"], made.token, message)
        assert (await come_in(wire, running.file, made.token))["scopes"] == ["tool", "read-only"]


async def test_the_token_itself_lets_older_clients_and_curl_in(running: ThreadDaemon) -> None:
    made = create(running, "tool")
    async with session(running.file, auth={"token": made.token}, client=TOOL) as wire:
        assert wire.ready["scopes"] == ["tool"]
    assert page(running.file, "/status", **bearer(running.file, made.token))[0].status == 200


@pytest.mark.parametrize("way", ["revoke", "rotate"])
async def test_a_revoked_tokens_sessions_end_at_once_and_for_good(running: ThreadDaemon, way: str) -> None:
    file, made = running.file, create(running, "tool")
    async with session(file) as other, door(file, made.token) as wire:
        await come_in(wire, file, made.token)
        http = bearer(file, wire.ready["http_token"])
        assert page(file, "/status", **http)[0].status == 200
        method, path = ("DELETE", "ci") if way == "revoke" else ("POST", f"{made.info.id}/rotate")
        status, answer = ask(file, method, f"/tokens/{path}")
        assert status == (200 if way == "revoke" else 201)
        assert (await wire.closed())[0] == 4014
        assert page(file, "/status", **http)[0].status == 401
        assert page(file, "/status", **bearer(file, made.token))[0].status == 401
        for more in ({}, {"resume": resume(wire)}):
            async with door(file, made.token) as again:
                # It still learns from the daemon itself what has happened.
                assert auth.server_proof_matches(
                    again.hello["auth"]["proof"],
                    made.token,
                    auth.signed_message(made.info.id, NONCE, again.hello["auth"]["nonce"]),
                )
                await again.send(
                    "identify", **identity(file, auth=proof(file, again, NONCE, made.token), **more)
                )
                assert (await again.closed())[0] == 4014
        assert (await other.request(1, "bridge.echo"))["type"] == "result"
    if way == "rotate":
        async with door(file, answer["token"]) as new:
            assert (await come_in(new, file, answer["token"]))["scopes"] == ["tool"]


async def test_a_token_that_expires_ends_its_sessions(running: ThreadDaemon) -> None:
    file, made = running.file, create(running, "tool", expires_s=0.5)
    async with door(file, made.token) as wire:
        await come_in(wire, file, made.token)
        assert (await wire.closed())[0] == 4014
    async with door(file, made.token) as late:
        await late.send("identify", **identity(file, auth=proof(file, late, NONCE, made.token)))
        assert (await late.closed())[0] == 4014


async def test_a_token_revoked_while_its_client_comes_in_lets_nobody_in(
    running: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, made = running.file, create(running, "tool")
    opens = running.bridge.sessions.open

    async def slow(*asked: Any) -> Any:
        found = await opens(*asked)
        await running.bridge.tokens.revoke("ci")
        return found

    monkeypatch.setattr(running.bridge.sessions, "open", slow)
    async with door(file, made.token) as wire:
        await wire.send("identify", **identity(file, client=TOOL, auth=proof(file, wire, NONCE, made.token)))
        assert (await wire.closed())[0] in (4014, 4011)


async def test_tokens_outlive_the_daemon_and_so_does_their_end(start: Start) -> None:
    first = start()
    kept, gone = create(first, "tool", name="kept"), create(first, "tool", name="gone")
    first.call(first.bridge.tokens.revoke("gone"))
    first.stop()
    second = start()
    async with door(second.file, kept.token) as wire:
        await come_in(wire, second.file, kept.token)
    async with door(second.file, gone.token) as wire:
        await wire.send("identify", **identity(second.file, auth=proof(second.file, wire, NONCE, gone.token)))
        assert (await wire.closed())[0] == 4014


async def test_a_session_belongs_to_the_token_that_opened_it_also_after_a_restart(start: Start) -> None:
    first = start()
    mine, other = create(first, "tool", name="mine"), create(first, "tool", name="other")
    async with door(first.file, mine.token) as wire:
        await come_in(wire, first.file, mine.token)
        back = resume(wire)
    first.stop()
    file = start().file
    for token in (other.token, file.token):
        async with door(file, token) as thief:
            fields = identity(file, auth=proof(file, thief, NONCE, token), client=TOOL, resume=back)
            await thief.send("identify", **fields)
            assert (await thief.closed())[0] == 4011
    async with door(file, mine.token) as wire:
        assert (await come_in(wire, file, mine.token, resume=back))["resumed"]


async def test_the_last_use_is_stored_but_not_for_each_request(
    running: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(running, "read-only")
    begin = time.time()
    for _ in range(3):
        assert page(running.file, "/status", **bearer(running.file, made.token))[0].status == 200
    until(lambda: ask(running.file, "GET", "/tokens")[1]["tokens"][0]["used"], "the last use")
    used = ask(running.file, "GET", "/tokens")[1]["tokens"][0]["used"]
    assert begin <= used <= time.time()
    monkeypatch.setattr(authenticator, "USE_INTERVAL_S", 0.0)
    page(running.file, "/status", **bearer(running.file, made.token))
    until(lambda: ask(running.file, "GET", "/tokens")[1]["tokens"][0]["used"] > used, "the next use")


def test_tokens_are_managed_over_http(running: ThreadDaemon) -> None:
    file = running.file
    status, made = ask(file, "POST", "/tokens", b'{"name": "ci", "scopes": ["tool"], "expires_s": 60}')
    assert status == 201 and made["info"]["scopes"] == ["tool"]
    assert made["info"]["expires"] - made["info"]["created"] == pytest.approx(60)
    status, listed = ask(file, "GET", "/tokens")
    assert (status, listed["tokens"]) == (200, [made["info"]])
    assert made["token"].partition(".")[2] not in json.dumps(listed)
    assert ask(file, "DELETE", "/tokens/ci")[0] == 200
    status, refused = ask(file, "DELETE", "/tokens/ci")
    assert (status, refused["code"]) == (400, "bad_input")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_input"),
        (b"[]", 400, "bad_input"),
        (b"{", 400, "bad_input"),
        (b'{"name": "\xff", "scopes": []}', 400, "bad_input"),
        (b'{"name": "a", "scopes": ["root"]}', 400, "bad_input"),
        (b'{"name": "a", "scopes": "tool"}', 400, "bad_input"),
        (b'{"name": "a/b", "scopes": ["tool"]}', 400, "bad_input"),
        (b" " * (MAX_BODY + 1), 413, "too_large"),
    ],
)
def test_what_is_no_token_is_refused(file: ConnectionFile, body: bytes, status: int, code: str) -> None:
    found, answer = ask(file, "POST", "/tokens", body)
    assert (found, answer["code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/tokens"), ("POST", "/tokens"), ("DELETE", "/tokens/ci")]
)
def test_only_an_administrator_manages_tokens(daemon: ThreadDaemon, method: str, path: str) -> None:
    made = create(daemon, "editor", "console", "tool", name=f"{method} by an editor")
    status, answer = ask(daemon.file, method, path, b"{}" if method == "POST" else b"", made.token)
    assert (status, answer["code"]) == (403, "forbidden")
    assert "`admin`" in answer["hint"]


def test_while_the_store_fails_nothing_changes(
    running: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(running, "read-only")

    async def broken(*_: Any, **__: Any) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(running.bridge.store, "write", broken)
    status, answer = ask(running.file, "DELETE", "/tokens/ci")
    assert (status, answer["code"]) == (503, "store_unavailable")
    assert page(running.file, "/status", **bearer(running.file, made.token))[0].status == 200


def test_damaged_tokens_let_nobody_in_and_dont_keep_the_daemon_from_starting(start: Start) -> None:
    first = start()
    made = create(first, "read-only")
    first.stop()
    with contextlib.closing(sqlite3.connect(first.paths.database)) as database, database:
        database.execute("UPDATE tokens SET name = CAST(X'FF' AS TEXT)")
    second = start()
    assert page(second.file, "/status", **bearer(second.file, made.token))[0].status == 401
    assert page(second.file, "/status", **bearer(second.file))[0].status == 200


def test_the_tokens_of_an_older_database_are_none(tmp_path: Path, start: Start) -> None:
    assert ask(start().file, "GET", "/tokens") == (200, {"tokens": []})


@pytest.fixture(autouse=True)
def _quick(impatient: None) -> Iterator[None]:
    yield
