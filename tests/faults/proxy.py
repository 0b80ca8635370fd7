"""A TCP proxy on loopback that does what networks do: delay, drip, stall, cut, reset, fall silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from msgspec.structs import replace

from bridge.paths import ConnectionFile

BUFFER = 16 * 1024
"""Most bytes that the proxy takes in advance of what it has passed on."""


class Faults:
    """What happens to the bytes of one direction; may be changed while they flow."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        """How long each piece waits."""
        self.piece = BUFFER
        """Most bytes that are passed on at once; 1 is a slow drip."""
        self.silent = False
        """Everything is swallowed, and no end is passed on: a half-open connection."""
        self.cut_after: int | None = None
        """So many bytes more, then the connection ends on both sides, in the middle of whatever it is."""
        self._flows = asyncio.Event()
        self._flows.set()

    def stall(self) -> None:
        """Nothing is read any more, so that the sender's buffers fill."""
        self._flows.clear()

    def flow(self) -> None:
        """Ends a stall."""
        self._flows.set()

    async def apply(self, data: bytes) -> bytes:
        """What is passed on of `data`, when it is time."""
        await self._flows.wait()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.silent:
            return b""
        if self.cut_after is not None:
            data = data[: self.cut_after]
            self.cut_after -= len(data)
        return data


class FaultProxy:
    """Listens on a port of its own and passes on to the daemon of `file`; an async context manager.

    `up` is what clients send, `down` what the daemon sends. Faults hold for every connection that is open or
    will be, but a cut for the first that it meets.
    """

    def __init__(self, file: ConnectionFile, folder: Path) -> None:
        self._target = urlsplit(file.ws)
        self._daemon = file
        self.connection_file = folder / "through-proxy.json"
        self.up, self.down = Faults(), Faults()
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=BUFFER)
        port = self._server.sockets[0].getsockname()[1]
        self.file = replace(self._daemon, ws=f"ws://127.0.0.1:{port}/ws", http=f"http://127.0.0.1:{port}")
        self.file.write(self.connection_file)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._server.close()
        # What was being accepted begins in the loop's next turn, and an aborted transport ends in its next.
        for _ in range(3):
            self.cut()
            await asyncio.gather(*self._links, return_exceptions=True)
            await asyncio.sleep(0)

    def heal(self) -> None:
        """No faults any more, and no connection that had any."""
        self.reset()
        self.up, self.down = Faults(), Faults()

    def reset(self) -> None:
        """Every open connection ends by RST on both sides; what was under way is lost."""
        for writer in self._writers:
            # A linger time of zero has close() send RST and forget what wasn't delivered. Windows' struct
            # linger has shorts.
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.cut()

    def cut(self) -> None:
        """Every open connection ends by FIN on both sides."""
        for link in tuple(self._links):
            link.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        raw = socket.socket()
        try:
            # A small window, set before it is agreed upon: a stall is felt soon.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, (self._target.hostname, self._target.port))
            far_reader, far_writer = await asyncio.open_connection(sock=raw, limit=BUFFER)
            await self._carry((reader, writer), (far_reader, far_writer))
        except (OSError, asyncio.CancelledError):
            raw.close()
        finally:
            writer.transport.abort()
            self._links.discard(link)

    async def _carry(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        writers = {near[1], far[1]}
        for writer in writers:
            # What was drained has been handed to the system, and isn't lost by an abort.
            writer.transport.set_write_buffer_limits(0)
        self._writers |= writers
        pumps = [
            asyncio.create_task(self._pump(near[0], far[1], self.up)),
            asyncio.create_task(self._pump(far[0], near[1], self.down)),
        ]
        try:
            await asyncio.wait(pumps)
        finally:
            self._writers -= writers
            # First, as whoever cuts a second time ends the wait for the pumps.
            for writer in writers:
                writer.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(faults.piece):
                writer.write(await faults.apply(data))
                await writer.drain()
                if faults.cut_after == 0:
                    faults.cut_after = None
                    self.cut()
                    # What is read by now must not follow: no network loses bytes in the middle.
                    return
        if faults.silent:
            await asyncio.Event().wait()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()
