"""Daemons for tests: in a thread of this process, and as a process that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bridge.core.errors import UserError
from bridge.core.settings import resolve
from bridge.host import host
from bridge.host.host import Registry
from bridge.paths import ConnectionFile, Paths
from bridge.server.access.unix_socket import listen_locally
from bridge.server.app import Bridge
from bridge.server.serve import Server
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt, StoredPopup
from bridge.store.sessions import SessionStore
from tests.server import plugin

PATIENCE_S = 60.0


def until(ready: Callable[[], Any], what: str) -> Any:
    """What `ready` gives as soon as it is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := ready()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return value


def registry() -> Registry:
    """What the tests' plugin gives, and the echo."""
    from accel import workload

    class Echo:
        @staticmethod
        @host.hooks.hookimpl
        def popbridge_workloads() -> Any:
            return [workload.echo.workload]

    loaded = host.load({"test": plugin, "echo": Echo}, installed=False)
    assert all(p.status == "ok" for p in loaded.plugins), loaded.plugins
    return loaded


def paths_in(home: Path) -> Paths:
    return Paths.find({"POPBRIDGE_HOME": str(home)})


class ThreadDaemon:
    """A daemon whose parts a test can look at."""

    def __init__(
        self, home: Path, *, unix: bool = False, listener: socket.socket | None = None, **settings: Any
    ) -> None:
        """With `unix`, it has a Unix socket, too; tests put servers of their own between clients and a
        port. With `listener`, it takes over that port."""
        self.paths = paths_in(home)
        self._has_local = unix
        self._settings = {
            "workers": 1,
            "roots": [tempfile.gettempdir()],
            **{name.replace("__", "."): value for name, value in settings.items()},
        }
        self.lines: list[str] = []
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> ThreadDaemon:
        self._thread.start()
        until(lambda: self.lines or not self._thread.is_alive(), "the daemon")
        if not self.lines:
            self._listener.close()
            pytest.fail("the daemon didn't start")
        self.file = ConnectionFile.read(self.paths.connection_file)
        return self

    def _run(self) -> None:
        known = registry()
        self.bridge = Bridge(resolve(known.settings, self._settings), self.paths, known)
        with contextlib.ExitStack() as stack:
            path = self.paths.socket_file
            local = stack.enter_context(listen_locally(path)) if self._has_local else None
            self.server = Server(self.bridge, self._listener, self.paths, self.lines.append, local=local)
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                sockets = [self._listener] if local is None else [self._listener, local]
                runner.run(self.server.serve(sockets=sockets))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs `work` in the daemon's loop."""
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    def look(self, at: Callable[[], Any]) -> Any:
        """What `at` gives in the daemon's loop, where nothing else runs meanwhile."""

        async def look() -> Any:
            return at()

        return self.call(look())

    def popup(self, popup_id: int) -> StoredPopup | None:
        """The popup as it is stored."""
        return self.call(
            self.bridge.store.read(lambda connection: SessionStore(Database(connection)).popup(popup_id))
        )

    def receipt(self, receipt_id: int) -> Receipt | None:
        """The receipt as it is stored."""
        return self.call(
            self.bridge.store.read(lambda connection: ReceiptStore(Database(connection)).get(receipt_id))
        )

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the daemon didn't stop"
        self._listener.close()


class ProcessDaemon:
    """A real one; what it prints is in `output`."""

    command = ("-m", "tests.server.daemon")
    """What Python is started with."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.paths = paths_in(home)
        self.output = home.with_name(f"{home.name}.log")
        self.environment = {
            **os.environ,
            "POPBRIDGE_HOME": str(home),
            # Projects of tests; what asks for those elsewhere is in tests/security/test_ownership.py.
            "POPBRIDGE_ROOTS": tempfile.gettempdir(),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def set_environment(self, **environment: str) -> None:
        """Sets variables of the processes that start from now on."""
        self.environment = {**self.environment, **environment}

    def spawn(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        return self.process

    def start(self) -> ConnectionFile:
        process = self.spawn()

        def up() -> bool:
            assert process.poll() is None, self.output.read_text()
            file = self.paths.connection_file
            # On Windows it is missing while it is replaced.
            with contextlib.suppress(UserError):
                return file.exists() and ConnectionFile.read(file).pid == process.pid
            return False

        until(up, "the daemon's connection.json")
        return ConnectionFile.read(self.paths.connection_file)

    def kill(self) -> None:
        """No goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        assert self.process is not None
        if sys.platform == "win32":
            pytest.skip("Windows has no signal that a process without a console could answer")
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
