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
from tests.unity.editor import unity
from tests.unity.editor.session import PACKAGE, SOURCES, Session
from tests.unity.projects import game
from tools import csharp

HERE = Path(__file__).parent
RUNTIMES = ("coreclr", "mono")
PACKAGE_SOURCES = (PACKAGE / "Editor", HERE / "fakes")
TESTS_SOURCES = (*PACKAGE_SOURCES, PACKAGE / "Tests", PACKAGE / "Samples~", HERE / "NUnit.cs")
PROJECT, PROJECT_VERSION = "2022.3.62f1", "2022.3"
DEFINES = [*unity.defines(PROJECT_VERSION), *unity.module_defines()]
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
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path)
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all projects of the tests."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), tmp_path_factory.getbasetemp())
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """The compiled drivers, by driver and runtime. One call of Roslyn compiles all."""
    if not csharp.is_ready():
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), "python tools/csharp.py"
        pytest.skip("Roslyn or Mono isn't there: python tools/csharp.py")
    folder = tmp_path_factory.mktemp("drivers")
    drivers = {
        "Session": ([*SOURCES, HERE / "SessionDriver.cs"], []),
        "Package": ([*PACKAGE_SOURCES, HERE / "PackageDriver.cs"], DEFINES),
    }
    wanted = [
        {"out": folder / runtime / f"{name}.exe", "sources": sources, "defines": defines, "runtime": runtime}
        for name, (sources, defines) in drivers.items()
        for runtime in RUNTIMES
    ]
    # Versions whose defines differ in none that the sources ask for have the same program.
    wanted += [
        {"out": folder / version / "Package.dll", "sources": PACKAGE_SOURCES, "runtime": "mono",
         "defines": unity.defines(version), "library": True}
        for version in unity.distinct(PACKAGE_SOURCES, PROJECT_VERSION)
    ]  # fmt: skip
    wanted.append(
        {"out": folder / "mono" / "Tests.exe", "sources": TESTS_SOURCES, "runtime": "mono",
         "defines": DEFINES}
    )  # fmt: skip
    for each in wanted:
        each["out"].parent.mkdir(exist_ok=True)  # type: ignore[attr-defined]
    assert csharp.compile_programs(*wanted) == [[]] * len(wanted)
    found = {(name, runtime): folder / runtime / f"{name}.exe" for name in drivers for runtime in RUNTIMES}
    return {**found, ("Tests", "mono"): folder / "mono" / "Tests.exe"}


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A Unity project with a normal map that is imported as a colour."""
    return game(tmp_path / "project", PROJECT, only=[NORMAL_MAP.removeprefix("Assets/")])


Connect = Callable[..., Session]


@pytest.fixture
def connect(
    programs: dict[tuple[str, str], Path], runtime: str, project: Path, tmp_path: Path, daemon: Daemon
) -> Iterator[Connect]:
    """Starts sessions with one state file, as one editor after the other."""
    started: list[Session] = []

    def connect(instance: str = "one") -> Session:
        state = tmp_path / "Library/PopBridge.state"
        session = Session(
            csharp.commands(programs["Session", runtime])[runtime], project, state, daemon.env, instance
        )
        started.append(session)
        return session

    yield connect
    for session in started:
        session.close()


Open = Callable[..., Session]


@pytest.fixture
def editor(
    programs: dict[tuple[str, str], Path], runtime: str, project: Path, shared_daemon: Daemon
) -> Iterator[Open]:
    """Starts the package in a fake editor; each start is the editor after a domain reload."""
    started: list[Session] = []

    def open_editor(mode: str = "window", home: Path | None = None) -> Session:
        command = csharp.commands(programs["Package", runtime])[runtime]
        env = {**shared_daemon.env, "TEST_PACKAGE": str(PACKAGE)}
        if home is not None:
            env["POPBRIDGE_HOME"] = str(home)
        started.append(Session(command, project, Path(PROJECT), env, version=mode))
        return started[-1]

    yield open_editor
    for each in started:
        each.close()
