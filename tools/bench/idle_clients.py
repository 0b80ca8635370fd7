"""Clients that identify and then only answer pings: `python -m tools.bench.idle_clients FILE COUNT [tls]`.

Prints `ready` when all have identified, and for each line on stdin how many are still connected; ends with
stdin.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgpack

from bridge.paths import ConnectionFile

AT_ONCE = 64
"""Handshakes at a time."""
PING, PONG, BINARY = b"\x89\x04", 0x8A, 0x82
MASK = bytes(4)
"""A valid mask that leaves the payload unchanged."""


def raise_file_limit() -> None:
    """Raises the limit of open files as far as the system allows."""
    if sys.platform == "win32":
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def frame(opcode: int, payload: bytes) -> bytes:
    """Returns a client's frame of at most 64 KiB."""
    size = len(payload)
    if size < 126:
        return bytes((opcode, 0x80 | size)) + MASK + payload
    return bytes((opcode, 0x80 | 126)) + size.to_bytes(2, "big") + MASK + payload


def handshake(file: ConnectionFile) -> bytes:
    """Returns the WebSocket upgrade request."""
    request = (
        f"GET /ws HTTP/1.1\r\nHost: {urlsplit(file.ws).netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: bridge.v1.msgpack\r\n\r\n"
    )
    return request.encode()


def identify(file: ConnectionFile) -> bytes:
    """Returns the frame that opens a session."""
    message = {
        "type": "identify", "protocol": 1, "client": {"kind": "agent", "name": "idle", "version": "1"},
        "instance": "idle", "auth": {"token": file.token},
    }  # fmt: skip
    return frame(BINARY, msgpack.packb(message))


class Clients:
    """A number of sockets in one selector."""

    def __init__(self, file: ConnectionFile, tls: bool = False) -> None:
        """With `tls`, any certificate is accepted."""
        self._tls = ssl._create_unverified_context() if tls else None
        self._address = (urlsplit(file.ws).hostname, urlsplit(file.ws).port)
        self._handshake, self._identify = handshake(file), identify(file)
        self.selector = selectors.DefaultSelector()
        self._opening: dict[socket.socket, bytes] = {}
        self.open: set[socket.socket] = set()

    def add(self, count: int) -> None:
        """Opens more connections and waits until each has identified."""
        for _ in range(count):
            while len(self._opening) >= AT_ONCE:
                self.turn()
            made = self._connected()
            made.sendall(self._handshake)
            made.setblocking(False)
            self._opening[made] = b""
            self.selector.register(made, selectors.EVENT_READ)
        while self._opening:
            self.turn()

    def _connected(self) -> socket.socket:
        made = socket.create_connection(self._address)
        return self._tls.wrap_socket(made) if self._tls else made

    def turn(self) -> bool:
        """Reads available data; returns whether stdin has some too."""
        asked = False
        for key, _ in self.selector.select():
            if key.fileobj is sys.stdin:
                asked = True
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._read(key.fileobj)
        return asked

    def _read(self, one: socket.socket) -> None:
        data = _received(one)
        if data is None:
            self.selector.unregister(one)
            self._opening.pop(one, None)
            self.open.discard(one)
            one.close()
        elif one in self._opening:
            if b"hello" in data:
                one.send(self._identify)
            self._opening[one] += data
            if b"resume_token" in self._opening[one]:
                self.open.add(one)
                # A ping may be anywhere in the data.
                self._answer(one, self._opening.pop(one))
        else:
            self._answer(one, data)

    def _answer(self, one: socket.socket, data: bytes) -> None:
        at = data.find(PING)
        if at >= 0:
            one.send(frame(PONG, data[at + 2 : at + 6]))


def _received(one: socket.socket) -> bytes | None:
    """Returns all available data; None at the end of the stream. A selector misses buffered TLS records."""
    pieces = []
    try:
        while piece := one.recv(65536):
            pieces.append(piece)
    except (BlockingIOError, ssl.SSLWantReadError):
        return b"".join(pieces)
    except OSError:
        pass
    return None


def main() -> None:
    raise_file_limit()
    clients = Clients(ConnectionFile.read(Path(sys.argv[1])), sys.argv[3:] == ["tls"])
    clients.add(int(sys.argv[2]))
    assert len(clients.open) == int(sys.argv[2]), "the daemon refused some"
    print("ready", flush=True)
    clients.selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        if clients.turn():
            if not sys.stdin.readline():
                return
            print(len(clients.open), flush=True)


if __name__ == "__main__":
    main()
