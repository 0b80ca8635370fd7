"""How late the event loop is."""

from __future__ import annotations

import asyncio
import time

from bridge.server.watchdog import PERIOD_S, LoopLag


async def seen(lag: LoopLag, count: int) -> None:
    async with asyncio.timeout(30):
        while len(lag.seen) < count:
            await asyncio.sleep(PERIOD_S / 2)


async def test_a_stall_is_seen_with_its_length() -> None:
    lag = LoopLag()
    lag.start()
    await seen(lag, 1)
    time.sleep(PERIOD_S + 0.3)
    await seen(lag, 2)
    lag.stop()
    assert lag.seen.sum >= 0.25


async def test_once_stopped_it_looks_no_more() -> None:
    LoopLag().stop()
    lag = LoopLag()
    lag.start()
    lag.stop()
    await asyncio.sleep(2 * PERIOD_S)
    assert len(lag.seen) == 0
