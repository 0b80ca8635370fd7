"""Forced reconnects under traffic both ways: `python -m tools.bench.reconnects [COUNT] [SEED]`.

Two editors, one that checks every number and one on `bridge.client`, each behind a proxy that cuts or
resets its connection at random moments, often in the middle of a frame.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import random
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from msgspec import Struct
from websockets.exceptions import ConnectionClosed, WebSocketException

from bridge.client.client import Client
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Answer, Command, Popup
from bridge.paths import ConnectionFile
from tests.faults.proxy import FaultProxy
from tests.server import wire
from tests.server.daemons import ProcessDaemon

RECONNECTS = 1_000
LONGEST_S = 0.08
"""Seconds within which a connection is cut."""
RARE_S = 0.25
"""Seconds to wait for a cut after a number of bytes."""
PATIENCE_S = 30.0

TEMPLATE = """## Forced reconnects

{count:,} connections of each of two editors are cut or reset at random moments, often inside a frame,
while requests, popups, commands, their answers and events are exchanged (`tools/bench/reconnects.py`).
One editor checks every number; the other is the Python client, whose handlers count the messages. The
aim: no gap, no duplicate.

| editor | connections | messages handled | gaps, duplicates and losses |
|---|---|---|---|
{rows}
"""


class Result(Struct):
    """The result of one editor."""

    name: str
    connections: int
    messages: int
    faults: list[str]


async def cut(proxy: FaultProxy, chance: random.Random) -> None:
    """Ends open connections, in either way, now or after a number of bytes."""
    match chance.randrange(4):
        case 0:
            proxy.reset()
        case 1:
            proxy.cut()
        case 2:
            proxy.up.cut_after = chance.randrange(1, 400)
        case _:
            proxy.down.cut_after = chance.randrange(1, 4000)


async def cut_connections(
    editor: Editor, file: ConnectionFile, folder: Path, count: int, seed: int
) -> Result:
    """Cuts `count` connections of an editor, then lets it finish."""
    chance = random.Random(seed)
    async with FaultProxy(file, folder) as proxy:
        while editor.connections < count:
            running = asyncio.create_task(editor.run(proxy.connection_file))
            await asyncio.sleep(chance.random() * LONGEST_S)
            await cut(proxy, chance)
            # A cut after a number of bytes may never happen.
            if not (await asyncio.wait([running], timeout=RARE_S))[0]:
                proxy.heal()
            await running
        proxy.heal()
        running = asyncio.create_task(editor.run(proxy.connection_file))
        deadline = time.monotonic() + PATIENCE_S
        await asyncio.sleep(0.5)
        while editor.missing() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if isinstance(editor, ClientEditor):
            await editor.close()
    faults = [*editor.faults, *(f"lost: {tag}" for tag in editor.missing())]
    return Result(type(editor).__name__, editor.connections, editor.messages, faults)


async def run(file: ConnectionFile, folder: Path, count: int, seed: int = 1) -> list[Result]:
    """Runs both editors at once."""
    folders = [folder / "strict", folder / "client"]
    for each in folders:
        each.mkdir()
    editors = (StrictEditor(seed), ClientEditor(seed + 1))
    return await asyncio.gather(
        *(
            cut_connections(editor, file, place, count, seed + 2 + number)
            for number, (editor, place) in enumerate(zip(editors, folders, strict=True))
        )
    )


def measure(count: int = RECONNECTS, seed: int = 1) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    with tempfile.TemporaryDirectory(prefix="popbridge-reconnects-") as folder:
        daemon = ProcessDaemon(Path(folder, "home"))
        try:
            found = asyncio.run(run(daemon.start(), Path(folder), count, seed))
        finally:
            daemon.end()
    names = {"StrictEditor": "checks every number", "ClientEditor": "`bridge.client`"}
    rows = [
        f"| {names[one.name]} | {one.connections:,} | {one.messages:,} | **{len(one.faults)}** |"
        for one in found
    ]
    rows += [f"| {fault} | | | |" for one in found for fault in one.faults[:20]]
    return TEMPLATE.format(count=count, rows="\n".join(rows))


def main() -> None:
    print(measure(*map(int, sys.argv[1:])))


KINDS = ("echo", "sleep", "popup", "command")
"""What is sent: requests for the daemon or a worker, events that cause a popup or a command."""
PAUSE_S = 0.01
"""Longest time between two messages, seconds."""


class Editor(ABC):
    """A session over many connections; `run` is one connection.

    Messages from an editor have no numbers: the last ones before a cut may be lost, but none before a message
    that arrived. So of each connection's messages, a prefix must have had its effect, each exactly once.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.connections = 0
        self._sent: list[dict[str, list[str]]] = []
        self._seen: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []
        """Gaps and duplicates, as sentences."""

    @abstractmethod
    async def run(self, file: Path) -> None:
        """Connects, resumes, and sends and receives until the connection ends."""

    async def _talk(self) -> None:
        """Sends one message after another."""
        sent: dict[str, list[str]] = {kind: [] for kind in KINDS}
        self._sent.append(sent)
        while True:
            kind = self._chance.choice(KINDS)
            tag = f"{kind} {len(self._sent)}.{len(sent[kind])}"
            sent[kind].append(tag)
            await self._say(kind, tag)
            await asyncio.sleep(self._chance.random() * PAUSE_S)

    @abstractmethod
    async def _say(self, kind: str, tag: str) -> None: ...

    def _saw(self, tag: str) -> None:
        self._seen[tag] += 1
        if self._seen[tag] > 1:
            self.faults.append(f"doubled: {tag}")

    @property
    def messages(self) -> int:
        """The number of messages that had their effect."""
        return len(self._seen)

    def missing(self) -> list[str]:
        """The messages without effect although a later one of their kind and connection had it."""
        found = []
        for sent in self._sent:
            for tags in sent.values():
                last = max((n for n, tag in enumerate(tags) if tag in self._seen), default=-1)
                found += [tag for tag in tags[: max(last, 0)] if tag not in self._seen]
        return found


