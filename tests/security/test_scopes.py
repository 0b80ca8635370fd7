"""A token does what its scopes say and nothing else, whatever its client calls itself."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.routing import Route

from bridge.core.access import ROUTES
from bridge.paths import ConnectionFile
from bridge.server.access.tokens import NewToken
from tests.server.daemons import ThreadDaemon
from tests.server.pages import bearer, page
from tests.server.wire import Wire, dial, identity, proof, session

NONCE = "0a" * 16
BLOB = b"a blob"
NAME = hashlib.sha256(BLOB).hexdigest()
EVENT = {"name": "test.command", "data": {"args": {"changes": []}}}


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """They share worker processes."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("scopes") / "home").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def tokens(daemon: ThreadDaemon) -> dict[str, str]:
    """A token of each scope, and one for an agent to which more was granted."""
    made = {"agent+console": ["agent", "console"]}
    made |= {name: [name] for name in ("editor", "console", "tool", "agent", "read-only", "admin")}
    return {
        name: daemon.call(daemon.bridge.tokens.create(NewToken(name=name, scopes=scopes))).token
        for name, scopes in made.items()
    }


async def come_in(wire: Wire, file: ConnectionFile, token: str, kind: str) -> None:
    client = {"kind": kind, "name": "wire", "version": "1"}
    await wire.send("identify", **identity(file, client=client, auth=proof(file, wire, NONCE, token)))
    wire.ready = await wire.receive()
    assert wire.ready["type"] == "ready"


async def http(wire: Wire, file: ConnectionFile, method: str, path: str) -> bool:
    response, _ = page(file, path, method, **bearer(file, wire.ready["http_token"]))
    assert response.status in (200, 201, 204, 400, 403, 404), response.status
    return response.status != 403


async def asked(wire: Wire, workload: str, **more: Any) -> bool:
    answer = await wire.request(1, workload, **more)
    return answer.get("code") != "forbidden"


async def taken(wire: Wire, kind: str, **fields: Any) -> bool:
    """Whether a message that gets no answer is taken."""
    await wire.send(kind, **fields)
    await wire.send("request", id=9, workload="bridge.echo")
    while True:
        message = await wire.receive()
        if message["type"] == "error" and "id" not in message:
            assert message["code"] == "forbidden" and message["outcome"] == "not_started"
            assert "admin" in message["hint"] or "--scope agent" in message["hint"]
            return False
        if message.get("id") == 9 and message["type"] in ("result", "error"):
            return True


Act = Callable[[Wire, ConnectionFile], Awaitable[bool]]

