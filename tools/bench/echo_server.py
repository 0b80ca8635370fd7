"""A peer: an echo server on `websockets` alone, on the event loop that the daemon uses."""

from __future__ import annotations

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


async def main() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None) as server:
        host, port = next(iter(server.sockets)).getsockname()
        print(f"ws://{host}:{port}", flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