class StrictEditor(Editor):
    """An editor on raw frames: checks every number, acknowledges at random, answers each command once."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._wire: wire.Wire | None = None
        self._last_seq = 0
        self._replies: dict[int, dict[str, Any]] = {}
        self._unconfirmed: dict[int, dict[str, Any]] = {}
        self._requests = 0
        self._tags: dict[int, str] = {}

    async def run(self, file: Path) -> None:
        back = {"resume": wire.resume(self._wire, self._last_seq)} if self._wire else {}
        with contextlib.suppress(WebSocketException, OSError, EOFError):
            async with wire.session(ConnectionFile.read(file), **back) as self._wire:
                self.connections += 1
                for answer in tuple(self._unconfirmed.values()):
                    await self._wire.send("answer", **answer)
                await _first(self._talk(), self._read(self._wire))

    async def _say(self, kind: str, tag: str) -> None:
        assert self._wire is not None
        if kind in ("echo", "sleep"):
            self._requests += 1
            self._tags[self._requests] = tag
            asked: dict[str, Any] = (
                {"workload": "bridge.echo", "params": {"value": tag}}
                if kind == "echo"
                else {"workload": "test.sleep", "params": {"seconds": self._chance.random() * 0.01}}
            )
            await self._wire.send("request", id=self._requests, **asked)
        elif kind == "popup":
            await self._wire.send("event", name="test.popup", data={"title": tag})
        else:
            await self._wire.send("event", name="test.command", data={"args": {"tag": tag}})

    async def _read(self, socket: wire.Wire) -> None:
        while True:
            message = await socket.receive()
            if "seq" in message and not self._in_order(message):
                continue
            await self._handle(socket, message)
            if self._chance.random() < 0.2:
                await socket.send("ack", seq=self._last_seq)

    def _in_order(self, message: dict[str, Any]) -> bool:
        """Whether a message is new; only an unanswered command may be repeated."""
        seq = message["seq"]
        if seq > self._last_seq:
            if seq != self._last_seq + 1:
                self.faults.append(f"a gap: {seq} after {self._last_seq}")
            self._last_seq = seq
        elif message["type"] != "command":
            self.faults.append(f"numbered {seq} again: {message['type']}")
            return False
        return True

    async def _handle(self, socket: wire.Wire, message: dict[str, Any]) -> None:
        match message["type"]:
            case "result":
                self._saw(self._tags[message["id"]])
            case "error" if message["code"] == "overloaded":
                self._saw(self._tags[message["id"]])
            case "popup":
                self._saw(message["title"])
                answer = {"id": message["id"], "state": "answered", "action": "yes"}
                self._unconfirmed[message["id"]] = answer
                await socket.send("answer", **answer)
            case "popup_close":
                self._unconfirmed.pop(message["id"], None)
            case "command":
                if message["id"] not in self._replies:
                    self._saw(message["args"]["tag"])
                    self._replies[message["id"]] = {"id": message["id"], "value": {"before": [], "after": []}}
                await socket.send("result", **self._replies[message["id"]])
            case other:
                self.faults.append(f"nobody asked for this {other}: {message}")


class ClientEditor(Editor):
    """An editor on `bridge.client`, by what its handlers receive; popups are answered after a delay."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._client: Client | None = None
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self, file: Path) -> None:
        try:
            self._client = await Client.connect(
                file,
                kind="editor",
                previous=self._client,
                on_popup=self._show,
                on_command=self._obey,
            )
        except (UserError, ConnectionClosed):
            return
        self.connections += 1
        await _first(self._talk(), self._client.wait_closed())

    async def close(self) -> None:
        """Closes the last connection and cancels what waits for it."""
        if self._client is not None:
            await self._client.close()
        await asyncio.gather(*self._waiting)

    async def _say(self, kind: str, tag: str) -> None:
        assert self._client is not None
        if kind in ("echo", "sleep"):
            task = asyncio.create_task(self._ask(self._client, kind, tag))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        elif kind == "popup":
            await self._client.event("test.popup", {"title": tag})
        else:
            await self._client.event("test.command", {"args": {"tag": tag}})

    async def _ask(self, client: Client, kind: str, tag: str) -> None:
        # A request without a key may be lost with its connection; the caller gets an error.
        with contextlib.suppress(RequestError, ConnectionClosed):
            if kind == "echo":
                assert (await client.request("bridge.echo", {"value": tag})).value == tag
            else:
                await client.request("test.sleep", {"seconds": 0.005})

    async def _show(self, popup: Popup) -> Answer:
        self._saw(popup.title)
        await asyncio.sleep(self._chance.random() * 0.05)
        return Answer(id=popup.id, state="answered", action="yes")

    async def _obey(self, command: Command) -> Any:
        self._saw(command.args["tag"])
        await asyncio.sleep(self._chance.random() * 0.02)
        return {"before": [], "after": []}


async def _first(*work: Any) -> None:
    """Waits until one of them ends, as all do when the connection ends."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # Errors of a cut are expected; a failed check isn't.
            if isinstance(result, Exception) and not isinstance(
                result, RequestError | WebSocketException | OSError
            ):
                raise result


if __name__ == "__main__":
    main()
