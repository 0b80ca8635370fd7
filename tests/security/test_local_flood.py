"""A local user without a token can't stop the daemon; the long form is tools/bench/door.py."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from bridge.paths import ConnectionFile
from tests.server.conftest import process, start  # noqa: F401
from tests.server.daemons import ProcessDaemon
from tests.server.wire import Wire, session

ECHOES = 200


@contextlib.asynccontextmanager
async def flood(file: ConnectionFile, idle: int, bodies: int, pipelines: int) -> AsyncIterator[None]:
    """Another process, of another user if possible, that opens these connections and keeps at it."""
    counts = map(str, (urlsplit(file.ws).port, idle, bodies, pipelines))
    command = [sys.executable, "-m", "tests.security.flood", *counts]
    attacker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert attacker.stdin is not None and attacker.stdout is not None
    try:
        assert await asyncio.to_thread(attacker.stdout.readline) == b"ready\n"
        yield
    finally:
        attacker.stdin.close()
        attacker.wait(10)
        attacker.stdout.close()


async def echo_ms(wire: Wire, first: int = 1) -> list[float]:
    """The times of echoes, in milliseconds, sorted."""
    took = []
    for number in range(first, first + ECHOES):
        begin = time.perf_counter()
        assert (await wire.request(number, "bridge.echo", {"value": "x"}))["type"] == "result"
        took.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.005)
    return sorted(took)


async def test_editors_work_and_new_ones_get_in_while_another_user_floods_the_port(
    process: ProcessDaemon,  # noqa: F811
) -> None:
    process.environment |= {"POPBRIDGE_CONNECTIONS_UNIDENTIFIED": "64"}
    file = process.start()
    async with session(file) as editor, flood(file, idle=200, bodies=300, pipelines=20):
        took = await echo_ms(editor)
        assert took[int(len(took) * 0.99)] < 50
        for _ in range(5):
            async with session(file) as another:
                assert (await another.request(1, "bridge.echo"))["type"] == "result"
