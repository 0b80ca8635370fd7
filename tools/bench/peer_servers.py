"""Peers whose dependencies conflict with ours, in a cached virtual environment of their own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import IO

import platformdirs
import psutil

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parents[1]
REQUIREMENTS = HERE / "requirements-serving.txt"
SHARED = ("numpy", "msgspec", "psutil")
"""The dependencies of `accel`, in the versions installed here."""
INSTALL_S = 900
START_S = 120.0
STOP_S = 10.0


class Missing(Exception):
    """A peer can't be installed or started; the message says why."""


def environment() -> Path:
    """Returns the interpreter of the peers' environment, created on first use. Raises Missing."""
    wanted = _wanted()
    key = hashlib.sha256(f"{sys.version}\n{REQUIREMENTS.read_text()}\n{wanted}".encode()).hexdigest()[:12]
    folder = platformdirs.user_cache_path("popbridge-bench") / f"serving-{key}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _install(python, wanted)
        (folder / "whole").touch()
    return python


def _wanted() -> list[str]:
    """Pins the same onnxruntime, without the GPU packages: the peers run the same network on the CPU."""
    runtime = version(packages_distributions()["onnxruntime"][0])
    return [f"onnxruntime=={runtime}", *(f"{name}=={version(name)}" for name in SHARED)]


def _install(python: Path, wanted: list[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *wanted]
    try:
        done = subprocess.run(
            [*command, "-r", str(REQUIREMENTS)], capture_output=True, text=True, timeout=INSTALL_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"pip: {error}") from None
    if done.returncode:
        raise Missing((done.stderr.strip().splitlines() or ["pip failed"])[-1][:200])


@contextlib.contextmanager
def served(script: str, *arguments: str) -> Iterator[tuple[str, psutil.Process]]:
    """Yields the address and the process of a server of `serving/`.

    Raises Missing.
    """
    python, port = environment(), _free()
    command = [str(python), str(HERE / "serving" / script), str(port), *arguments]
    with tempfile.TemporaryFile() as said:
        process = psutil.Popen(
            command, env=_variables(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            url = f"http://127.0.0.1:{port}/predict"
            _until_answering(process, url, said)
            yield url, process
        finally:
            _stop(process)


def _variables() -> dict[str, str]:
    return {
        **os.environ,
        # Modules beside the script must not shadow others.
        "PYTHONPATH": str(SOURCES), "PYTHONSAFEPATH": "1",
        # One thread, as in a worker.
        "OMP_NUM_THREADS": "1",
        # No telemetry, and no files in the user's folders.
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # Ray's documentation recommends it for throughput.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }  # fmt: skip


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _until_answering(process: psutil.Popen, url: str, said: IO[bytes]) -> None:
    end = time.monotonic() + START_S
    body = json.dumps({"texts": ["ready"]}).encode()
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Missing(f"it ended at once: {_last(said)}")
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10):
            return
        time.sleep(0.2)
    raise Missing(f"it doesn't answer after {START_S:.0f} s: {_last(said)}")


def _last(said: IO[bytes]) -> str:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it says nothing"


def _stop(process: psutil.Popen) -> None:
    """Lets a process exit, then kills what is left of it and its children."""
    started = [process, *process.children(recursive=True)] if process.is_running() else [process]
    process.stdin.close()
    _, left = psutil.wait_procs(started, STOP_S)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, STOP_S)
