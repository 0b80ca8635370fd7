"""What a warm single request adds to the bare call in process, and what a bare pipe would."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pyvips
from msgspec import Struct

from accel.image.preview import thumbnail_file
from accel.workload import Input, Limits
from bridge.client import Client
from bridge.core.messages import InputRef

SIZE = 256
BLOCKS, SINGLES = 25, 20
"""Blocks of so many requests, one after the other."""


class Added(Struct):
    """Milliseconds at the median, of a single warm request and of the bare call in this process."""

    pixels: int
    request: float
    bare: float
    added: float
    """Of the differences, one for each block."""
    pipe: float
    """What the same call adds that is made in another process, behind a bare pipe."""


def alone() -> None:
    """How a process of a peer begins: one thread, and no cache that would know the last round's files."""
    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)


def reference(path: Path) -> InputRef:
    return InputRef(name=path.name, path=path.name)


async def added(client: Client, path: Path) -> Added:
    """What the bridge adds to a call, one request at a time."""
    job = Input(path.name, str(path)), SIZE, "png", Limits()
    width = pyvips.Image.new_from_file(str(path)).width
    blocks = []
    with other_process() as other:
        for _ in range(BLOCKS):
            # In blocks, as a client that has just decoded an image itself would find nothing in its caches.
            bare = [_milliseconds(lambda: thumbnail_file(*job)) for _ in range(SINGLES)]
            pipe = [_milliseconds(lambda: (other.send(job), other.recv())) for _ in range(SINGLES)]
            request = []
            for _ in range(SINGLES):
                begin = time.perf_counter()
                await client.request("image.thumbnail", {"size": SIZE}, inputs=[reference(path)], cache=False)
                request.append((time.perf_counter() - begin) * 1000)
            blocks.append([statistics.median(each) for each in (request, bare, pipe)])
    requests, calls, _ = zip(*blocks, strict=True)
    extra, behind = [r - call for r, call, _ in blocks], [pipe - call for _, call, pipe in blocks]
    return Added(width * width, *(statistics.median(each) for each in (requests, calls, extra, behind)))


@contextlib.contextmanager
def other_process() -> Iterator[Connection]:
    """The end of a pipe behind which a process makes thumbnails, and says when one is made."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection) -> None:
    alone()
    with contextlib.suppress(EOFError):
        while True:
            thumbnail_file(*connection.recv())
            connection.send(True)


def _milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000
