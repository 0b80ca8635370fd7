"""A client in JavaScript, written from the documents alone, passes its checks against a daemon."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.connection import ConnectionFile
from bridge.demo.textures import noise, normals, save
from bridge.paths import Paths
from tests.e2e.world import until

CLIENT = Path(__file__).parent / "node" / "client.mjs"
FILES = [f"textures/rock{seed}_normal.png" for seed in (1, 2, 3)]
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node isn't installed: nodejs.org has it")


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A daemon that pings often runs; the environment in which a client finds it."""
    env = {**os.environ, "POPBRIDGE_HOME": str(tmp_path / "home"), "POPBRIDGE_HEARTBEAT_S": "0.5"}
    file = Paths.find(env).connection_file
    command = [sys.executable, "-m", "bridge.cli", "serve", "--port", "0"]
    with (tmp_path / "log.txt").open("wb") as log:
        daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            until(lambda: file.exists() and ConnectionFile.read(file).pid == daemon.pid, "the daemon")
            yield env
        finally:
            daemon.terminate()
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
            print((tmp_path / "log.txt").read_text(errors="replace")[-4000:])


def run_client(root: Path, env: dict[str, str]) -> tuple[int, list[dict[str, Any]], str]:
    """The client's exit status, its checks, and what it complained of."""
    command = [str(NODE), str(CLIENT), str(root), *FILES]
    done = subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_client_in_javascript_written_from_the_documents_alone_is_served_as_they_say(
    tmp_path: Path, env: dict[str, str]
) -> None:
    for seed, file in enumerate(FILES):
        save(normals(noise(seed, 128), 2.0), tmp_path / "project" / file)
    status, checks, complaints = run_client(tmp_path / "project", env)
    failed = [f"{check['check']}\n{check['detail']}" for check in checks if not check["ok"]]
    assert not failed, "\n\n".join(failed)
    assert status == 0, complaints
    assert len(checks) > 60
