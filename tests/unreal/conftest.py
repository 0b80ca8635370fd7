"""The plugin in a fake editor, on each Python that Unreal embeds, beside a real daemon."""

from __future__ import annotations

import inspect
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.textures import save, textures
from bridge.paths import ConnectionFile, Paths
from tests.e2e.world import until
from tests.sdk.test_vectors import python

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "plugins/unreal/bridge_unreal/editor/PopBridge/Content/Python"
ENGINES = {
    "3.7": "4.27.2-18319896+++UE4+Release-4.27",
    "3.9": "5.3.2-29314046+++UE5+Release-5.3",
    "3.11": "5.6.1-44394996+++UE5+Release-5.6",
}
"""An engine for each of the Pythons that they embed."""
NORMAL_MAP = "SourceArt/brick_normal.png"
ASSET = "/Game/Textures/brick_normal.brick_normal"
WAIT_S = 30.0


class Daemon:
    """A daemon in a home of its own, which may read the project; it can be ended and started again."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.env = {**os.environ, "POPBRIDGE_HOME": str(folder / "home"), "POPBRIDGE_ROOTS": str(project),
                    "POPBRIDGE_HEARTBEAT_S": "0.5"}  # fmt: skip
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


class Editor:
    """A running fake editor. `wait` returns the next event of a kind; all are kept in `seen`."""

    def __init__(self, program: str, project: Path, version: str, env: dict[str, str], *more: str) -> None:
        self._process = subprocess.Popen(
            [program, "-B", "-W", "error", str(HERE / "driver.py"), str(PLUGIN), str(project), version,
             *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=env,
        )  # fmt: skip
        self._lines: queue.Queue[list[Any]] = queue.Queue()
        self.seen: list[list[Any]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def order(self, *words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def wait(self, kind: str, word: str = "", wait_s: float = WAIT_S) -> list[Any]:
        """Returns the rest of the next event of this kind whose first value contains `word`."""
        end = time.monotonic() + wait_s
        while True:
            try:
                event = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} {word}; seen: {self.seen[-8:]}") from None
            self.seen.append(event)
            assert event[0] != "raised", event
            if event[0] == kind and (not word or word in str(event[1])):
                return event[1:]

    def properties(self, asset: str = ASSET) -> dict[str, Any]:
        self.order("get", asset)
        found: dict[str, Any] = self.wait("properties")[0]
        return found

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def close(self) -> int:
        if self._process.poll() is None:
            self.order("end")
        return self._close()

    def _close(self) -> int:
        code = self._process.wait(WAIT_S)
        self._thread.join(WAIT_S)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An Unreal project with the source art of a normal map."""
    root = tmp_path / "project"
    (root / "Content/Textures").mkdir(parents=True)
    (root / "Game.uproject").write_text('{"FileVersion": 3, "EngineAssociation": "5.6"}', encoding="utf-8")
    (root / "Content/Textures/brick_normal.uasset").write_bytes(b"\xc1\x83\x2a\x9e")
    drawn = next(one for one in textures() if one.file.endswith("brick_normal.png"))
    save(drawn.draw(), root / NORMAL_MAP)
    return root


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for the tests that leave it alone; it may read all of their projects."""
    daemon = Daemon(tmp_path_factory.mktemp("daemon"), tmp_path_factory.getbasetemp())
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def daemon(request: pytest.FixtureRequest, tmp_path: Path, project: Path) -> Iterator[Daemon]:
    """The shared daemon, or one of its own for a test that names it."""
    if "daemon" not in inspect.signature(request.function).parameters:
        yield request.getfixturevalue("shared_daemon")
        return
    daemon = Daemon(tmp_path, project)
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """The Python of the editor: the oldest, unless a test asks for `every_runtime`."""
    version: str = getattr(request, "param", "3.7")
    if python(version) is None:
        assert not os.environ.get("POPBRIDGE_REQUIRE_ENGINES"), f"Python {version}"
        pytest.skip(f"Python {version} isn't installed")
    return version


every_runtime = pytest.mark.parametrize("runtime", ENGINES, indirect=True)

Open = Callable[..., Editor]


@pytest.fixture
def open_editor(runtime: str, project: Path, daemon: Daemon) -> Iterator[Open]:
    """Starts editors of one project, one after the other."""
    started: list[Editor] = []

    def open_editor(*more: str) -> Editor:
        editor = Editor(python(runtime) or "", project, ENGINES[runtime], daemon.env, *more)
        started.append(editor)
        editor.wait("started")
        return editor

    yield open_editor
    codes = [editor.close() for editor in started]
    # 86: a registered callable was collected, which crashes the real editor.
    assert set(codes) <= {0, -9}
