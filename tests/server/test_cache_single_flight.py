"""What is under way for several: begun once, for as long as anybody waits, as urgent as the most urgent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from accel.execution.batching import Batcher
from accel.execution.executor import CancelToken, Job, LocalExecutor
from accel.workload import Limits, WorkloadError, echo
from bridge.server.cache import InFlight, SingleFlight
from tests.accel import workloads
from tests.accel.asking import go, held
from tests.accel.conftest import until

pytestmark = pytest.mark.own_workers

LONG_S = 60.0


class Work:
    """Work that a test lets begin and end."""

    def __init__(self) -> None:
        self.begin, self.end, self.kept = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.priorities: list[str] = []
        self.tokens: list[CancelToken] = []
        self.cancelled = 0
        self.outcome: Any = "done"

    async def run(self, token: CancelToken, priority: str) -> Any:
        self.priorities.append(priority)
        self.tokens.append(token)
        try:
            await self.begin.wait()
            token.start()
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def keep(self, outcome: Any) -> None:
        await self.kept.wait()


@pytest.fixture
async def flights() -> Any:
    made: SingleFlight[Any] = SingleFlight()
    yield made
    await made.close()


def start(flights: SingleFlight[Any], work: Work, priority: str = "normal") -> InFlight[Any]:
    return flights.start(b"key", work.run, work.keep, priority)


def job(priority: str = "normal", deadline_s: float = LONG_S, token: CancelToken | None = None) -> Job:
    return Job.parse(echo.workload, {}, priority=priority, deadline_s=deadline_s, token=token)


def join(flight: InFlight[Any], priority: str = "normal", deadline_s: float = LONG_S) -> asyncio.Task[Any]:
    return asyncio.create_task(flight.join(job(priority, deadline_s)))


async def test_waiting_jobs_get_the_outcome_before_it_is_stored(flights: SingleFlight[Any]) -> None:
    work, happened = Work(), list[str]()
    work.begin.set()
    work.end.set()

    async def keep(outcome: Any) -> None:
        happened.append("kept")
        work.kept.set()

    async def wait(flight: InFlight[Any]) -> None:
        happened.append(await flight.join(job()))

    flight = flights.start(b"key", work.run, keep, "normal")
    await asyncio.gather(wait(flight), wait(flight), work.kept.wait())
    assert happened == ["done", "done", "kept"]


async def test_a_shared_job_that_hangs_in_a_batch_fails_alone(
    flights: SingleFlight[Any], tmp_path: Path
) -> None:
    stays = tmp_path / "stays"
    stays.touch()
    executor = LocalExecutor(1, Limits(), 0, warm=())
    batcher = Batcher(executor, lambda workload: 8, least_s=1.0)
    await batcher.start()
    await together(batcher, executor, tmp_path, "abc")

    def ask(text: str) -> asyncio.Task[Any]:
        async def run(token: CancelToken, priority: str) -> Any:
            return await go(batcher, workloads.many, text, deadline_s=None, token=token)

        flight = flights.start(text.encode(), run, Work().keep, "normal")
        return join(flight, deadline_s=8)

    async with held(executor, tmp_path):
        hanging, *others = map(ask, (f"hold {stays}", "a", "b"))
        await until(lambda: executor.pool.waiting, "the jobs to queue")
    assert [(await other).value["text"] for other in others] == ["a", "b"]
    with pytest.raises(WorkloadError, match="before its deadline"):
        await hanging
    await batcher.close()


async def together(batcher: Batcher, executor: LocalExecutor, folder: Path, texts: str) -> None:
    """Jobs that end as one batch: how long that takes is known then."""
    async with held(executor, folder):
        tasks = [asyncio.create_task(go(batcher, workloads.many, text)) for text in texts]
        await until(lambda: executor.pool.waiting, "the jobs to queue")
    assert [one.batch for one in await asyncio.gather(*tasks)] == [len(texts)] * len(texts)


async def settle() -> None:
    """Everything that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_get_what_one_run_gives(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work)
    assert flights.get(b"key") is flight and flights.get(b"other") is None
    waiting = [join(flight) for _ in range(64)]
    await settle()
    work.begin.set()
    work.end.set()
    assert await asyncio.gather(*waiting) == ["done"] * 64
    assert len(work.tokens) == 1


async def test_what_is_done_is_given_until_it_is_kept(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work)
    first = join(flight)
    work.begin.set()
    work.end.set()
    assert await first == "done"
    assert flights.get(b"key") is flight and len(flights) == 1
    assert await flight.join(job()) == "done"
    work.kept.set()
    await settle()
    assert flights.get(b"key") is None


