"""Damaged frames by the hundred thousand, through the codec and to a real daemon.

`python -m tools.bench.frames [COUNT] [SEED]`. The intact frames are the test vectors of all messages in both
subprotocols; bytes or values are damaged. The daemon may accept a frame, or close its connection with a code;
after each it must answer a request, on the same connection or the next. Some frames are damaged in the bytes
of the WebSocket protocol itself.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgpack
import psutil
from msgspec import Struct, field
from websockets.exceptions import ConnectionClosed

from bridge.core.codec import SUBPROTOCOLS, server_codec
from bridge.core.errors import RemoteProtocolError
from bridge.paths import ConnectionFile
from tests.server import wire
from tests.server.daemons import ProcessDaemon
from tools.bench.fuzz import damaged
from tools.bench.idle_clients import BINARY, frame, handshake, identify

FRAMES = 100_000
VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "messages"
CONNECTIONS = 6
"""Connections at a time."""
BELOW = 0.1
"""Share of frames that are damaged in the bytes of the WebSocket."""
NASTY: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, 1e308, "", "x", "\0",
    "\ud7ff\uffff", "a" * 5000, "../../etc/passwd", [], [[]], {}, {"": None}, {"type": "request"},
    list(range(300)),
)  # fmt: skip
"""Values that replace valid ones."""
KEEP_S = 1.0
ECHO_ID = 1 << 40
"""Ids of our own requests, above those of the vectors."""
OWN_FAULT = {4000, 1006, 1011}
"""Close codes of a failure in the daemon, and of no close frame at all."""
PATIENCE_S = 60.0

TEMPLATE = """## Damaged frames

The test vectors of all messages, with bytes changed, removed, repeated or inserted, or with values of
other types and sizes: {decoded:,} through each codec, and {sent:,} into a real daemon on {connections}
connections at a time, one in {below:.0f} of them damaged at the level of the WebSocket protocol
(`tools/bench/frames.py`). After each frame a request must be answered. The aim: no crash, no leak.

| | |
|---|---|
| frames accepted | {taken:,} |
| connections closed with a code that says why | {closed:,} ({codes}) |
| connections closed below the message layer | {below_count:,} |
| **failures of the daemon** | **{failures}** |
| the daemon's memory after a fifth of the frames, and at the end | {warm:.0f} MiB, {end:.0f} MiB |
| the daemon's open files and sockets at the start, and at the end | {files_before}, {files_after} |
| sessions left after they expired | {sessions} |
"""


class Report(Struct):
    """All results."""

    decoded: int = 0
    taken: int = 0
    below: int = 0
    codes: dict[int, int] = field(default_factory=lambda: collections.Counter())
    failures: list[str] = []
    memory_mib: tuple[float, float] = (0.0, 0.0)
    files: tuple[int, int] = (0, 0)
    sessions: int = 0


def seeds(subprotocol: str) -> list[bytes]:
    """Returns intact frames that clients send, as bytes."""
    found = []
    for path in sorted(VECTORS.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            if "server" not in case["receivers"] or not case["name"].startswith("accept-"):
                continue
            if subprotocol.endswith("json"):
                found += [case["json"].encode()] if case["json"] is not None else []
            else:
                found += [bytes.fromhex(case["msgpack"])] if case["msgpack"] is not None else []
    return [one for one in found if one]


def decode(count: int, seed: int) -> tuple[int, list[str]]:
    """Returns how many frames each codec decoded, and every exception other than its own."""
    faults = []
    for subprotocol in SUBPROTOCOLS:
        codec, chance, whole = server_codec(subprotocol), random.Random(seed), seeds(subprotocol)
        for _ in range(count):
            data = damaged(chance.choice(whole), chance)
            try:
                codec.decode(data.decode(errors="replace") if codec.is_text else data)
            except RemoteProtocolError:
                pass
            except Exception as error:
                faults.append(f"{subprotocol} {data!r}: {error!r}")
    return count, faults


def damage_values(data: bytes, chance: random.Random, *, text: bool) -> bytes:
    """Damages a value or two of a message; damages bytes if it is no message."""
    try:
        message = json.loads(data) if text else msgpack.unpackb(data, strict_map_key=False)
    except (ValueError, msgpack.UnpackException):
        return damaged(data, chance)
    for _ in range(chance.choice((1, 1, 1, 2))):
        message = _twist(message, chance)
    return json.dumps(message, default=str).encode() if text else _packed(message)


def _twist(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        return {**value, key: _twist(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return [*value[:at], _twist(value[at], chance), *value[at + 1 :]]
    return chance.choice(NASTY)


def _packed(message: Any) -> bytes:
    packed: bytes = msgpack.packb(message)
    return packed


class Peer:
    """A client that sends damaged frames on as many connections as necessary."""

    def __init__(self, file: ConnectionFile, report: Report, seed: int) -> None:
        self._file = file
        self._report = report
        self._chance = random.Random(seed)
        self._seeds = {name: seeds(name) for name in SUBPROTOCOLS}
        self._echoes = ECHO_ID

    async def send(self, count: int) -> None:
        """Sends a number of frames."""
        left = count
        while left:
            if self._chance.random() < BELOW:
                await self._below()
                left -= 1
            else:
                left = await self._connection(left)

    async def _connection(self, left: int) -> int:
        """Sends until the connection is closed; returns how many frames are left."""
        subprotocol = self._chance.choice(SUBPROTOCOLS)
        async with wire.session(self._file, subprotocol) as peer:
            try:
                while left:
                    left -= 1
                    data = self._frame(subprotocol)
                    await peer.socket.send(data, text=peer.text)
                    await self._answered(peer)
                    self._report.taken += 1
            except ConnectionClosed:
                code = peer.socket.close_code or 1006
                self._report.codes[code] += 1
                if code in OWN_FAULT:
                    self._report.failures.append(f"{data!r}: {code} {peer.socket.close_reason}")
        return left

    def _frame(self, subprotocol: str) -> bytes:
        whole, text = self._chance.choice(self._seeds[subprotocol]), subprotocol.endswith("json")
        if self._chance.random() < 0.5:
            return damage_values(whole, self._chance, text=text)
        data = damaged(whole, self._chance)
        # Invalid UTF-8 never reaches the codec, so a small share is enough.
        return data.decode(errors="replace").encode() if text and self._chance.random() < 0.8 else data

    async def _answered(self, peer: wire.Wire) -> None:
        self._echoes += 1
        await peer.send("request", id=self._echoes, workload="bridge.echo")
        while (message := await peer.receive()).get("id") != self._echoes:
            pass
        await peer.send("ack", seq=message["seq"])

    async def _below(self) -> None:
        """Returns intact frames in a WebSocket stream with damaged bytes."""
        address = urlsplit(self._file.ws)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            writer.write(handshake(self._file))
            await reader.readuntil(b"\r\n\r\n")
            frames = [frame(BINARY, one) for one in self._chance.choices(self._seeds[SUBPROTOCOLS[0]], k=2)]
            writer.write(identify(self._file) + damaged(b"".join(frames), self._chance))
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                while await reader.read(65536):
                    pass
            self._report.below += 1
        except TimeoutError:
            self._report.failures.append("a damaged WebSocket wasn't closed")
        except OSError:
            self._report.below += 1
        finally:
            writer.transport.abort()


def open_sessions(database: Path) -> int:
    """Returns the number of sessions that the daemon keeps."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        found: int = db.execute("SELECT count(*) FROM sessions WHERE closed = 0").fetchone()[0]
    return found


