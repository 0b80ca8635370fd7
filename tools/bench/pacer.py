"""Triggers operations from another process at a fixed rate: `python -m tools.bench.pacer PORT RATE COUNT`.

Timers of an event loop can be a millisecond late, longer than the operations that are measured. Here a socket
delivers each request with its time, as a client would.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator

AHEAD_S = 0.05
"""Seconds from the connection to the first operation."""
TIME = struct.Struct("d")


@contextlib.asynccontextmanager
async def asked(rate: float, count: int) -> AsyncIterator[AsyncIterator[float]]:
    """Yields the time of each of `count` requests, by `time.perf_counter`, as it arrives."""
    told: asyncio.Queue[asyncio.StreamReader] = asyncio.Queue()
    server = await asyncio.start_server(lambda reader, writer: told.put(reader), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    command = [sys.executable, "-m", "tools.bench.pacer", str(port), str(rate), str(count)]
    process = subprocess.Popen(command)
    try:
        yield _times(await told.get())
    finally:
        process.kill()
        process.wait()
        server.close()


async def _times(reader: asyncio.StreamReader) -> AsyncIterator[float]:
    while come := await reader.read(TIME.size):
        come += await reader.readexactly(TIME.size - len(come))
        yield TIME.unpack(come)[0]


def main() -> None:
    port, rate, count = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begin = time.perf_counter() + AHEAD_S
        for number in range(count):
            time.sleep(max(begin + number / rate - time.perf_counter(), 0))
            connection.sendall(TIME.pack(time.perf_counter()))


if __name__ == "__main__":
    main()
