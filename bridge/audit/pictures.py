"""Small pictures of the worst textures, for the page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accel.workload import WorkloadError
from bridge.audit.cache import Cache, Stat, question_of
from bridge.audit.examine import Workers
from bridge.audit.results import Row

MOST = 2000
"""Of so many textures; at some 2 KB each the page stays one that a browser opens."""
PARAMS = {"size": 96, "format": "webp"}
PREFIX = "\0picture\0"
"""No file's name begins so: the cache keeps pictures beside the answers."""


async def take(root: Path, rows: Sequence[Row], workload: Any, workers: Workers, cache: Cache) -> None:
    """Gives the worst of `rows` pictures, save those that have theirs; a file without one stays without."""
    question = question_of(workload.name, workload.version, PARAMS)
    without = [row for row in rows[:MOST] if row.width and not row.picture]
    waiting = [row for row in without if not _known(root, row, question, cache)]
    places = asyncio.Semaphore(2 * workers.count)

    async def one(row: Row) -> None:
        async with places:
            try:
                stat = Stat.of(root / row.file)
                result = await workers.run(workload, PARAMS, row.file, root / row.file)
            except (OSError, WorkloadError):
                return
            row.picture = result.files[0].data or b""
            cache.put(PREFIX + row.file, stat, question, row.content, row.picture)

    await asyncio.gather(*(one(row) for row in waiting))


def _known(root: Path, row: Row, question: bytes, cache: Cache) -> bool:
    try:
        found = cache.get(root / row.file, PREFIX + row.file, Stat.of(root / row.file), question)
    except OSError:
        return True
    row.picture = found or b""
    return bool(found)
