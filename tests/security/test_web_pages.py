"""Web pages in a real Chromium, at other origins and behind rebound names, read and change nothing."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bridge.server.http import Application
from bridge.store.tokens import TokenStore
from tests.security.web_pages import PIXEL, RESOLVES, SCRIPT, SECRET, attack, careless_server
from tests.server.daemons import ThreadDaemon
from tools.chromium import PROGRAM, Page, browse

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium isn't installed")

IMAGE, SCRIPT_NAME = (hashlib.sha256(data).hexdigest() for data in (PIXEL, SCRIPT))
UPLOAD = hashlib.sha256(b"x").hexdigest()
BY_BROWSER = {"worker", "service worker", "beacon", "socket without subprotocol", "fetch without CORS",
              "POST without CORS", "form"}  # fmt: skip
"""Attacks after which a page at another origin can't read the answer, whatever the server says."""


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """None are needed."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browse(tmp_path_factory.mktemp("chromium"), f"--host-resolver-rules={RESOLVES}") as page:
        yield page


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Requests that daemons have had: method or `WS`, path and status."""
    found: list[tuple[str, str, int]] = []
    serve = Application.__call__

    def record(self: Application, scope: Any, receive: Any, send: Any) -> Any:
        async def note(message: Any) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                found.append((scope.get("method", "WS"), scope["path"], message["status"]))
            elif message["type"] == "websocket.accept":
                found.append(("WS", scope["path"], 101))
            await send(message)

        return serve(self, scope, receive, note if scope["type"] in ("http", "websocket") else send)

    monkeypatch.setattr(Application, "__call__", record)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ThreadDaemon]]:
    """Starts a daemon that has an image and a script, which the pages know by name."""
    running: list[ThreadDaemon] = []

    def begin(**settings: Any) -> ThreadDaemon:
        running.append(ThreadDaemon(tmp_path / "home", **settings).start())
        for data in (PIXEL, SCRIPT):
            running[-1].call(store(running[-1], data))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


async def store(daemon: ThreadDaemon, data: bytes) -> str:
    return daemon.bridge.blobs.put(data)


def state(daemon: ThreadDaemon) -> tuple[Any, ...]:
    """What a page could have changed: sessions, tokens, and files of blobs and uploads."""
    files = sorted(str(path) for path in daemon.paths.blobs.rglob("*") if path.is_file())
    sessions = daemon.look(lambda: sorted(daemon.bridge.sessions.by_id))
    tokens = daemon.call(daemon.bridge.store.read(lambda db: TokenStore(Database(db)).all()))
    return sessions, tokens, files


def port_of(daemon: ThreadDaemon) -> int:
    return int(daemon.file.http.rpartition(":")[2])


def attacked(browser: Page, target: str) -> dict[str, str]:
    found: dict[str, str] = browser.run(attack(target, IMAGE, SCRIPT_NAME, UPLOAD))
    assert len(found) == 22
    return found


def test_the_same_page_reads_and_changes_a_server_that_answers_everybody(browser: Page) -> None:
    with careless_server() as (page, _), careless_server(None, IMAGE, SCRIPT_NAME) as (victim, heard):
        browser.visit(f"http://evil.test:{page}/")
        found = attacked(browser, f"http://127.0.0.1:{victim}")
    assert {name for name, answer in found.items() if answer == "nothing"} <= BY_BROWSER
    assert found["socket"] == found["fetch"] == found["events"] == SECRET
    assert heard.count(("POST", "/tokens")) == 4


@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("http://evil.test:{}", id="CVE-2025-49596 another site"),
        pytest.param("http://127.evil.com:{}", id="127.evil.com against a prefix check"),
        pytest.param("http://127.0.0.1:{}", id="CVE-2025-24964 another server of this machine"),
        pytest.param("http://localhost:{}", id="CVE-2025-52882 localhost"),
    ],
)
def test_a_page_at_another_origin_reads_and_changes_nothing(
    start: Callable[..., ThreadDaemon], heard: list[tuple[str, str, int]], browser: Page, origin: str
) -> None:
    daemon = start()
    before = state(daemon)
    with careless_server() as (page, _):
        browser.visit(f"{origin.format(page)}/")
        found = attacked(browser, f"http://127.0.0.1:{port_of(daemon)}")
    assert found == dict.fromkeys(found, "nothing")
    assert state(daemon) == before
    # The attacks did arrive, and nothing but the health page, which tells nothing, answered.
    assert {("WS", "/ws", 403), ("POST", "/tokens", 401), ("GET", f"/blobs/{IMAGE}", 401)} <= set(heard)
    assert {(method, path) for method, path, status in heard if status < 400} <= {("GET", "/health")}


@pytest.mark.parametrize(
    ("name", "is_allowed"),
    [
        pytest.param("evil.test", False, id="CVE-2024-28224 rebound name"),
        pytest.param("evil.localhost", False, id="CVE-2024-28224 secure context"),
        pytest.param("127.evil.com", False, id="127.evil.com against a prefix check"),
        pytest.param("evil.test", True, id="a name in allowed_hosts"),
    ],
)
def test_a_page_whose_name_is_rebound_to_the_daemon_reads_and_changes_nothing(
    start: Callable[..., ThreadDaemon],
    heard: list[tuple[str, str, int]],
    browser: Page,
    name: str,
    is_allowed: bool,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://{name}:{listener.getsockname()[1]}"
    with careless_server(listener):
        browser.visit(f"{origin}/")
    # From now on, the page's own origin leads to the daemon.
    daemon = start(listener=listener, allowed_hosts=[name] if is_allowed else [])
    before = state(daemon)
    found = attacked(browser, origin)
    assert state(daemon) == before
    if is_allowed:
        # Shows that the page gets through; even then, it has no token.
        assert found["fetch"] == '{"status":"ok"}'
        assert ("WS", "/ws", 403) in heard
        assert {(method, path) for method, path, status in heard if status < 400} == {("GET", "/health")}
    else:
        assert set(found.values()) <= {"nothing", '{"message":"This Host is not allowed."}'}
        assert {status for _, _, status in heard} == {403}
        assert len(heard) > 10
