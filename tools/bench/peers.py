"""How long the daemon tolerates misbehaving clients: `python -m tools.bench.peers`.

One stops reading responses, one stops answering pings, one never identifies, one never completes its
handshake. Each is watched in the daemon's own list of connections.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgpack
import psutil

from bridge.core.messages import IDENTIFY_TIMEOUT_S
from bridge.paths import ConnectionFile
from bridge.server.uvicorn_protocols import BridgeProtocol, HttpProtocol
from tools.bench.daemons import bridge
from tools.bench.idle_clients import BINARY, MASK, handshake, identify

HEARTBEAT_S = 15.0
PATIENCE_S = 60.0

TEMPLATE = """## Misbehaving peers

How long a daemon with heartbeats of {heartbeat:.0f} s tolerates each (`tools/bench/peers.py`).

| the peer | dropped after | deadline |
|---|---|---|
{rows}
"""


def connected(file: ConnectionFile) -> socket.socket:
    """Returns a socket with a small receive buffer."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect((urlsplit(file.ws).hostname, urlsplit(file.ws).port))
    return made


def upgraded(file: ConnectionFile) -> socket.socket:
    """Returns a WebSocket that received its `hello`."""
    made = connected(file)
    made.sendall(handshake(file))
    while b"hello" not in made.recv(4096):
        pass
    return made


def in_session(file: ConnectionFile) -> socket.socket:
    """Returns a WebSocket with an open session."""
    made = upgraded(file)
    made.sendall(identify(file))
    said = b""
    while b"resume_token" not in said:
        said += made.recv(4096)
    return made


def stop_reading(file: ConnectionFile) -> socket.socket:
    """Requests a lot and reads none of it."""
    made = in_session(file)
    made.settimeout(0.5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        for number in range(100):
            request = {"type": "request", "id": number, "workload": "bridge.echo"}
            body = msgpack.packb({**request, "params": {"value": "x" * 200_000}})
            made.sendall(bytes((BINARY, 0x80 | 127)) + len(body).to_bytes(8, "big") + MASK + body)
    return made


def half(file: ConnectionFile) -> socket.socket:
    """Starts a handshake."""
    made = connected(file)
    made.sendall(handshake(file)[:40])
    return made


Make = Callable[[ConnectionFile], socket.socket]

PEERS: dict[str, tuple[Make, str]] = {
    "stops reading": (stop_reading, f"{BridgeProtocol.send_deadline_s:.0f} s"),
    "stops answering pings": (in_session, f"two heartbeats, {2 * HEARTBEAT_S:.0f} s"),
    "never identifies": (
        upgraded,
        f"{IDENTIFY_TIMEOUT_S:.0f} s, and {BridgeProtocol.close_deadline_s:.0f} s to close",
    ),
    "never completes its handshake": (half, f"{HttpProtocol.request_deadline_s:.0f} s"),
}
"""What each does, and its deadline."""


def seconds_tolerated(file: ConnectionFile, daemon: psutil.Process, make: Make) -> float:
    """Returns the seconds until the daemon drops the connection; infinity if it never does."""
    with make(file) as peer:
        begin, port = time.monotonic(), peer.getsockname()[1]

        def wait(*, there: bool) -> bool:
            while any(c.raddr and c.raddr.port == port for c in daemon.net_connections("tcp")) != there:
                if time.monotonic() - begin > PATIENCE_S:
                    return False
                time.sleep(0.05)
            return True

        # A busy daemon may not have accepted it yet.
        is_gone = wait(there=True) and wait(there=False)
        return time.monotonic() - begin if is_gone else float("inf")


def measure() -> str:
    """Returns the section of docs/explanation/reliability.md."""
    rows = []
    with bridge("--workers", "1", heartbeat_s=HEARTBEAT_S) as (path, daemon):
        file = ConnectionFile.read(Path(path))
        for name, (make, most) in PEERS.items():
            took = seconds_tolerated(file, daemon, make)
            said = f"{took:.1f} s" if took < PATIENCE_S else f"not within {PATIENCE_S:.0f} s"
            rows.append(f"| {name} | **{said}** | {most} |")
    return TEMPLATE.format(heartbeat=HEARTBEAT_S, rows="\n".join(rows))


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
