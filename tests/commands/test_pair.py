"""`popbridge pair` on the daemon's machine and `popbridge join` on another one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.paths import ConnectionFile
from bridge.server.access import certificates
from tests.server.daemons import ProcessDaemon, paths_in

COMMAND = (sys.executable, "-m", "bridge.cli")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessDaemon]:
    home = tmp_path_factory.mktemp("pair") / "home"
    certificates.create(home / "certs")
    daemon = ProcessDaemon(home, POPBRIDGE_TLS="on")
    daemon.start()
    yield daemon
    daemon.end()


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """The home of the other machine."""
    return tmp_path / "device"


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "POPBRIDGE_HOME": str(home), "LANG": "C", "NO_COLOR": "1"}


def join(device: Path, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "join", *arguments], input=typed, capture_output=True, text=True, env=environment(device),
        timeout=60,
    )  # fmt: skip


@pytest.fixture
def address(daemon: ProcessDaemon) -> str:
    return ConnectionFile.read(daemon.paths.connection_file).http.partition("://")[2]


@pytest.fixture
def offered(daemon: ProcessDaemon) -> Iterator[Any]:
    """A running `popbridge pair`; `offered.code` is what it shows."""
    process: Any = subprocess.Popen(
        [*COMMAND, "pair", "--scope", "tool"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(daemon.paths.data),
    )  # fmt: skip
    process.code = process.stdout.readline().partition(": ")[2].strip()
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_a_device_joins_by_the_code_and_leaves(
    daemon: ProcessDaemon, device: Path, address: str, offered: Any
) -> None:
    done = join(device, address, "--name", "laptop", typed=f"{offered.code}\n")
    assert done.returncode == 0, done.stderr
    assert offered.wait(30) == 0 and "laptop" in offered.stdout.read()
    written = ConnectionFile.read(paths_in(device).connection_file)
    assert written.http == f"https://{address}" and written.ca and paths_in(device).ca_file.exists()
    left = join(device, "--leave")
    assert left.returncode == 0 and not paths_in(device).connection_file.exists()
    assert join(device, "--leave").returncode != 0


def test_a_wrong_code_and_no_code_are_told(device: Path, address: str, offered: Any) -> None:
    assert join(device, address, typed="12\n").returncode == 2
    wrong = f"{(int(offered.code.replace(' ', '')) + 1) % 10**8:08}"
    assert join(device, address, typed=f"{wrong}\n").returncode != 0
    assert not paths_in(device).connection_file.exists()


@pytest.mark.parametrize("arguments", [(), ("build.local:port",), ("a/b",), ("127.0.0.1:1",)])
def test_an_address_that_is_none_or_answers_nothing_is_refused(
    device: Path, arguments: tuple[str, ...]
) -> None:
    done = join(device, *arguments, typed="00000000\n")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "Code" not in done.stdout + done.stderr


def test_a_machine_with_a_daemon_of_its_own_joins_none(daemon: ProcessDaemon, address: str) -> None:
    assert join(daemon.paths.data, address, typed="00000000\n").returncode == 2
    assert join(daemon.paths.data, "--leave").returncode == 2


def test_a_code_nobody_waits_for_is_withdrawn(
    daemon: ProcessDaemon, device: Path, address: str, offered: Any
) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows sends no Ctrl-C to one process")
    import signal

    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        pytest.skip("a shell has started the tests in the background, where Ctrl-C is ignored")
    offered.send_signal(signal.SIGINT)
    offered.wait(30)
    assert join(device, address, typed=f"{offered.code}\n").returncode != 0


def test_a_machine_that_has_joined_starts_no_daemon_of_its_own(
    daemon: ProcessDaemon, device: Path, address: str, offered: Any
) -> None:
    assert join(device, address, "--name", "desk", typed=f"{offered.code}\n").returncode == 0
    written = paths_in(device).connection_file.read_bytes()
    served = subprocess.run(
        [*COMMAND, "serve"], capture_output=True, text=True, env=environment(device), timeout=60
    )
    assert served.returncode == 2 and "popbridge join --leave" in served.stderr
    assert paths_in(device).connection_file.read_bytes() == written
    assert join(device, "--leave").returncode == 0
