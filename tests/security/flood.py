"""A process that floods a port without a token: `python -m tests.security.flood PORT IDLE BODIES PIPELINES`.

It opens idle WebSockets, request bodies that drip one byte a second, and pipelines of requests whose answers
it never reads; it opens those that the daemon drops anew. It runs as another user if it may, prints `ready`
once each socket was opened, and ends when its standard input does, at the latest after `LIFETIME_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import encodings.idna  # noqa: F401 - the other user may not read the standard library
import os
import sys
import threading
import time

LIFETIME_S = 120.0
OTHER_USER = 54_321
REOPEN_S = 1.0
"""Pause before a dropped connection is opened again."""

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: bridge.v1.json\r\n\r\n"
)
BODY = b"PUT /blobs/%b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n" % (b"0" * 64)
REQUESTS = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 5_000


class Flood:
    """The sockets of one process. `opened` counts the first connection of each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.opened = 0

    async def idle(self) -> None:
        """Completes the handshake of a WebSocket, and says nothing more."""
        reader, writer = await self._open()
        writer.write(HANDSHAKE)
        with contextlib.closing(writer):
            await reader.read(-1)

    async def drip(self) -> None:
        """Begins a body, and goes on with a byte each second."""
        _, writer = await self._open()
        writer.write(BODY)
        with contextlib.closing(writer):
            while not writer.is_closing():
                await writer.drain()
                await asyncio.sleep(1)
                writer.write(b"x")

    async def pipeline(self) -> None:
        """Sends many requests, and reads no answer."""
        _, writer = await self._open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        with contextlib.closing(writer):
            writer.write(REQUESTS)
            await writer.drain()
            await asyncio.sleep(LIFETIME_S)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opened = await asyncio.open_connection("127.0.0.1", self._port, limit=2048)
        self.opened += 1
        return opened

    async def repeat(self, kind: str) -> None:
        """Opens a connection of a kind again and again."""
        while True:
            with contextlib.suppress(OSError):
                await getattr(self, kind)()
            await asyncio.sleep(REOPEN_S)


async def main(port: int, **counts: int) -> None:
    flood = Flood(port)
    tasks = [asyncio.create_task(flood.repeat(kind)) for kind, count in counts.items() for _ in range(count)]
    began = time.monotonic()
    while flood.opened < len(tasks) and time.monotonic() < began + 20:
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.sleep(LIFETIME_S)


def end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def raise_file_limit() -> None:
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise_file_limit()
    if sys.platform != "win32" and os.getuid() == 0:
        os.setuid(OTHER_USER)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    port, idle, drip, pipeline = map(int, sys.argv[1:])
    asyncio.run(main(port, idle=idle, drip=drip, pipeline=pipeline))
