"""Clients that ask with keys through any number of connections, and keep account of what was promised."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
from pathlib import Path
from typing import Any

from websockets.exceptions import WebSocketException

from bridge.connection import ConnectionFile
from bridge.core.errors import UserError
from tests.server import wire

PRIORITIES = ("interactive", "normal", "bulk", "bulk")
OPEN = 32
"""Requests of one client that are open at a time."""
PAUSE_S = 0.02
"""Before a daemon that isn't there is dialled again."""


class Asker:
    """One session; asks for thumbnails of `pictures`, below `root`, until `asking` is false."""

    def __init__(self, name: str, root: Path, pictures: list[str], seed: int) -> None:
        self.name = name
        self.asking = True
        self.faults: list[str] = []
        """What must not be, in words."""
        self.connections = 0
        self._root = root
        self._pictures = pictures
        self._chance = random.Random(seed)
        self._wire: wire.Wire | None = None
        self._last_seq = 0
        self._next_id = 0
        self._open: dict[int, dict[str, Any]] = {}
        self._jobs: dict[int, str] = {}
        self._answers: collections.Counter[int] = collections.Counter()

    @property
    def answered(self) -> int:
        return len(self._answers)

    @property
    def promised(self) -> int:
        """How many were accepted, as far as the client was told."""
        return len(self._jobs)

    @property
    def is_done(self) -> bool:
        """Whether nothing is asked any more and all of it was answered."""
        return not self.asking and not self._open

    def lost(self) -> list[str]:
        """What was accepted and never answered."""
        return [f"lost: request {number} of {self.name}" for number in self._open if number in self._jobs]

    async def run(self, connection_file: Path) -> None:
        """Connects again and again until `is_done`."""
        while not self.is_done:
            with contextlib.suppress(WebSocketException, OSError, EOFError, UserError):
                await self._connected(ConnectionFile.read(connection_file))
            await asyncio.sleep(PAUSE_S)

    async def _connected(self, file: ConnectionFile) -> None:
        back = {"resume": wire.resume(self._wire, self._last_seq)} if self._wire else {}
        project = {"id": self.name, "name": self.name, "root": str(self._root)}
        async with wire.session(file, project=project, **back) as self._wire:
            self.connections += 1
            # Whoever knows of no answer asks again, by the same id and key.
            for request in tuple(self._open.values()):
                await self._wire.send("request", **request)
            while not self.is_done:
                while self.asking and len(self._open) < OPEN:
                    await self._wire.send("request", **self._new())
                await self._handle(await self._wire.receive())

    def _new(self) -> dict[str, Any]:
        self._next_id += 1
        request = {
            "id": self._next_id,
            "workload": "image.thumbnail",
            "params": {"size": self._chance.randrange(16, 256)},
            "inputs": [{"name": "picture", "path": self._chance.choice(self._pictures)}],
            "key": f"{self.name} {self._next_id}",
            "priority": self._chance.choice(PRIORITIES),
            "cache": False,
        }
        self._open[self._next_id] = request
        return request

    async def _handle(self, message: dict[str, Any]) -> None:
        if "seq" in message:
            if message["seq"] <= self._last_seq:
                self.faults.append(f"doubled: message {message['seq']} of {self.name}")
                return
            self._last_seq = message["seq"]
        if message["type"] == "accepted":
            self._accepted(message["id"], message["job"])
        elif message["type"] in ("result", "error"):
            self._answered(message)
        if self._chance.random() < 0.2 and self._wire is not None:
            await self._wire.send("ack", seq=self._last_seq)

    def _accepted(self, number: int, job: str) -> None:
        if self._jobs.setdefault(number, job) != job:
            self.faults.append(f"doubled: request {number} of {self.name} is two jobs")

    def _answered(self, message: dict[str, Any]) -> None:
        number = message["id"]
        self._answers[number] += 1
        if self._answers[number] > 1:
            self.faults.append(f"doubled: the answer to request {number} of {self.name}")
            return
        asked = self._open.pop(number)
        if message["type"] == "error":
            self.faults.append(f"failed: request {number} of {self.name}: {message['message']}")
        elif max(message["value"]["width"], message["value"]["height"]) != asked["params"]["size"]:
            self.faults.append(f"wrong: request {number} of {self.name}: {message['value']}")
