"""How far a request is: told to whoever waits for it, promised or not, and no more once it is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.client.client import Client
from bridge.core.errors import RequestError
from bridge.server.runner import INTERVAL_S, Throttle
from tests.server.daemons import ThreadDaemon


async def test_the_latest_report_goes_out_and_not_too_often() -> None:
    told: list[tuple[float, str]] = []

    async def send(fraction: float, stage: str) -> None:
        told.append((fraction, stage))

    throttle = Throttle(send)
    for step in range(10):
        throttle(step / 10, "a")
    await asyncio.sleep(0)
    for step in range(10):
        throttle(step / 10, "b")
    await asyncio.sleep(1.5 * INTERVAL_S)
    throttle(1, "c")
    throttle.close()
    throttle(1, "d")
    await asyncio.sleep(1.5 * INTERVAL_S)
    assert told == [(0.9, "a"), (0.9, "b")]


@pytest.fixture
def where(daemon: ThreadDaemon) -> Path:
    return daemon.paths.connection_file


@pytest.mark.parametrize("key", [None, "promised"])
async def test_who_asks_hears_how_far_it_is(where: Path, key: str | None) -> None:
    told: list[tuple[float, str]] = []
    async with await Client.connect(where) as client:
        # 0.6 s of 30 reports.
        await client.request(
            "test.steps", {"count": 30}, key=key, on_progress=lambda *said: told.append(said), cache=False
        )
    assert 2 <= len(told) <= 6 and told == sorted(told)
    assert all(0 <= fraction < 1 and stage == "stepping" for fraction, stage in told)


async def test_all_who_wait_for_the_same_hear_it(where: Path, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    heard = [asyncio.Event(), asyncio.Event()]
    async with await Client.connect(where) as one, await Client.connect(where) as other:
        asked = [
            asyncio.create_task(
                client.request(
                    "test.steps", {"hold": str(hold)}, on_progress=lambda *_, event=event: event.set()
                )
            )
            for client, event in zip((one, other), heard, strict=True)
        ]
        async with asyncio.timeout(30):
            await asyncio.gather(*(event.wait() for event in heard))
        hold.unlink()
        first, second = await asyncio.gather(*asked)
    assert first.value == second.value


async def test_a_handler_that_fails_costs_nothing(where: Path) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with await Client.connect(where) as client:
        assert (await client.request("test.steps", {"count": 3}, on_progress=fail, cache=False)).value


@pytest.mark.parametrize("key", [None, "withdrawn"])
async def test_a_workload_learns_that_its_request_was_cancelled(
    where: Path, tmp_path: Path, key: str | None
) -> None:
    mark, begun = tmp_path / "mark", asyncio.Event()
    async with await Client.connect(where) as client:
        params = {"count": 100_000, "path": str(mark)}
        asked = asyncio.create_task(
            client.request("test.steps", params, key=key, on_progress=lambda *_: begun.set())
        )
        async with asyncio.timeout(30):
            await begun.wait()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            while not (mark.exists() and mark.read_text()):
                await asyncio.sleep(0.01)
        assert mark.read_text() == "cancelled"
        # The worker is there for the next.
        assert (await client.request("test.steps", {"count": 1}, cache=False)).value


async def test_a_deadline_is_learnt_of_as_well(where: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with await Client.connect(where) as client:
        with pytest.raises(RequestError, match=r"deadline|within") as caught:
            await client.request("test.steps", {"count": 100_000, "path": str(mark)}, deadline_ms=1500)
        assert caught.value.code.name == "deadline_exceeded"
        async with asyncio.timeout(30):
            while not mark.exists():
                await asyncio.sleep(0.01)
