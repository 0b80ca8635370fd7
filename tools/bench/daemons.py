"""Servers to measure: the daemon and its peers, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from bridge.server.access import certificates

PATIENCE_S = 20.0


@contextlib.contextmanager
def bridge(
    *flags: str, module: str = "bridge.cli", tls: bool = False, **settings: object
) -> Iterator[tuple[Path, psutil.Process]]:
    """Yields the connection file and the process of a daemon with a temporary home.

    `module` starts it in place of `popbridge serve`; with `tls`, it has a certificate of its own;
    `settings` are as in the environment, such as `session_keep_s=1`.
    """
    with tempfile.TemporaryDirectory(prefix="popbridge-bench-", ignore_cleanup_errors=True) as home:
        command = [sys.executable, "-m", module, "serve", "--port", "0", *flags]
        if tls:
            certificates.create(Path(home, "certs"))
            settings["tls"] = "on"
        given = {f"POPBRIDGE_{name.upper()}": str(value) for name, value in settings.items()}
        roots = tempfile.gettempdir()
        env = {**os.environ, "POPBRIDGE_HOME": home, "POPBRIDGE_ROOTS": roots, **given}
        with _process(command, env, stdout=subprocess.DEVNULL) as process:
            file = Path(home, "connection.json")
            _until(file.exists)
            yield file, psutil.Process(process.pid)


@contextlib.contextmanager
def echo() -> Iterator[tuple[str, psutil.Process]]:
    """Yields the address and the process of a bare `websockets` echo server."""
    command = [sys.executable, str(Path(__file__).with_name("echo_server.py"))]
    with _process(command, dict(os.environ), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip(), psutil.Process(process.pid)


@contextlib.contextmanager
def echo_app(*flags: str) -> Iterator[tuple[str, psutil.Process]]:
    """Yields the address and the process of an echo server on the daemon's protocol; see `echo_app.py`."""
    command = [sys.executable, "-m", "tools.bench.echo_app", *flags]
    with _process(command, dict(os.environ), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip(), psutil.Process(process.pid)


@contextlib.contextmanager
def idle_clients(file: Path, count: int, tls: bool = False) -> Iterator[Callable[[], int]]:
    """Opens a number of connections that answer pings; yields a function that counts the open ones."""
    command = [sys.executable, "-m", "tools.bench.idle_clients", str(file), str(count)]
    command += ["tls"] if tls else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"

        def alive() -> int:
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            return int(process.stdout.readline())  # type: ignore[union-attr]

        yield alive
    finally:
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()


@contextlib.contextmanager
def _process(command: list[str], env: dict[str, str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=env, stdout=stdout)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()


def _until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("the daemon didn't start")
        time.sleep(0.02)


def cpu_seconds(process: psutil.Process) -> float:
    """Returns the user and system time of a process so far, without its children."""
    times = process.cpu_times()
    return float(times.user + times.system)
