"""A run waits for a worker for free; its limit begins with the worker."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from accel.execution.batching import Batcher
from accel.execution.executor import CancelToken, ExecutorResult, LocalExecutor
from bridge.server.scheduler import with_run_deadline
from tests.accel import workloads
from tests.accel.asking import go, held
from tests.accel.conftest import executor, until

pytestmark = pytest.mark.own_workers

__all__ = ["executor"]


async def test_waiting_for_a_worker_costs_none_of_the_limit() -> None:
    async def run(token: CancelToken) -> str:
        await asyncio.sleep(0.2)
        token.start()
        return "done"

    assert await with_run_deadline(run, 0.05) == "done"


async def test_a_run_that_takes_longer_is_given_up_and_says_whose_fault_it_is() -> None:
    seen: list[bool] = []

    async def run(token: CancelToken) -> None:
        token.start()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(token.overdue)
            raise

    with pytest.raises(TimeoutError):
        await with_run_deadline(run, 0.05)
    assert seen == [True]


async def test_each_worker_has_the_whole_limit() -> None:
    async def run(token: CancelToken) -> str:
        for _ in range(3):
            token.start()
            await asyncio.sleep(0.2)
        return "done"

    assert await with_run_deadline(run, 0.45) == "done"


async def test_what_hangs_in_a_batch_has_the_limit_once(executor: LocalExecutor, tmp_path: Path) -> None:
    stays = tmp_path / "stays"
    stays.touch()
    batcher = Batcher(executor, lambda workload: 8, least_s=0.5)

    async def begin(*texts: str) -> list[asyncio.Task[ExecutorResult]]:
        async with held(executor, tmp_path):
            tasks = [
                asyncio.create_task(
                    with_run_deadline(
                        lambda token, text=text: go(batcher, workloads.many, text, token=token), 3.0
                    )  # type: ignore[misc]
                )
                for text in texts
            ]
            await until(lambda: executor.pool.waiting, "the jobs to queue")
        return tasks

    await asyncio.gather(*await begin("a", "b"))
    hanging, other = await begin(f"hold {stays}", "b")
    begun = time.monotonic()
    assert (await other).batch == 1
    with pytest.raises(TimeoutError):
        await hanging
    assert time.monotonic() - begun < 3.8


async def test_who_is_cancelled_is_cancelled() -> None:
    task = asyncio.create_task(with_run_deadline(lambda token: asyncio.sleep(60), 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
