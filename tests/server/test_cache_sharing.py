"""Who asks for what is under way has it run once, and waits no longer or later than its own request says."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.server.results import Bench, Start, ask, cache_of, counters, counters_waiting, queued, until

pytestmark = pytest.mark.own_workers


async def test_64_that_ask_the_same_at_once_have_it_run_once(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(bench.session(daemon)) for _ in range(64)]
        answers = [asyncio.create_task(ask(wire, 1, bench.request())) for wire in wires]
        await until(lambda: counters_waiting(daemon) == 64)
        bench.hold.unlink()
        found = await asyncio.gather(*answers)
    assert all(one["value"]["read"] == [b"one"] and not one["meta"].get("cached") for one in found)
    assert bench.runs == 1
    assert counters(daemon) == (0, 1, 63)


async def test_what_is_sent_along_or_was_put_as_a_blob_is_run_once_too(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    blob = daemon.look(lambda: daemon.bridge.blobs.put(b"one"))
    inputs: list[dict[str, Any]] = [{"name": "in", "data": b"one"}, {"name": "in", "blob": blob}]
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(bench.session(daemon)) for _ in range(16)]
        answers = [
            asyncio.create_task(ask(wire, 1, bench.request(inputs=[inputs[at % 2]])))
            for at, wire in enumerate(wires)
        ]
        await until(lambda: counters_waiting(daemon) == 16)
        bench.hold.unlink()
        found = await asyncio.gather(*answers)
        assert all(one["value"]["read"] == [b"one"] for one in found)
        assert bench.runs == 1
        await until(lambda: not daemon.look(lambda: len(cache_of(daemon.bridge)._in_flight)))
        # It is kept, though others have named the blob meanwhile.
        assert (await ask(wires[0], 2, bench.request(inputs=inputs[1:])))["meta"]["cached"]


@pytest.mark.usefixtures("settled")
async def test_when_the_first_s_deadline_passes_the_others_go_on(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with bench.session(daemon) as one, bench.session(daemon) as other:
        late = asyncio.create_task(ask(one, 1, bench.request(deadline_ms=2000)))
        await until(lambda: counters_waiting(daemon) == 1)
        patient = asyncio.create_task(ask(other, 1, bench.request()))
        await until(lambda: counters_waiting(daemon) == 2)
        assert (await late)["code"] == "deadline_exceeded"
        bench.hold.unlink()
        assert (await patient)["type"] == "result"
    assert bench.runs == 1


@pytest.mark.usefixtures("settled")
async def test_when_the_first_cancels_the_others_go_on(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with bench.session(daemon) as one, bench.session(daemon) as other:
        given_up = asyncio.create_task(ask(one, 1, bench.request()))
        await until(lambda: bench.runs)
        patient = asyncio.create_task(ask(other, 1, bench.request()))
        await until(lambda: counters_waiting(daemon) == 2)
        await one.send("cancel", id=1)
        assert (await given_up)["code"] == "cancelled"
        bench.hold.unlink()
        assert (await patient)["type"] == "result"
    assert bench.runs == 1


@pytest.mark.usefixtures("settled")
async def test_when_all_cancel_the_worker_is_free_again(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with bench.session(daemon) as one, bench.session(daemon) as other:
        waiting = [asyncio.create_task(ask(wire, 1, bench.request())) for wire in (one, other)]
        await until(lambda: bench.runs and counters_waiting(daemon) == 2)
        await one.send("cancel", id=1)
        await other.send("cancel", id=1)
        assert {answer["code"] for answer in await asyncio.gather(*waiting)} == {"cancelled"}
        # The only worker hangs for ever, unless it was replaced.
        assert (await one.request(2, "test.sleep"))["value"] == "awake"
        bench.hold.unlink()
        assert (await ask(one, 3, bench.request()))["type"] == "result"
    assert bench.runs == 2


@pytest.mark.usefixtures("settled")
async def test_who_is_more_urgent_doesnt_wait_behind_the_rest(start: Start, bench: Bench) -> None:
    daemon = start()
    bench.hold.touch()
    async with bench.session(daemon) as many, bench.session(daemon) as editor:
        held = asyncio.create_task(ask(many, 1, bench.request(0)))
        await until(lambda: bench.runs)
        for number in range(1, 6):
            request = bench.request(number, priority="normal")
            await many.send("request", id=number + 1, **request)
        await until(lambda: queued(daemon, "normal") == 5)
        urgent = asyncio.create_task(ask(editor, 1, bench.request(5, priority="interactive")))
        await until(lambda: counters_waiting(daemon) == 7)
        await until(lambda: queued(daemon, "interactive") == 1)
        bench.hold.unlink()
        assert (await urgent)["type"] == "result"
        await held
        await until(lambda: bench.runs == 6)
    order = [float(line.split()[0]) for line in bench.log.read_text().splitlines()]
    assert order[:2] == [0, 5] and sorted(order) == [0, 1, 2, 3, 4, 5]
