"""Decompression bombs, 1 GiB of zeros compressed to 1 MiB: `python -m tools.bench.bombs [MIB]`.

The daemon, which offers no compression, gets a compressed frame and a compressed PUT body. The echo server on
the same protocol gets a frame with permessage-deflate enabled. Reports the response and the peak memory of
each.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import http.client
import io
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions import permessage_deflate
from websockets.frames import Frame, Opcode

from bridge.paths import ConnectionFile
from tools.bench.daemons import bridge, echo_app
from tools.bench.idle_clients import MASK, handshake

UNPACKED_MIB = 1024
FITS_MIB = 250
"""MiB that still fit in a frame when compressed."""
AIM_MIB = 64.0
WATCH_S = 0.005
COMPRESSED_BINARY = 0x80 | 0x40 | Opcode.BINARY
"""FIN, and RSV1, which says that the payload is compressed (RFC 7692 §7.2.1)."""

TEMPLATE = """## Decompression bombs

{unpacked:,} MiB of zeros, compressed to {packed:,.0f} KiB, and {fits} MiB, compressed to
{fits_packed:,.0f} KiB, the most that fits into the daemon's largest frame (`tools/bench/bombs.py`). The aim:
at most {aim:.0f} MiB of memory for any of them.

| sent as | result | memory used |
|---|---|---|
{rows}
"""


class Result(Struct):
    """The result of one bomb."""

    sent_as: str
    outcome: str
    mib: float
    """Peak above the start."""


class Peak:
    """The peak memory of a process while it is watched, MiB above the start."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._before = self._now()
        self._most = self._before
        self._ended = threading.Event()

    def _now(self) -> float:
        return float(self._process.memory_info().rss) / 2**20

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_S):
            self._most = max(self._most, self._now())

    @property
    def mib(self) -> float:
        return self._most - self._before


def deflated(mib: int) -> bytes:
    """Compresses zeros for permessage-deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    block = bytes(1 << 20)
    made = b"".join(packer.compress(block) for _ in range(mib)) + packer.flush(zlib.Z_SYNC_FLUSH)
    # RFC 7692 §7.2.1: the last four bytes, 00 00 ff ff, are left out.
    return made[:-4]


def gzipped(mib: int) -> bytes:
    """Compresses zeros with gzip."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as packer:
        for _ in range(mib):
            packer.write(bytes(1 << 20))
    return buffer.getvalue()


async def unasked(file: ConnectionFile, bomb: bytes) -> str:
    """Sends a compressed frame to the daemon, which hasn't negotiated compression."""
    address = urlsplit(file.ws)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(handshake(file))
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            writer.write(bytes((COMPRESSED_BINARY, 0x80 | 127)) + len(bomb).to_bytes(8, "big") + MASK + bomb)
            await writer.drain()
        data = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while piece := await reader.read(65536):
                data += piece
        return f"refused: close {_close_code(data)}"
    finally:
        writer.transport.abort()


def _close_code(data: bytes) -> int | str:
    """Returns the code of the close frame at the end of what a server sent after `hello`."""
    at = data.rfind(bytes((0x80 | Opcode.CLOSE,)))
    return int.from_bytes(data[at + 2 : at + 4], "big") if at >= 0 else "without a word"


async def agreed(url: str, bomb: bytes) -> str:
    """Sends a compressed frame to the echo server, which has negotiated compression."""

    class Bomb(permessage_deflate.PerMessageDeflate):
        """Sends what was packed before."""

        def encode(self, frame: Frame) -> Frame:
            return Frame(frame.opcode, bomb, rsv1=True)

    async with connect(url, compression="deflate", proxy=None) as socket:
        (found,) = socket.protocol.extensions
        found.__class__ = Bomb
        with contextlib.suppress(ConnectionClosed):
            await socket.send(b"boom")
            await socket.recv()
        return f"cut at the cap: close {socket.close_code}"


def body(file: ConnectionFile, bomb: bytes) -> str:
    """Sends a PUT whose body claims to be compressed, under the hash of the compressed bytes."""
    name = hashlib.sha256(bomb).hexdigest()
    headers = {"Authorization": f"Bearer {file.token}", "Content-Encoding": "gzip"}
    connection = http.client.HTTPConnection(urlsplit(file.http).netloc, timeout=60)
    connection.request("PUT", f"/blobs/{name}", bomb, headers)
    response = connection.getresponse()
    said = response.read()[:120].decode(errors="replace")
    connection.close()
    return f"HTTP {response.status}" + (
        ": stored as it came, compressed" if response.status < 300 else f": {said}"
    )


def send_bombs(unpacked: int) -> list[Result]:
    """Sends each bomb once, to a new server each time."""
    large, small, packed = deflated(unpacked), deflated(min(FITS_MIB, unpacked)), gzipped(unpacked)
    found = []
    with bridge("--workers", "1") as (path, process):
        file = ConnectionFile.read(path)
        time.sleep(1)
        for name, work in (
            ("a compressed frame without negotiation", lambda: asyncio.run(unasked(file, small))),
            ("the same, larger than any frame may be", lambda: asyncio.run(unasked(file, large))),
            ("the body of a PUT, `Content-Encoding: gzip`", lambda: body(file, packed)),
        ):
            found.append(_one(name, process, work))
    with echo_app("--deflate") as (url, process):
        name = "a compressed frame with permessage-deflate (echo server only; the daemon never negotiates it)"
        found.append(_one(name, process, lambda: asyncio.run(agreed(url, small))))
        name = "the same, larger than any frame may be"
        found.append(_one(name, process, lambda: asyncio.run(agreed(url, large))))
    return found


def _one(name: str, process: psutil.Process, work: Any) -> Result:
    peak = Peak(process)
    with peak.watched():
        outcome = work()
    return Result(name, outcome, peak.mib)


def measure(unpacked: int = UNPACKED_MIB) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    found = send_bombs(unpacked)
    rows = [f"| {one.sent_as} | {one.outcome} | **{one.mib:.1f} MiB** |" for one in found]
    sizes = {"packed": len(deflated(unpacked)) / 1024, "fits_packed": len(deflated(FITS_MIB)) / 1024}
    return TEMPLATE.format(unpacked=unpacked, fits=FITS_MIB, aim=AIM_MIB, rows="\n".join(rows), **sizes)


def main() -> None:
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else UNPACKED_MIB))


if __name__ == "__main__":
    main()
