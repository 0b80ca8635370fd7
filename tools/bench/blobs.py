"""A large blob through PUT and GET: throughput beside servers of plain files, and the daemon's memory.

The client is the same for all: it reads a file with a known hash and discards what it receives. Rounds
alternate, so that other load on the machine affects all alike.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from msgspec import Struct

from bridge.paths import ConnectionFile
from tools.bench.daemons import bridge

SIZE = 1 << 30
BLOCK = 512 * 1024
ROUNDS = 3
LOOK_S = 0.005

TEMPLATE = """## A blob of {size} through the daemon

`PUT` and `GET /blobs/SHA256`, with the hash verified. The peers are the same server software (uvicorn and
Starlette) with a handler that only writes and reads a file, and `python -m http.server`. Each `PUT` ends
with `fsync`. Medians of {rounds} alternating rounds, in MiB/s (`tools/bench/blobs.py`).

| server | PUT | GET |
|---|---|---|
| PopBridge | {ours_put:,.0f} | {ours_get:,.0f} |
| uvicorn and Starlette, no hash | {plain_put:,.0f} | {plain_get:,.0f} |
| `python -m http.server` | | {http_get:,.0f} |
| **ratio** to uvicorn and Starlette | {put_ratio:.2f} | {get_ratio:.2f} |

The client needs {hash_s:.2f} s more to compute the hash that names the blob. The daemon's memory is
{before:.0f} MiB before the first round and at most {peak:.0f} MiB during all of them.
"""


class Peer(Struct):
    """A server, and the path of the file that it serves."""

    http: str
    path: str
    headers: dict[str, str] = {}


def put(peer: Peer, source: Path) -> float:
    """Uploads the file; returns MiB/s."""
    connection = HTTPConnection(urlsplit(peer.http).netloc)
    begin = time.perf_counter()
    connection.putrequest("PUT", peer.path)
    for name, value in {**peer.headers, "Content-Length": str(source.stat().st_size)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with source.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            connection.send(block)
    response = connection.getresponse()
    response.read()
    took = time.perf_counter() - begin
    connection.close()
    assert response.status == 201, response.status
    return SIZE / took / 2**20


def get(peer: Peer) -> float:
    """Downloads the file; returns MiB/s."""
    connection = HTTPConnection(urlsplit(peer.http).netloc)
    begin = time.perf_counter()
    connection.request("GET", peer.path, headers=peer.headers)
    response = connection.getresponse()
    buffer, received = bytearray(BLOCK), 0
    while size := response.readinto(buffer):
        received += size
    took = time.perf_counter() - begin
    connection.close()
    assert (response.status, received) == (200, SIZE)
    return SIZE / took / 2**20


class Watch:
    """Records the peak memory of a process, MiB, while the context is open."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.before = self.peak = process.memory_info().rss / 2**20

    def _look(self) -> None:
        while not self._end.wait(LOOK_S):
            self.peak = max(self.peak, self._process.memory_info().rss / 2**20)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


@contextlib.contextmanager
def server(command: list[str], path: str) -> Iterator[Peer]:
    """Starts a peer that prints its address."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Peer(process.stdout.readline().decode().strip(), path)
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


HTTP_SERVER = """
import functools, http.server, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
print(f"http://127.0.0.1:{made.server_port}", flush=True)
made.serve_forever()
"""
"""`python -m http.server` on a port that the system chooses."""


def run() -> Mapping[str, float]:
    """Returns medians by name."""
    figures: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="popbridge-bench-")))
        source = folder / "source"
        with source.open("wb") as file:
            for _ in range(SIZE // BLOCK):
                file.write(os.urandom(BLOCK))
        begin = time.perf_counter()
        with source.open("rb") as file:
            name = hashlib.file_digest(file, hashlib.sha256).hexdigest()
        hash_s = time.perf_counter() - begin
        found, process = stack.enter_context(bridge())
        at = ConnectionFile.read(found)
        ours = Peer(at.http, f"/blobs/{name}", {"Authorization": f"Bearer {at.token}"})
        here = [sys.executable, "-m", "tools.bench.blob_server", str(folder)]
        plain = stack.enter_context(server(here, "/file"))
        simple = stack.enter_context(server([sys.executable, "-c", HTTP_SERVER, str(folder)], "/file"))
        watch = stack.enter_context(Watch(process))
        for _ in range(ROUNDS):
            (found.parent / "blobs" / name).unlink(missing_ok=True)
            for key, figure in (
                ("ours_put", lambda: put(ours, source)),
                ("plain_put", lambda: put(plain, source)),
                ("ours_get", lambda: get(ours)),
                ("plain_get", lambda: get(plain)),
                ("http_get", lambda: get(simple)),
            ):
                figures.setdefault(key, []).append(figure())
    medians = {key: statistics.median(values) for key, values in figures.items()}
    return {**medians, "hash_s": hash_s, "before": watch.before, "peak": watch.peak}


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    found = run()
    return TEMPLATE.format(
        size="1 GiB",
        rounds=ROUNDS,
        put_ratio=found["ours_put"] / found["plain_put"],
        get_ratio=found["ours_get"] / found["plain_get"],
        **found,
    )


if __name__ == "__main__":
    print(measure())
