"""Connections are pinged each in its turn, a few at a time."""

from __future__ import annotations

import asyncio

import pytest

from bridge.server.uvicorn_protocols import Heartbeat


class Patient:
    """Counts its beats."""

    def __init__(self) -> None:
        self.beats = 0

    def ping_peer(self) -> None:
        self.beats += 1


async def test_a_heart_beats_for_all_alike_and_stops_with_the_last() -> None:
    heart = Heartbeat(0.6)
    patients = [Patient() for _ in range(7)]
    for one in patients:
        heart.add(one)
    async with asyncio.timeout(30):
        while min(one.beats for one in patients) < 3:
            await asyncio.sleep(0.01)
    assert max(one.beats for one in patients) <= 4
    for one in patients:
        heart.remove(one)
    heart.remove(patients[0])
    assert heart._timer is None
    heart.add(patients[0])
    assert heart._timer is not None
    heart.remove(patients[0])


async def test_a_connection_isnt_pinged_at_once_and_a_crowd_is_spread_out() -> None:
    heart = Heartbeat(20)
    patients = [Patient() for _ in range(100)]
    for one in patients:
        heart.add(one)
    soon = heart._groups[: len(heart._groups) // 2]
    assert not any(soon)
    assert max(len(group) for group in heart._groups) == 2
    for one in patients:
        heart.remove(one)


@pytest.mark.parametrize(("interval_s", "steps"), [(20.0, 100), (0.1, 1), (600.0, 3000)])
def test_few_beat_at_once_however_long_the_interval_is(interval_s: float, steps: int) -> None:
    assert len(Heartbeat(interval_s)._groups) == steps
