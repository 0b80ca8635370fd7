"""Connections cut at random moments while everything flows; the long form is tools/bench/reconnects.py."""

from __future__ import annotations

from pathlib import Path

from tests.server.daemons import ThreadDaemon
from tools.bench.reconnects import run


async def test_fifty_reconnects_lose_and_double_nothing_as_handlers_see_it(
    daemon: ThreadDaemon, tmp_path: Path
) -> None:
    found = await run(daemon.file, tmp_path, 50, seed=11)
    assert [one.faults for one in found] == [[], []]
    assert all(one.connections > 50 and one.messages > 100 for one in found)
