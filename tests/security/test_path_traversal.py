"""No name of a blob or an upload leads to another file; names of inputs are in test_published_attacks.py.

How Windows would read such names is decided as text, which tests/server/test_project_paths_windows.py tries.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from bridge.core import access
from tests.server.daemons import ThreadDaemon

SECRET = b"a secret beside the blobs"
BLOB = b"a blob"
NAME = hashlib.sha256(BLOB).hexdigest()
DEPTHS = ("..", "../..", "../../..", "../../../../../../../..")
PLAIN = [
    *(f"{up}/secret.txt" for up in DEPTHS),
    "..\\secret.txt",
    "..\\..\\secret.txt",
    "secret.txt",
    "./secret.txt",
    "secret.txt\0",
    f"{NAME}\0/../secret.txt",
    f"{NAME}/../secret.txt",
    f"{NAME}\\..\\secret.txt",
    f"{NAME}:secret",
    f"{NAME}::$DATA",
    f"{NAME}.",
    f"{NAME} ",
    f"{NAME}\n",
    NAME.upper(),
    NAME[:-1],
    NAME[:-1] + "\uff11",
    "\\\\evil.test\\share\\secret.txt",
    "//evil.test/share/secret.txt",
    "\\\\?\\C:\\secret.txt",
    "\\\\.\\pipe\\secret",
    "C:\\secret.txt",
    "C:secret.txt",
    "CON",
    "NUL.txt",
    "~/secret.txt",
    "/etc/passwd",
    "file:///etc/passwd",
    "*",
    ".",
    "..",
]
RAW = [
    *(f"{up}/secret.txt" for up in DEPTHS),
    "..%2fsecret.txt",
    "..%5csecret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "%252e%252e%252fsecret.txt",
    "..%c0%afsecret.txt",
    "..%u2215secret.txt",
    "..;/secret.txt",
    "....//secret.txt",
    f"{NAME}%00.txt",
    f"{NAME}%00",
    f"{NAME}%0d%0aX-Injected:%201",
]


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """None are needed."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("traversal") / "home").start()
    running.call(store(running))
    for folder in (running.paths.blobs, *running.paths.blobs.parents[:3]):
        (folder / "secret.txt").write_bytes(SECRET)
    yield running
    running.stop()


async def store(daemon: ThreadDaemon) -> str:
    return daemon.bridge.blobs.put(BLOB)


def files(daemon: ThreadDaemon) -> dict[str, bytes]:
    """The files that a name of a blob could lead to."""
    places = (daemon.paths.blobs, *daemon.paths.blobs.parents[:3])
    found = [path for place in places[:2] for path in place.rglob("*")] + [
        place / "secret.txt" for place in places
    ]
    # The daemon itself writes its databases and logs.
    own = [path for path in found if path.is_file() and path.suffix in ("", ".txt", ".part")]
    return {str(path): path.read_bytes() for path in own if path.name != "audit.log"}


async def answered(daemon: ThreadDaemon, requests: list[str]) -> list[bytes]:
    """The answers to requests over connections of their own, whose paths no client has cleaned."""
    address = urlsplit(daemon.file.http)

    async def ask(request: str) -> bytes:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.closing(writer):
            writer.write(
                f"{request} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(SECRET)}\r\n"
                f"Authorization: Bearer {daemon.file.token}\r\nConnection: close\r\n\r\n".encode()
                + SECRET
            )
            return await asyncio.wait_for(reader.read(), 20)

    return await asyncio.gather(*map(ask, requests))


# The answer to `OPTIONS` is the same for each name.
@pytest.mark.parametrize(
    ("method", "template"),
    [(method, path) for method, path in access.ROUTES if "{name}" in path and method != "OPTIONS"],
)
async def test_a_name_of_a_blob_or_an_upload_leads_to_no_other_file(
    daemon: ThreadDaemon, method: str, template: str
) -> None:
    before = files(daemon)
    assert len([path for path in before if path.endswith("secret.txt")]) == 4
    names = [quote(name, safe="") for name in PLAIN] + [quote(name, safe="/") for name in PLAIN] + RAW
    answers = await answered(daemon, [f"{method} {template.format(name=name)}" for name in names])
    for name, answer in zip(names, answers, strict=True):
        head, _, body = answer.partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 4"), (name, answer)
        assert b"X-Injected" not in head
        assert SECRET not in body
        assert body != BLOB
    assert files(daemon) == before
