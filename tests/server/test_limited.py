"""A run waits for a worker for free; its limit begins with the worker."""

from __future__ import annotations

import asyncio

import pytest

from accel.watch import Watch
from bridge.server.limited import limited


async def test_waiting_for_a_worker_costs_none_of_the_limit() -> None:
    async def run(watch: Watch) -> str:
        await asyncio.sleep(0.2)
        watch.begin()
        return "done"

    assert await limited(run, 0.05) == "done"


async def test_a_run_that_takes_longer_is_given_up_and_says_whose_fault_it_is() -> None:
    seen: list[bool] = []

    async def run(watch: Watch) -> None:
        watch.begin()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(watch.overdue)
            raise

    with pytest.raises(TimeoutError):
        await limited(run, 0.05)
    assert seen == [True]


async def test_each_worker_has_the_whole_limit() -> None:
    async def run(watch: Watch) -> str:
        for _ in range(3):
            watch.begin()
            await asyncio.sleep(0.2)
        return "done"

    assert await limited(run, 0.45) == "done"


async def test_who_is_cancelled_is_cancelled() -> None:
    task = asyncio.create_task(limited(lambda watch: asyncio.sleep(60), 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
