"""The package's session, compiled as Unity does, on both runtimes, beside a real daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bridge.paths import ConnectionFile, Paths
from tests.e2e.world import until
from tests.unity.editor import unity
from tests.unity.editor.session import PACKAGE, Session
from tests.unity.projects import game
from tools import csharp

HERE = Path(__file__).parent
RUNTIMES = ("coreclr", "mono")
PROJECT, PROJECT_VERSION = "2022.3.62f1", "2022.3"
NORMAL_MAP = "Assets/materials/brick_normal.png"


class Daemon:
    """A daemon in a home of its own; it can be ended and started again."""

    def __init__(self, folder: Path, roots: Path | None = None) -> None:
        own = {"POPBRIDGE_HOME": str(folder / "home"), "POPBRIDGE_ROOTS": str(roots or folder)}
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
def home(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that isn't started."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.end()


@pytest.fixture
def daemon(home: Daemon) -> Daemon:
    home.start()
    return home


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all projects of the tests."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), tmp_path_factory.getbasetemp())
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sequence[str]]:
    """The command of the compiled drivers, by runtime. One call of Roslyn compiles all."""
    if not csharp.is_ready():
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), "python tools/csharp.py"
        pytest.skip("Roslyn or Mono isn't there: python tools/csharp.py")
    base = tmp_path_factory.getbasetemp()
    # Processes of one run, whose folders are beside each other, compile once for all.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "unity-programs"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            compile_all(folder)
    return {runtime: csharp.commands(folder / runtime / "Drivers.exe")[runtime] for runtime in RUNTIMES}


def compile_all(folder: Path) -> None:
    package = (PACKAGE / "Editor", HERE / "fakes")
    drivers = [*package, PACKAGE / "Tests", PACKAGE / "Samples~", *HERE.glob("*.cs")]
    defines = [*unity.defines(PROJECT_VERSION), *unity.module_defines()]
    wanted: list[dict[str, Any]] = [
        {"out": folder / runtime / "Drivers.exe", "sources": drivers, "defines": defines, "runtime": runtime}
        for runtime in RUNTIMES
    ]
    # Versions whose defines differ in none that the sources ask for have the same program.
    wanted += [
        {"out": folder / version / "Package.dll", "sources": package, "library": True,
         "defines": unity.defines(version)}
        for version in unity.distinct(package, PROJECT_VERSION)
    ]  # fmt: skip
    for each in wanted:
        each["out"].parent.mkdir(parents=True)
    failed = csharp.compile_programs(*wanted)
    if any(failed):
        folder.rename(f"{folder}.failed")
    assert failed == [[]] * len(wanted)


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Unity project with a normal map that is imported as a colour."""
    return game(tmp_path / "project", PROJECT, only=[NORMAL_MAP.removeprefix("Assets/")])


Connect = Callable[..., Session]


@contextmanager
def sessions(command: Sequence[str], project: Path, state: Path, env: dict[str, str]) -> Iterator[Connect]:
    """Starts sessions with one state file, as one editor after the other."""
    started: list[Session] = []

    def connect(instance: str = "one") -> Session:
        started.append(Session(command, project, state, env, instance))
        return started[-1]

    yield connect
    for session in started:
        session.close()


@pytest.fixture
def connect(
    programs: dict[str, Sequence[str]], runtime: str, project: Path, tmp_path: Path, home: Daemon
) -> Iterator[Connect]:
    """Starts sessions beside a daemon of the test's own."""
    command = [*programs[runtime], "session"]
    with sessions(command, project, tmp_path / "Library/PopBridge.state", home.env) as connect:
        yield connect


@pytest.fixture
def join(
    programs: dict[str, Sequence[str]], runtime: str, project: Path, tmp_path: Path, shared_daemon: Daemon
) -> Iterator[Connect]:
    """Starts sessions beside the daemon of all tests, which they don't end."""
    command = [*programs[runtime], "session"]
    with sessions(command, project, tmp_path / "Library/PopBridge.state", shared_daemon.env) as connect:
        yield connect


Open = Callable[..., Session]


@pytest.fixture
def editor(
    programs: dict[str, Sequence[str]], runtime: str, project: Path, shared_daemon: Daemon
) -> Iterator[Open]:
    """Starts the package in a fake editor; each start is the editor after a domain reload."""
    started: list[Session] = []

    def open_editor(mode: str = "window", home: Path | None = None) -> Session:
        command = [*programs[runtime], "package"]
        env = {**shared_daemon.env, "TEST_PACKAGE": str(PACKAGE)}
        if home is not None:
            env["POPBRIDGE_HOME"] = str(home)
        started.append(Session(command, project, Path(PROJECT), env, version=mode))
        return started[-1]

    yield open_editor
    for each in started:
        each.close()
