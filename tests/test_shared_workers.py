"""Workers that tests share: one process for all that could be one, and none for a test that wants its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from accel.execution.executor import LocalExecutor
from accel.workload import Limits, WorkloadError
from tests.accel import workloads
from tests.accel.asking import go

pytestmark = pytest.mark.usefixtures("shared_workers")


async def run(workload: Any, text: str, *, deadline_s: float = 60, models: str = "none") -> Any:
    """What a job gives in an executor of its own."""
    executor = LocalExecutor(1, Limits(models=models), 0, warm=())
    await executor.start()
    try:
        return (await go(executor, workload, text, deadline_s=deadline_s)).value
    finally:
        await executor.close()


def pid(**options: Any) -> int:
    """The process of a worker, asked as a command does: from an event loop that ends with it."""
    found: int = asyncio.run(run(workloads.say, "x", **options))["pid"]
    return found


def test_executors_that_want_the_same_get_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pid()
    assert pid() == first
    assert pid(models=str(tmp_path)) != first, "there may be models in it"
    monkeypatch.setenv("POPBRIDGE_TEST", "1")
    assert pid() != first, "the environment is another"


def test_a_job_that_hangs_costs_its_worker_and_not_the_next_job(tmp_path: Path) -> None:
    first, hanging = pid(), tmp_path / "hangs"
    with pytest.raises(WorkloadError) as caught:
        asyncio.run(run(workloads.hang, str(hanging), deadline_s=1))
    assert caught.value.code == "deadline_exceeded" and hanging.read_text() == str(first)
    assert pid() != first


@pytest.mark.own_workers
def test_a_test_that_wants_its_own_gets_its_own() -> None:
    assert pid() != pid()
