"""The memory of all workers together: who waits, who is refused, who is ended."""

import asyncio
import sys

import pytest

from accel.execution.memory_budget import FREE_BYTES, MemoryBudget, available_bytes
from accel.workload import WorkloadError
from tests.accel.conftest import until

MIB = 1 << 20


class FakeProcess:
    """A process with memory at will; only the watchdog's choice is under test."""

    def __init__(self, size: int, doing: str = "some.work") -> None:
        self.size, self.doing, self.alive, self.reason = size, doing, True, ""

    def resident(self) -> int:
        return self.size

    def end_for_memory(self, reason) -> None:
        self.reason, self.alive = reason, False


def budget(total_mib: int = 1024, workers: int = 1) -> MemoryBudget:
    made = MemoryBudget(total_mib)
    made.add([], workers, 0)
    return made


def test_the_default_is_half_of_the_memory():
    assert MemoryBudget().total == available_bytes() // 2


def test_small_jobs_are_free_and_leave_room_for_those_that_ask():
    one = budget(16384, 4)
    assert one.free == FREE_BYTES
    assert one.capacity == 16384 * MIB - 3 * FREE_BYTES
    many = budget(1024, 16)
    assert many.free == 16 * MIB
    assert many.capacity > 512 * MIB


async def test_a_job_that_can_never_fit_is_refused_with_the_limit_and_the_setting():
    with pytest.raises(WorkloadError) as caught:
        async with budget(1024).reserve(1025 * MIB, "is huge", "a.png"):
            pass
    assert caught.value.code == "too_large"
    assert caught.value.name == "a.png"
    assert caught.value.reason.values["limit"] == 1024
    assert "worker.total_mib" in caught.value.reason


async def test_jobs_wait_for_each_other_in_turn():
    shared = budget(1000)
    running, ended = set(), []

    async def job(name: str, size: int) -> None:
        async with shared.reserve(size * MIB, "", name):
            running.add(name)
            assert sum({"a": 600, "b": 500, "c": 100}[one] for one in running) <= 1000
            await asyncio.sleep(0.01)
            running.discard(name)
            ended.append(name)

    await asyncio.gather(job("a", 600), job("b", 500), job("c", 100))
    # The small one comes last: it doesn't pass the one that waits for long.
    assert ended == ["a", "b", "c"]
    assert shared.waiting == 0


async def test_a_cancelled_job_leaves_its_place_and_its_memory():
    shared = budget(1000)
    tasks = []

    async def job(size: int, hold: asyncio.Event) -> None:
        async with shared.reserve(size * MIB, "", ""):
            await hold.wait()

    first, second = asyncio.Event(), asyncio.Event()
    tasks.append(asyncio.create_task(job(900, first)))
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(job(900, second)))
    await until(lambda: shared.waiting == 1, "the second to wait")
    tasks[1].cancel()
    await until(lambda: shared.waiting == 0, "it to leave")
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(5), shared.reserve(1000 * MIB, "", ""):
        pass


async def test_the_watchdog_ends_the_largest_busy_worker_if_all_together_take_too_much():
    idle, small, large = FakeProcess(900 * MIB, ""), FakeProcess(50 * MIB), FakeProcess(100 * MIB)
    shared = MemoryBudget(1000)
    shared.add([idle, small, large], 3, 0)
    shared.watch()
    await until(lambda: not large.alive, "the largest to be ended")
    assert idle.alive
    assert small.alive
    assert large.reason.values["memory"] == 1000
    shared.close()


async def test_where_the_system_limits_no_process_the_watchdog_does(monkeypatch):
    process = FakeProcess(300 * MIB)
    shared = MemoryBudget(1000)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        shared.add([process], 1, 200 * MIB)
    shared.watch()
    await until(lambda: not process.alive, "it to be ended")
    assert process.reason.values["memory"] == 200


async def test_the_watchdog_rests_while_no_worker_is_busy():
    process = FakeProcess(10 * MIB)
    shared = MemoryBudget(1000)
    shared.add([process], 1, 0)
    shared.watch()
    process.doing = ""
    process.size = 2000 * MIB
    await until(lambda: shared._timer is None, "the watchdog to rest")
    assert process.alive


def test_a_containers_limit_counts(tmp_path):
    own = tmp_path / "cgroup"
    own.write_text("0::/a/b\n")
    (tmp_path / "fs" / "a" / "b").mkdir(parents=True)
    (tmp_path / "fs" / "a" / "memory.max").write_text(f"{64 * MIB}\n")
    (tmp_path / "fs" / "a" / "b" / "memory.max").write_text("max\n")
    assert available_bytes(tmp_path / "fs", own) == 64 * MIB
    own.write_text("5:cpu:/x\n4:memory:/c\n")
    (tmp_path / "fs" / "memory" / "c").mkdir(parents=True)
    (tmp_path / "fs" / "memory" / "c" / "memory.limit_in_bytes").write_text(f"{32 * MIB}\n")
    assert available_bytes(tmp_path / "fs", own) == 32 * MIB
    assert available_bytes(tmp_path / "fs", tmp_path / "missing") > 64 * MIB
