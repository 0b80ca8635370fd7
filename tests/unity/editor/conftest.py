"""The package's session, compiled as Unity does, on both runtimes, beside a real daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.paths import ConnectionFile, Paths
from tests.e2e.world import until
from tests.unity.editor.session import SOURCES, Session
from tests.unity.projects import game
from tools import csharp

HERE = Path(__file__).parent
RUNTIMES = ("coreclr", "mono")
NORMAL_MAP = "Assets/materials/brick_normal.png"


class Daemon:
    """A daemon in a home of its own; it can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        own = {"POPBRIDGE_HOME": str(folder / "home"), "POPBRIDGE_ROOTS": str(folder)}
        self.env = {**csharp.environment(), **own, "POPBRIDGE_HEARTBEAT_S": "0.5"}
        self.paths = Paths.find(self.env)
        self.file = self.paths.connection_file
        self._log = folder / "log.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._process = process
        until(lambda: self.file.exists() and ConnectionFile.read(self.file).pid == process.pid, "the daemon")

    def end(self, *, kill: bool = False) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill() if kill else process.terminate()
            process.wait(30)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The compiled driver of the session, by runtime."""
    if not csharp.is_ready():
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), "python tools/csharp.py"
        pytest.skip("Roslyn or Mono isn't there: python tools/csharp.py")
    folder = tmp_path_factory.mktemp("session")
    programs = {runtime: folder / runtime / "Session.exe" for runtime in RUNTIMES}
    for program in programs.values():
        program.parent.mkdir()
    said = csharp.compile_programs(
        *({"out": program, "sources": [*SOURCES, HERE / "SessionDriver.cs"], "runtime": runtime}
          for runtime, program in programs.items())
    )  # fmt: skip
    assert said == [[], []]
    return programs


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Unity project with a normal map that is imported as a colour."""
    return game(tmp_path / "project", "2022.3.62f1", only=[NORMAL_MAP.removeprefix("Assets/")])


Connect = Callable[..., Session]


@pytest.fixture
def connect(
    programs: dict[str, Path], runtime: str, project: Path, tmp_path: Path, daemon: Daemon
) -> Iterator[Connect]:
    """Starts sessions with one state file, as one editor after the other."""
    started: list[Session] = []

    def connect(instance: str = "one") -> Session:
        state = tmp_path / "Library/PopBridge.state"
        session = Session(csharp.commands(programs[runtime])[runtime], project, state, daemon.env, instance)
        started.append(session)
        return session

    yield connect
    for session in started:
        session.close()