def files_of(process: psutil.Process) -> int:
    """Returns the number of file descriptors, or of handles on Windows."""
    return int(process.num_handles() if sys.platform == "win32" else process.num_fds())


async def _everything(file: ConnectionFile, report: Report, count: int, seed: int) -> None:
    peers = [Peer(file, report, seed + number) for number in range(CONNECTIONS)]
    await asyncio.gather(*(peer.send(count // CONNECTIONS) for peer in peers))


def fuzz(home: Path, count: int, seed: int) -> Report:
    """Runs everything."""
    report = Report()
    report.decoded, report.failures = decode(count, seed)
    daemon = ProcessDaemon(home, POPBRIDGE_SESSION_KEEP_S=str(KEEP_S))
    try:
        file = daemon.start()
        process = psutil.Process(file.pid)
        files = files_of(process)
        warm = 0.0
        for part, share in enumerate((count // 5, count - count // 5)):
            asyncio.run(_everything(file, report, share, seed + part * CONNECTIONS))
            _settle(daemon)
            warm = warm or memory_mib(process)
        report.memory_mib = (warm, memory_mib(process))
        report.files = (files, files_of(process))
        report.sessions = open_sessions(daemon.paths.database)
        if "Traceback" in (said := daemon.output.read_text()):
            report.failures.append(said)
        if daemon.stop() != 0:
            report.failures.append("the daemon didn't stop in order")
    finally:
        daemon.end()
    return report


def memory_mib(process: psutil.Process) -> float:
    """Returns the memory of the process alone, MiB."""
    return float(process.memory_full_info().uss) / 2**20


def _settle(daemon: ProcessDaemon) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while open_sessions(daemon.paths.database) and time.monotonic() < deadline:
        time.sleep(0.2)


def measure(count: int = FRAMES, seed: int = 1) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    with tempfile.TemporaryDirectory(prefix="popbridge-frames-") as folder:
        report = fuzz(Path(folder, "home"), count, seed)
    values: dict[str, Any] = {
        "decoded": report.decoded, "sent": count // CONNECTIONS * CONNECTIONS, "connections": CONNECTIONS,
        "below": 1 / BELOW, "taken": report.taken, "closed": sum(report.codes.values()),
        "codes": ", ".join(f"{code}: {n:,}" for code, n in sorted(report.codes.items())),
        "below_count": report.below, "failures": len(report.failures), "warm": report.memory_mib[0],
        "end": report.memory_mib[1], "files_before": report.files[0], "files_after": report.files[1],
        "sessions": report.sessions,
    }  # fmt: skip
    return "\n".join([TEMPLATE.format(**values), *report.failures[:20]])


def main() -> None:
    print(measure(*map(int, sys.argv[1:])))


if __name__ == "__main__":
    main()
