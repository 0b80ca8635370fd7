"""Forced reconnects under traffic both ways: `python -m tools.bench.reconnects [COUNT] [SEED]`.

Two editors, one that checks every number and one on `bridge.client`, each behind a proxy that cuts or
resets its connection at random moments, often in the middle of a frame.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from bridge.connection import ConnectionFile
from tests.faults.proxy import FaultProxy
from tests.server.daemons import ProcessDaemon
from tools.bench.editors import ClientEditor, Editor, StrictEditor

RECONNECTS = 1_000
LONGEST_S = 0.08
"""A connection is cut within this time."""
RARE_S = 0.25
"""How long a cut after so many bytes is waited for."""
PATIENCE_S = 30.0

TEMPLATE = """## Forced reconnects

{count:,} connections of each of two editors are cut or reset at random moments, often inside a frame,
while requests, popups, commands, their answers and events are exchanged (`tools/bench/reconnects.py`).
One editor checks every number; the other is the Python client, and its handlers count. The aim: no gap,
no duplicate.

| editor | connections | messages handled | gaps, duplicates and losses |
|---|---|---|---|
{rows}
"""


class Found(Struct):
    """What became of one editor."""

    name: str
    connections: int
    messages: int
    faults: list[str]


async def cut(proxy: FaultProxy, chance: random.Random) -> None:
    """Ends what is open, one way or another, now or after so many bytes."""
    match chance.randrange(4):
        case 0:
            proxy.reset()
        case 1:
            proxy.cut()
        case 2:
            proxy.up.cut_after = chance.randrange(1, 400)
        case _:
            proxy.down.cut_after = chance.randrange(1, 4000)


async def torment(editor: Editor, file: ConnectionFile, folder: Path, count: int, seed: int) -> Found:
    """Cuts `count` connections of an editor, then lets it have the rest in peace."""
    chance = random.Random(seed)
    async with FaultProxy(file, folder) as proxy:
        while editor.connections < count:
            running = asyncio.create_task(editor.run(proxy.connection_file))
            await asyncio.sleep(chance.random() * LONGEST_S)
            await cut(proxy, chance)
            # A cut after so many bytes may never come about.
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
    return Found(type(editor).__name__, editor.connections, editor.messages, faults)


async def run(file: ConnectionFile, folder: Path, count: int, seed: int = 1) -> list[Found]:
    """Both editors at once."""
    folders = [folder / "strict", folder / "client"]
    for each in folders:
        each.mkdir()
    editors = (StrictEditor(seed), ClientEditor(seed + 1))
    return await asyncio.gather(
        *(
            torment(editor, file, place, count, seed + 2 + number)
            for number, (editor, place) in enumerate(zip(editors, folders, strict=True))
        )
    )


def measure(count: int = RECONNECTS, seed: int = 1) -> str:
    """The section of docs/reliability.md."""
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


if __name__ == "__main__":
    main()
