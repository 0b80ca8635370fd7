"""What a person does at the keyboard, and what comes of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from tests.godot.daemon import Daemon
from tests.godot.probe import Probe

HELD_UP_S = 15


def answers(daemon: Daemon, *popups: dict[str, Any]) -> list[dict[str, Any]]:
    """All answers to these popups so far, in order."""
    ids = [popup["id"] for popup in popups]
    return [said for said in daemon.said if said["type"] == "answer" and said["id"] in ids]


async def pressing(key: str, display: str, outcome: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Presses until `outcome` comes: a key that arrives before the window takes keys is lost."""
    waiting = asyncio.create_task(outcome)
    while not waiting.done():
        await xdotool(display, "key", key)
        await asyncio.wait([waiting], timeout=0.5)
    return waiting.result()


async def escape(probe: Probe, display: str) -> None:
    """Presses Escape until the keys are taken from the cards: one that arrives too early is lost."""
    async with asyncio.timeout(HELD_UP_S):
        while not await probe.run("return probe.is_focused(dock)"):
            await xdotool(display, "key", "Escape")


async def xdotool(display: str, *does: str) -> None:
    run = await asyncio.create_subprocess_exec("xdotool", *does, env={**os.environ, "DISPLAY": display})
    assert await run.wait() == 0
