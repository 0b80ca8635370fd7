"""Asking again: when, how often, and what never."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.client import connection
from bridge.client.connection import BACKOFF, as_request_error, backoff_s, is_retryable, retry
from bridge.core import errors
from bridge.core.errors import ErrorCode, RequestError

JITTER, PAUSE_S, LONGEST_PAUSE_S = BACKOFF.jitter, BACKOFF.first_s, BACKOFF.most_s


def full(retry_after_ms: int | None = None) -> RequestError:
    told = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    return as_request_error({"code": "overloaded", "retryable": True, "outcome": "not_started", **told})


@given(st.integers(1, 30_000), st.integers(0, 1000))
def test_nobody_comes_back_before_the_daemon_said_nor_much_later(retry_after_ms: int, tried: int) -> None:
    least = retry_after_ms / 1000
    assert least <= backoff_s(full(retry_after_ms), tried) <= least * (1 + JITTER)


def test_without_a_word_the_pauses_grow_up_to_the_longest() -> None:
    pauses = [backoff_s(full(), tried) for tried in range(20)]
    assert PAUSE_S <= pauses[0] <= PAUSE_S * (1 + JITTER)
    assert 2 * PAUSE_S <= pauses[1] <= 2 * PAUSE_S * (1 + JITTER)
    assert all(LONGEST_PAUSE_S <= pause <= LONGEST_PAUSE_S * (1 + JITTER) for pause in pauses[10:])


def test_two_who_were_refused_together_dont_come_back_together() -> None:
    assert len({backoff_s(full(1000), 0) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (RequestError(errors.SHUTTING_DOWN), True),
        (RequestError(errors.DEADLINE_EXCEEDED, workload="w", deadline_ms=1), False),
        (RequestError(errors.DEADLINE_EXCEEDED, workload="w", deadline_ms=1, outcome="not_started"), True),
        (RequestError(errors.CANCELLED), False),
        (RequestError(ErrorCode("from_the_future", 0, "{message}", retryable=True), message="x"), True),
    ],
)
def test_what_may_have_been_done_or_never_works_isnt_asked_again(error: RequestError, helps: bool) -> None:
    assert is_retryable(error) is helps


class Daemon:
    def __init__(self, *refusals: RequestError) -> None:
        self.refusals = list(refusals)
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return "done"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, which don't take their time here."""
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        seen.append(seconds)

    monkeypatch.setattr(connection.asyncio, "sleep", sleep)
    return seen


async def test_it_is_asked_again_until_there_is_room(pauses: list[float]) -> None:
    daemon = Daemon(full(100), full(300))
    assert await retry(daemon.ask, 5) == "done"
    assert daemon.asked == 3
    assert pauses[0] < 0.2 and pauses[1] >= 0.3


async def test_in_the_end_the_refusal_is_told(pauses: list[float]) -> None:
    daemon = Daemon(*[full(100)] * 5)
    with pytest.raises(RequestError) as caught:
        await retry(daemon.ask, 2)
    assert (daemon.asked, caught.value.code.name) == (3, "overloaded")
    assert len(pauses) == 2


async def test_nobody_waits_for_a_daemon_that_is_gone(pauses: list[float]) -> None:
    daemon = Daemon(full(100))
    with pytest.raises(RequestError):
        await retry(daemon.ask, 5, connected=lambda: False)
    assert (daemon.asked, pauses) == (1, [])


async def test_a_wait_can_be_cancelled() -> None:
    daemon = Daemon(full(30_000))
    waiting = asyncio.create_task(retry(daemon.ask, 1))
    while not daemon.asked:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert daemon.asked == 1
