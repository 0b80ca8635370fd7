"""What tests of promised requests ask, and look at."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreError
from bridge.store.database import open_readonly
from tests.server.daemons import ThreadDaemon
from tests.server.wire import Wire

Start = Callable[..., ThreadDaemon]
PROJECT = {"id": "p", "name": "P"}


def rows(daemon: Any, query: str) -> list[Any]:
    db = open_readonly(daemon.paths.database)
    assert db is not None
    found = db.execute(query).fetchall()
    db.conn.close()
    return found


async def ask(wire: Wire, number: int, workload: str, params: Any = None, **more: Any) -> str:
    """The name of the job that a request is accepted as."""
    await wire.send("request", id=number, workload=workload, params=params or {}, **more)
    accepted = await wire.receive()
    assert (accepted["type"], accepted["id"]) == ("accepted", number), accepted
    return str(accepted["job"])


async def answer(wire: Wire, number: int) -> dict[str, Any]:
    while True:
        message = await wire.receive()
        if message["type"] in ("result", "error") and message.get("id") == number:
            return message


def traces(log: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


class Failing:
    """A store that fails where it is asked to do certain works."""

    def __init__(self, daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        self._write = daemon.bridge.store.write
        self._names = names
        self.failed = threading.Event()
        self.mended = False
        monkeypatch.setattr(daemon.bridge.store, "write", self)

    async def __call__(self, work: Any, **more: Any) -> Any:
        described = " ".join(map(str, (work, getattr(work, "__closure__", None) or ())))
        if not self.mended and any(name in described for name in self._names):
            self.failed.set()
            raise StoreError("the disk is full")
        return await self._write(work, **more)
