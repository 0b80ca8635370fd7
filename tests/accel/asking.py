"""How tests ask an executor for the test workloads, and keep its only worker busy."""

import asyncio

import pytest

from accel.execution.executor import Executor, Job
from accel.workload import WorkloadError
from tests.accel import workloads
from tests.accel.conftest import until

LONG = 60.0


async def go(executor: Executor, function, text: str = "", inputs=(), *, deadline_s=LONG, size=0, **options):
    """Runs one of the test workloads."""
    params = {"text": text, "size": size}
    return await executor.run(Job.parse(function.workload, params, inputs, deadline_s=deadline_s, **options))


async def refused(awaitable, code: str) -> WorkloadError:
    with pytest.raises(WorkloadError) as caught:
        await awaitable
    assert caught.value.code == code
    return caught.value


class held:
    """Keeps the only worker busy; gives its process."""

    def __init__(self, executor, folder):
        self.executor, self.file = executor, folder / "hold.file"

    async def __aenter__(self):
        pid = (await go(self.executor, workloads.say)).value["pid"]
        self.file.touch()
        self.task = asyncio.create_task(go(self.executor, workloads.hold, str(self.file)))
        await until(self.file.with_suffix(".held").exists, "the worker to be busy")
        return pid

    async def __aexit__(self, *error):
        self.file.unlink()
        await self.task
