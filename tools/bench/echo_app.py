"""An echo server on the daemon's protocol class and settings: `python -m tools.bench.echo_app [FLAG...]`.

The daemon accepts only its own subprotocols, so general WebSocket tests run against this server. `--deflate`
offers permessage-deflate, which the daemon doesn't; `--uncapped` accepts larger messages and more fragments
than the daemon does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn
import uvloop

from bridge.server.uvicorn_protocols import BridgeProtocol, server_config

HEARTBEAT_S = 3600.0
"""Longer than any case: most of them fail on an unexpected ping."""
LARGE = 64 << 20
"""Largest message without limits, bytes."""


class Uncapped(BridgeProtocol):
    """The daemon's protocol without its limit of fragments per message."""

    max_fragments = 1 << 20


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Returns every message unchanged."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def server(*, deflate: bool, uncapped: bool) -> uvicorn.Server:
    """Returns a server server_config like the daemon, except for the flags."""
    lifted: dict[str, Any] = {"protocol": Uncapped, "ws_max_size": LARGE} if uncapped else {}
    return uvicorn.Server(server_config(echo, HEARTBEAT_S, ws_per_message_deflate=deflate, **lifted))


async def main(flags: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"ws://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await server(deflate="--deflate" in flags, uncapped="--uncapped" in flags).serve([listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1:]))
