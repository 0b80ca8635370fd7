"""What comes is read in order, whoever waits and whoever gives up waiting."""

from __future__ import annotations

import asyncio

import pytest

from bridge.server.websocket import Inbox


async def test_what_came_is_read_in_order() -> None:
    inbox = Inbox()
    assert inbox.empty()
    for number in range(3):
        inbox.put_nowait(number)
    assert inbox.qsize() == 3
    assert [await inbox.get() for _ in range(3)] == [0, 1, 2]


async def test_a_reader_that_waits_gets_what_comes() -> None:
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait("first")
    inbox.put_nowait("second")
    assert await reading == "first"
    assert await inbox.get() == "second"


@pytest.mark.parametrize("came", [True, False])
async def test_a_reader_that_gives_up_loses_nothing(came: bool) -> None:
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    if came:
        inbox.put_nowait("it")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    if not came:
        inbox.put_nowait("it")
    assert await asyncio.wait_for(inbox.get(), 5) == "it"
