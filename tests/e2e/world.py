"""A daemon and a real editor as processes that can be killed, and what can be observed of both."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.api import Adapter
from bridge.core.errors import UserError
from bridge.core.messages import Popup
from bridge.paths import ConnectionFile, Paths
from bridge.store.column_encryption import opened
from bridge.store.database import open_readonly
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt, unpack

PATIENCE_S = 90.0


def until(ready: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """What `ready` gives as soon as it is true."""
    deadline = time.monotonic() + patience_s
    while not (value := ready()):
        assert time.monotonic() < deadline, f"waited {patience_s:.0f} s for {what}"
        time.sleep(0.05)
    return value


def eventually(ready: Callable[[], Any], patience_s: float) -> bool:
    """Whether `ready` becomes true in time."""
    deadline = time.monotonic() + patience_s
    while not ready():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


class World:
    """One home, one project, at most one daemon at a time, and editors by their names."""

    def __init__(self, folder: Path, adapter: Adapter) -> None:
        assert adapter.editor is not None
        self.adapter = adapter
        self.support = adapter.editor
        self.project = folder / "project"
        self.project.mkdir()
        home = folder / "home"
        self.env = {**os.environ, "POPBRIDGE_HOME": str(home), "POPBRIDGE_ROOTS": str(self.project)}
        self.paths = Paths.find(self.env)
        self._log = (folder / "log.txt").open("ab")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # Processes.

    def start_daemon(self) -> None:
        self._start("daemon", [sys.executable, "-m", "bridge.cli", "serve", "--port", "0"], {})
        pid = self._running["daemon"].pid

        def is_up() -> bool:
            # It removes the file of a daemon that was killed.
            with contextlib.suppress(UserError):
                return ConnectionFile.read(self.paths.connection_file).pid == pid
            return False

        until(is_up, "the new daemon")

    def start_editor(
        self, answer: str | None = None, command: list[str] | None = None, name: str = "editor", **env: str
    ) -> None:
        """The real editor, headless unless `command` says otherwise; `answer` is pressed on each popup."""
        if command is None:
            command = list(self.support.editor_command(self.support.find_editor(), self.project))
        more = {"POPBRIDGE_TEST_ANSWER": answer} if answer else {}
        self._start(name, command, {**more, **env})

    def kill(self, which: str) -> None:
        """SIGKILL: no goodbye, no clean-up."""
        process = self._running.pop(which)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)

    def stop(self) -> None:
        for which in tuple(self._running):
            self.kill(which)
        self._log.close()

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    def popbridge(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, as a person at a shell runs it."""
        command = [sys.executable, "-m", "bridge.cli", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=PATIENCE_S)

    def _start(self, name: str, command: list[str], env: Mapping[str, str]) -> None:
        self._running[name] = subprocess.Popen(
            command,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    # Observations.

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        db = open_readonly(self.paths.database)
        if db is None:
            return []
        with contextlib.closing(db.conn):
            return list(db.query(sql, list(values)))

    def popups(self) -> list[tuple[Popup, str]]:
        """Each popup that was sent and its status, oldest first."""
        db = open_readonly(self.paths.database)
        if db is None:
            return []
        with contextlib.closing(db.conn):
            rows = db.query("SELECT id, message, status FROM popups WHERE seq IS NOT NULL ORDER BY id")
            found = [opened(db.conn, "popups", row) for row in rows]
        return [(unpack(row["message"], Popup), row["status"]) for row in found]

    def shown(self) -> bool:
        """Whether the editor has acknowledged a popup that is still open."""
        sql = (
            "SELECT 1 FROM popups JOIN sessions ON sessions.id = popups.session "
            "WHERE popups.status = 'open' AND sessions.acked >= popups.seq"
        )
        return bool(self.rows(sql))

    def receipts(self) -> list[Receipt]:
        db = open_readonly(self.paths.database)
        if db is None:
            return []
        with contextlib.closing(db.conn):
            return ReceiptStore(db).latest()

    def applied(self, count: int = 1) -> list[Receipt]:
        """The receipts, once there are `count` and the editor has answered all."""

        def ready() -> list[Receipt]:
            found = self.receipts()
            return found if len(found) >= count and all(r.state != "sent" for r in found) else []

        found: list[Receipt] = until(ready, f"{count} answered receipts")
        return found


@contextlib.contextmanager
def world(adapter: Adapter) -> Iterator[World]:
    """Everything is ended and removed, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="popbridge-e2e-", ignore_cleanup_errors=True) as folder:
        made = World(Path(folder), adapter)
        try:
            yield made
        except BaseException:
            print(made.log[-8000:])
            raise
        finally:
            made.stop()