ACTS: dict[str, Act] = {
    "read the status": lambda wire, file: http(wire, file, "GET", "/status"),
    "read the metrics": lambda wire, file: http(wire, file, "GET", "/metrics"),
    "read a blob": lambda wire, file: http(wire, file, "GET", f"/blobs/{NAME}"),
    "upload a blob": lambda wire, file: http(wire, file, "PUT", f"/blobs/{hashlib.sha256().hexdigest()}"),
    "look for an upload": lambda wire, file: http(wire, file, "HEAD", f"/blobs/{NAME}/upload"),
    "delete an upload": lambda wire, file: http(wire, file, "DELETE", f"/blobs/{NAME}/upload"),
    "run inline": lambda wire, file: asked(wire, "bridge.echo"),
    "run in a worker": lambda wire, file: asked(wire, "test.sleep"),
    "run durably": lambda wire, file: asked(wire, "test.sleep", key="k"),
    "ask an advisor": lambda wire, file: asked(wire, "test.ask"),
    "run what decides": lambda wire, file: asked(wire, "test.decide"),
    "ask an advisor to decide": lambda wire, file: asked(wire, "test.decree"),
    "list receipts": lambda wire, file: asked(wire, "receipts.list"),
    "revert": lambda wire, file: asked(wire, "receipts.revert", params={"id": 4711}),
    "send a command": lambda wire, file: asked(wire, "test.ask", params={"do": "command"}),
    "write a rule": lambda wire, file: asked(wire, "test.ask", params={"do": "rule"}),
    "report an event": lambda wire, file: taken(wire, "event", **EVENT),
    "answer a command": lambda wire, file: taken(wire, "result", id=1, value=None),
    "refuse a command": lambda wire, file: taken(wire, "error", id=1, code="internal", message="m"),
    "answer a popup": lambda wire, file: taken(wire, "answer", id=1, state="dismissed"),
    "cancel": lambda wire, file: taken(wire, "cancel", id=5),
    "list tokens": lambda wire, file: http(wire, file, "GET", "/tokens"),
    "make a token": lambda wire, file: http(wire, file, "POST", "/tokens"),
    "revoke a token": lambda wire, file: http(wire, file, "DELETE", "/tokens/nobody"),
    "rotate a token": lambda wire, file: http(wire, file, "POST", "/tokens/nobody/rotate"),
}
LOOK = {"read the status", "read the metrics", "read a blob", "cancel"}
COMPUTE = LOOK | {
    "upload a blob", "look for an upload", "delete an upload", "run inline", "run in a worker", "run durably",
    "ask an advisor", "list receipts",
}  # fmt: skip
DECIDE = COMPUTE | {
    "revert", "send a command", "write a rule", "answer a popup", "run what decides",
    "ask an advisor to decide",
}  # fmt: skip
EDIT = DECIDE | {"report an event", "answer a command", "refuse a command"}
ALLOWED = {
    "read-only": LOOK,
    "tool": COMPUTE,
    "agent": COMPUTE,
    "console": DECIDE,
    "agent+console": DECIDE,
    "editor": EDIT,
    "admin": set(ACTS),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", ALLOWED)
async def test_a_token_does_what_its_scopes_say_and_nothing_else(
    daemon: ThreadDaemon, tokens: dict[str, str], name: str, act: str
) -> None:
    token = tokens[name]
    async with dial(daemon.file, nonce=NONCE, token_id=token.partition(".")[0]) as wire:
        await come_in(wire, daemon.file, token, "agent" if "agent" in name else "tool")
        assert await ACTS[act](wire, daemon.file) == (act in ALLOWED[name])
        # The connection stays open.
        assert await asked(wire, "bridge.echo") == ("run inline" in ALLOWED[name])


@pytest.mark.parametrize("name", ["read-only", "tool", "agent", "console", "agent+console"])
async def test_only_an_editors_token_makes_an_editor(
    daemon: ThreadDaemon, tokens: dict[str, str], name: str
) -> None:
    token = tokens[name]
    async with dial(daemon.file, nonce=NONCE, token_id=token.partition(".")[0]) as wire:
        sent = identity(daemon.file, auth=proof(daemon.file, wire, NONCE, token))
        assert sent["client"]["kind"] == "editor"
        await wire.send("identify", **sent)
        code, reason = await wire.closed()
        assert code == 4015 and "editor" in (reason or "")


@pytest.mark.parametrize(
    "act", ["revert", "send a command", "write a rule", "answer a popup", "make a token"]
)
async def test_an_agent_with_the_local_token_decides_nothing(daemon: ThreadDaemon, act: str) -> None:
    agent = {"kind": "agent", "name": "a", "version": "1"}
    async with session(daemon.file, client=agent) as wire:
        assert not await ACTS[act](wire, daemon.file)
        assert await asked(wire, "bridge.echo")


def test_every_route_asks_for_the_right_that_it_declares(daemon: ThreadDaemon) -> None:
    served = {
        (method, route.path)
        for route in daemon.bridge.app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == ROUTES.keys()
    for (method, path), right in ROUTES.items():
        place = path.replace("{name}", NAME).replace("{id}", "x")
        assert (page(daemon.file, place, method)[0].status == 401) == (right is not None), place


async def test_an_http_token_has_its_sessions_rights_and_ends_with_the_session(daemon: ThreadDaemon) -> None:
    file = daemon.file
    async with session(file) as wire:
        first = bearer(file, wire.ready["http_token"])
        assert page(file, "/status", **first)[0].status == 200
        back = {"session": wire.ready["session"], "token": wire.ready["resume_token"], "last_seq": 0}
        async with session(file, resume=back) as again:
            second = bearer(file, again.ready["http_token"])
            assert page(file, "/status", **first)[0].status == 401
            assert page(file, "/status", **second)[0].status == 200
            await again.socket.close(1000, "done")
            await again.closed()
    live = daemon.bridge.sessions.by_id
    assert daemon.look(lambda: back["session"] not in live)
    assert page(file, "/status", **second)[0].status == 401


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic x", "Bearer local", "Bearer local.x", "é"])
def test_what_is_no_token_opens_nothing_over_http(daemon: ThreadDaemon, value: str) -> None:
    assert page(daemon.file, "/status", Authorization=value)[0].status == 401