async def test_an_error_is_shared_by_those_who_waited_and_by_nobody_else(flights: SingleFlight[Any]) -> None:
    work = Work()
    work.outcome = WorkloadError("bad_input", "is broken", "a")
    flight = start(flights, work)
    waiting = [join(flight) for _ in range(3)]
    await settle()
    work.begin.set()
    work.end.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert done == [work.outcome] * 3
    assert flights.get(b"key") is None


async def test_who_cancels_first_takes_nothing_from_the_others(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work)
    leader, other = join(flight), join(flight)
    await settle()
    leader.cancel()
    await settle()
    assert leader.cancelled() and not work.cancelled
    work.begin.set()
    work.end.set()
    assert await other == "done"


async def test_the_work_ends_when_the_last_one_cancels(flights: SingleFlight[Any]) -> None:
    work = Work()
    waiting = [join(flight) for flight in [start(flights, work)] for _ in range(3)]
    await settle()
    for one in waiting:
        assert not work.cancelled
        one.cancel()
        await settle()
    assert work.cancelled == 1 and not work.tokens[0].overdue
    assert flights.get(b"key") is None


async def test_each_has_a_deadline_of_its_own(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work)
    leader, other = join(flight, deadline_s=0.01), join(flight)
    with pytest.raises(WorkloadError) as late:
        await leader
    assert late.value.code == "deadline_exceeded" and not work.cancelled
    work.begin.set()
    work.end.set()
    assert await other == "done"


async def test_work_of_which_all_deadlines_have_passed_ends_and_says_why(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work)
    late = [join(flight, deadline_s=0.01), join(flight, deadline_s=0.03)]
    done = await asyncio.gather(*late, return_exceptions=True)
    assert [one.code for one in done if isinstance(one, WorkloadError)] == ["deadline_exceeded"] * 2
    await settle()
    assert work.cancelled == 1 and work.tokens[0].overdue
    assert flights.get(b"key") is None


async def test_a_more_urgent_one_hurries_what_hasnt_begun(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work, "bulk")
    waiting = [join(flight, "bulk")]
    await settle()
    for priority in ("normal", "bulk", "normal", "interactive", "normal"):
        waiting.append(join(flight, priority))
        await settle()
    assert work.priorities == ["bulk", "normal", "interactive"] and work.cancelled == 2
    work.begin.set()
    work.end.set()
    assert await asyncio.gather(*waiting) == ["done"] * 6


async def test_what_has_begun_is_left_alone(flights: SingleFlight[Any]) -> None:
    work = Work()
    flight = start(flights, work, "bulk")
    waiting = [join(flight, "bulk")]
    work.begin.set()
    await settle()
    waiting.append(join(flight, "interactive"))
    await settle()
    assert work.priorities == ["bulk"]
    work.end.set()
    assert await asyncio.gather(*waiting) == ["done", "done"]


async def test_a_cancellation_from_inside_is_an_error_like_others(flights: SingleFlight[Any]) -> None:
    work = Work()
    work.outcome = asyncio.CancelledError()
    flight = start(flights, work)
    work.begin.set()
    work.end.set()
    with pytest.raises(asyncio.CancelledError):
        await flight.join(job())
    assert flights.get(b"key") is None


async def test_a_stopping_daemon_leaves_nobody_waiting(flights: SingleFlight[Any]) -> None:
    work = Work()
    waiting = join(start(flights, work))
    await settle()
    await flights.close()
    with pytest.raises(WorkloadError, match="shutting down"):
        await waiting
    assert work.cancelled == 1


async def test_an_end_of_one_flight_doesnt_end_the_next_of_the_same_key(flights: SingleFlight[Any]) -> None:
    first, second = Work(), Work()
    one = join(start(flights, first))
    await settle()
    one.cancel()
    await settle()
    flight = start(flights, second)
    two = join(flight)
    await settle()
    assert flights.get(b"key") is flight
    second.begin.set()
    second.end.set()
    assert await two == "done"


async def test_all_who_wait_are_told_when_it_begins_and_who_comes_later_at_once(
    flights: SingleFlight[Any],
) -> None:
    work = Work()
    flight = start(flights, work)
    begun: list[str] = []
    early, late, gone = (
        CancelToken(lambda name=name: begun.append(name)) for name in ("early", "late", "gone")
    )
    first = asyncio.create_task(flight.join(job(token=early)))
    left = asyncio.create_task(flight.join(job(token=gone)))
    await settle()
    left.cancel()
    await settle()
    work.begin.set()
    await settle()
    assert begun == ["early"]
    second = asyncio.create_task(flight.join(job(token=late)))
    await settle()
    assert begun == ["early", "late"]
    work.end.set()
    assert await asyncio.gather(first, second) == ["done", "done"]
