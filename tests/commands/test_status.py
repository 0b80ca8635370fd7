"""`popbridge status` and `popbridge top`, as a person at a shell meets them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridge.commands import connection
from bridge.commands import status as status_module
from bridge.core.errors import UserError
from bridge.paths import ConnectionFile
from tests.commands.shell import one_line
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import session

pytestmark = pytest.mark.own_workers


@pytest.fixture
def daemon(home: Path) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(home).start()
    yield running
    running.stop()


async def use(file: ConnectionFile) -> None:
    async with session(file, project={"id": "p", "name": "Castle"}) as wire:
        await wire.request(1, "test.sleep")
        await wire.request(2, "bridge.echo")
        await wire.request(3, "no.such")


def test_it_says_what_runs_who_is_connected_and_what_was_done(popbridge: Any, daemon: ThreadDaemon) -> None:
    asyncio.run(use(daemon.file))
    code, out, err = popbridge("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.fullmatch(rf"PopBridge \S+ at {daemon.file.ws}, up .+ \(process {os.getpid()}\)", lines[0])
    assert "Runs on   CPU" in lines
    assert "Requests  0 open, limit 4096" in lines
    assert re.search(r"^Memory    [\d.]+ \w+, workers [\d.]+ \w+; timers late by .+$", out, re.M)
    assert "Refused   1 request since the start (1 unknown_workload)" in lines
    assert "Clients   0 connections, 0 sessions, 1 disconnected" in lines
    assert re.search(r"^\d+ +CPU +idle +", out, re.M)
    assert re.search(
        r"^\w{16} +editor wire 1 +- +Castle +disconnected +[\d.]+ s +0 +0 +3 \(\d+ B\) *$", out, re.M
    )
    assert re.search(r"^test\.sleep +1 +0 +0 +0 +1 +[\d.]+ m?s", out, re.M)
    assert re.search(r"^unknown +0 +1 +0 +0 +0 +- +- +- *$", out, re.M)


def test_as_json_it_is_one_line(popbridge: Any, daemon: ThreadDaemon) -> None:
    code, out, _ = popbridge("status", "--json")
    assert code == 0 and out.count("\n") == 1
    found = json.loads(out)
    assert (found["address"], len(found["workers"])) == (daemon.file.ws, 1)
    assert daemon.file.token not in out


@pytest.mark.parametrize("command", ["status", "top"])
def test_without_a_daemon_it_is_one_sentence_and_a_failure(popbridge: Any, command: str) -> None:
    code, out, err = popbridge(command)
    assert (code, out) == (1, "")
    assert one_line(err) and "isn't running" in err and "popbridge serve" in err


def test_a_killed_daemons_file_deceives_nobody(popbridge: Any, home: Path) -> None:
    home.mkdir()
    ConnectionFile("ws://127.0.0.1:9/ws", "http://127.0.0.1:9", "local.t", 1, 1).write(
        home / "connection.json"
    )
    code, _, err = popbridge("status")
    assert code == 1 and one_line(err)
    assert "doesn't answer at ws://127.0.0.1:9/ws" in err and "popbridge serve" in err


@pytest.fixture
def other(home: Path, request: pytest.FixtureRequest) -> Iterator[ConnectionFile]:
    """What listens where the daemon should: answers with a status and a body, or not at all."""
    status, body = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not status:
                ended.wait(30)
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    ended = threading.Event()
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    home.mkdir()
    address = f"127.0.0.1:{server.server_address[1]}"
    file = ConnectionFile(f"ws://{address}/ws", f"http://{address}", "local.t", 1, 1)
    file.write(home / "connection.json")
    yield file
    ended.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ((401, b""), "isn't the daemon named in"),
        ((200, b"{}"), "is another version"),
        ((200, b"<html>"), "is another version"),
        ((200, b'{"version": "\xff"}'), "is another version"),
        ((0, b""), "didn't answer within 0.2 s"),
    ],
    indirect=["other"],
)
def test_what_isnt_this_daemon_is_told_apart(
    other: ConnectionFile, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TIMEOUT_S", 0.2)
    with pytest.raises(UserError, match=says):
        connection.fetch_status(other)


@pytest.mark.parametrize("other", [(401, b""), (200, b"{}")], indirect=True)
def test_of_what_speaks_only_http_one_line_is_said(popbridge: Any, other: ConnectionFile) -> None:
    code, _, err = popbridge("status")
    assert code == 1 and one_line(err) and other.ws in err


def test_where_the_output_is_no_terminal_top_prints_once(popbridge: Any, daemon: ThreadDaemon) -> None:
    code, out, err = popbridge("top")
    assert (code, err) == (0, "")
    assert out.startswith("PopBridge ") and out.count("PopBridge ") == 1
    assert "\x1b" not in out


def test_in_a_pipe_top_ends_also_where_colours_are_wanted(
    popbridge: Any, daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(status_module, "_live", lambda *_: pytest.fail("it would never end"))
    code, out, err = popbridge("top")
    assert (code, err, out.count("PopBridge ")) == (0, "", 1)


def test_an_interval_that_is_none_is_told(popbridge: Any) -> None:
    code, _, err = popbridge("top", "--interval", "0")
    assert code == 2 and one_line(err)


def test_top_outlives_the_daemon(daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(force_terminal=True, width=120, height=30)
    with contextlib.closing(connection.StatusReader()) as reader:
        assert not isinstance(status_module._draw_again(console, reader), Text)
        daemon.stop()
        said = status_module._draw_again(console, reader)
    assert isinstance(said, Text) and "isn't running" in said.plain and "Trying again" in said.plain


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_in_a_terminal_top_draws_again_and_again_until_ctrl_c(daemon: ThreadDaemon) -> None:
    import pty

    screen, terminal = pty.openpty()
    seen = bytearray()
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "top", "--interval", "0.1"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        preexec_fn=lambda: _control(terminal),
    )
    os.close(terminal)

    def read() -> None:
        try:
            while data := os.read(screen, 65536):
                seen.extend(data)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: seen.count(b"PopBridge ") >= 3, "the third picture")
    os.write(screen, b"\x03")
    assert process.wait(30) == 0
    reader.join(30)
    os.close(screen)
    assert b"\x1b[?1049l" in seen, "the screen isn't given back"
    assert b"Traceback" not in seen


def _control(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    # Whoever started the tests in the background may have had it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("command", ["status", "top"])
def test_who_reads_chinese_is_told_in_chinese_that_no_daemon_runs(
    popbridge: Any, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert popbridge(command) == (1, "", "popbridge: PopBridge 没有运行：请用 `popbridge serve` 启动。\n")
