"""A client in JavaScript, written from the documents alone, passes its checks against a daemon."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.demo.textures import noise, normals, save
from bridge.paths import ConnectionFile, Paths
from tests.e2e.world import until

CLIENT = Path(__file__).parent / "node"
FILES = [f"textures/rock{seed}_normal.png" for seed in (1, 2, 3)]
PATIENCE_S = 300.0
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node isn't installed: nodejs.org has it")


class Daemon:
    """A daemon that pings often, in a home of its own; it can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self.env = {
            **os.environ,
            "POPBRIDGE_HOME": str(folder / "home"),
            "POPBRIDGE_HEARTBEAT_S": "0.5",
            "POPBRIDGE_ROOTS": str(folder),
        }
        self._log = folder / "log.txt"
        self._project = folder / "project"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0", "--root", str(self._project)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._process = process
        file = Paths.find(self.env).connection_file
        until(lambda: file.exists() and ConnectionFile.read(file).pid == process.pid, "the daemon")

    def end(self, *, kill: bool = False) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not kill:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
        process.kill()
        process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.end()
        print(made.log[-4000:])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with normal maps."""
    for seed, file in enumerate(FILES):
        save(normals(noise(seed, 128), 2.0), tmp_path / "project" / file)
    return tmp_path / "project"


def client(script: str, daemon: Daemon, *arguments: str) -> subprocess.Popen[str]:
    command = [str(NODE), str(CLIENT / script), *arguments]
    return subprocess.Popen(
        command,
        env=daemon.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def passes(running: subprocess.Popen[str], at_least: int) -> None:
    """Waits for the client's end; fails with the checks that failed."""
    try:
        out, complaints = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    checks = [json.loads(line) for line in out.splitlines()]
    failed = [f"{check['check']}\n{check['detail']}" for check in checks if not check["ok"]]
    assert not failed, "\n\n".join(failed)
    assert running.returncode == 0, complaints
    assert len(checks) >= at_least


def test_a_client_in_javascript_written_from_the_documents_alone_is_served_as_they_say(
    project: Path, daemon: Daemon
) -> None:
    passes(client("client.mjs", daemon, str(project), *FILES), at_least=60)


@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_its_answer_reaches_the_next_daemon_where_the_first_was(
    project: Path, daemon: Daemon, kill: bool
) -> None:
    running = client("restart.mjs", daemon, str(project), FILES[0])
    assert running.stdout is not None
    shown = running.stdout.readline()
    daemon.end(kill=kill)
    daemon.start()
    if shown.strip() != "shown":
        pytest.fail(f"no popup was shown: {shown}")
    passes(running, at_least=1)
