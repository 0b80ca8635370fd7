"""PUTs and GETs blobs continuously until stdin closes: `python -m tools.bench.blob_mover FILE`.

Uses plain `http.client`, so that the daemon is what is measured. Prints the MiB transferred in both
directions.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from bridge.paths import ConnectionFile

SIZE = 8 << 20
KEPT = 8
"""Number of different blobs; each is new to the daemon once and a repeated PUT from then on."""


def blobs() -> list[tuple[str, bytes]]:
    made = [os.urandom(SIZE) for _ in range(KEPT)]
    return [(hashlib.sha256(one).hexdigest(), one) for one in made]


def exchange(file: ConnectionFile, connection: http.client.HTTPConnection, name: str, data: bytes) -> None:
    """Uploads and downloads one blob."""
    headers = {"Authorization": f"Bearer {file.token}"}
    for method, body in (("PUT", data), ("GET", None)):
        connection.request(method, f"/blobs/{name}", body, headers)
        response = connection.getresponse()
        found = response.read()
        assert response.status in (200, 201), (method, response.status, found[:200])
        assert method == "PUT" or found == data


def main() -> None:
    file = ConnectionFile.read(Path(sys.argv[1]))
    made = blobs()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    connection = http.client.HTTPConnection(urlsplit(file.http).netloc, timeout=60)
    print("moving", flush=True)
    count = 0
    while not ended.is_set():
        exchange(file, connection, *made[count % KEPT])
        count += 1
    connection.close()
    print(count * 2 * SIZE / 2**20, flush=True)


if __name__ == "__main__":
    main()
