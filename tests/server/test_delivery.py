"""Answers on their way: kept in few commits, in the order of their numbers, and none for who is gone."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from bridge.core.errors import StoreError
from bridge.core.messages import Error, Message, Request, Result
from bridge.core.metrics import Counts
from bridge.core.router import Router
from bridge.server.delivery import Deliveries, withdraw_request
from bridge.server.live_session import LiveSession
from bridge.server.sessions import Sessions
from bridge.store import journal
from bridge.store.database import migrations
from bridge.store.journal import Asked, Delivery, JournalEntry
from bridge.store.store import Store
from tests.server.test_live_session import IDENTIFY, Ear

ASKED = Asked(
    scope="", key="k", digest=b"1", workload="w", priority=1, deadline_ms=None, deadline=None, cache=True,
    root=None, params=b"\x80", inputs=b"\x90",
)  # fmt: skip
ANSWER = Result(id=0, value="done")


class Daemon:
    """What answers go through."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.router = Router(["w"], inflight=999)
        self.sessions = Sessions(store, 600.0)
        self.deliveries = Deliveries(store, self.sessions, self.router, Counts())

    async def session(self) -> LiveSession:
        live, _, _ = await self.sessions.open(IDENTIFY, None)
        await live.attach(Ear(), 0)
        return live

    async def ask(self, live: LiveSession, number: int, key: str = "k") -> None:
        request = Request(id=number, workload="w", key=key)
        live.session.receive(request)
        self.router.admit(live.id, request, 0.0)
        asked = Asked(**{**{f: getattr(ASKED, f) for f in ASKED.__struct_fields__}, "key": key})
        await self.store.write(lambda db: journal.accept(db, asked, live.id, number))

    async def claim(self) -> list[JournalEntry]:
        return await self.store.write(
            lambda db: journal.claim(db, "me", (999, 999, 999), lambda workload: 1.0)
        )

    async def finish(self, job: JournalEntry) -> bool:
        def number(db: Database, last: Any) -> Delivery | None:
            return journal.finish(db, job, "me", "done", ANSWER, last, frees_key=False)

        return await self.deliveries.send(number, job.sessions, job.id)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    store = Store(tmp_path / "popbridge.db", migrations, durable=False)
    yield Daemon(store)
    await store.close()


def heard(live: LiveSession) -> list[tuple[int, int]]:
    """Ids and numbers."""
    assert isinstance(live.socket, Ear)
    return [(message.id, message.seq) for message in live.socket.heard]


async def test_answers_that_are_ready_together_are_kept_together(daemon: Daemon) -> None:
    live = await daemon.session()
    for number in range(200):
        await daemon.ask(live, number, str(number))
    jobs = await daemon.claim()
    before = daemon.store.writes
    assert all(await asyncio.gather(*map(daemon.finish, jobs)))
    await daemon.deliveries.drain(10)
    assert heard(live) == [(number, number + 1) for number in range(200)]
    assert daemon.store.writes - before <= 5
    assert len(daemon.router) == 0


async def test_whoever_waits_for_a_job_has_its_answer_wherever_it_asked(daemon: Daemon) -> None:
    lives = [await daemon.session() for _ in range(3)]
    for live in lives[:2]:
        await daemon.ask(live, 1)
    (job,) = await daemon.claim()
    # It came when the job was begun already.
    await daemon.ask(lives[2], 7)
    assert await daemon.finish(job)
    await daemon.deliveries.drain(10)
    assert [heard(live) for live in lives] == [[(1, 1)], [(1, 1)], [(7, 1)]]
    assert not await daemon.finish(job)


async def test_sessions_that_wait_for_one_anothers_jobs_dont_wait_for_ever(daemon: Daemon) -> None:
    lives = [await daemon.session() for _ in range(2)]
    for number in range(40):
        for live in lives[:: 1 if number % 2 else -1]:
            await daemon.ask(live, number, str(number))
    jobs = await daemon.claim()
    async with asyncio.timeout(30):
        await asyncio.gather(*map(daemon.finish, jobs))
    for live in lives:
        assert sorted(number for number, _ in heard(live)) == list(range(40))
        assert [seq for _, seq in heard(live)] == list(range(1, 41))


async def test_a_job_of_a_session_that_has_ended_ends_all_the_same(daemon: Daemon) -> None:
    live = await daemon.session()
    await daemon.ask(live, 1)
    (job,) = await daemon.claim()
    daemon.sessions.forget(live.id)
    assert await daemon.finish(job)
    assert await daemon.store.write(journal.waiters) == []
    assert heard(live) == []


async def test_a_store_that_fails_for_a_while_leaves_no_gap(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, other = await daemon.session(), await daemon.session()
    for number in range(3):
        await daemon.ask(live, number, str(number))
    await daemon.ask(other, 0, "0")
    jobs = await daemon.claim()
    write, left = daemon.store.write, [3]

    async def fails(work: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreError("the disk is full")
        return await write(work)

    monkeypatch.setattr(daemon.store, "write", fails)
    assert all(await asyncio.gather(*map(daemon.finish, jobs)))
    assert sorted(heard(live)) == sorted((number, seq) for seq, number in enumerate(
        [number for number, _ in heard(live)], 1
    ))  # fmt: skip
    assert heard(other) == [(0, 1)]


async def test_a_store_that_is_closed_ends_the_waiting(daemon: Daemon) -> None:
    live = await daemon.session()
    await daemon.ask(live, 1)
    (job,) = await daemon.claim()
    await daemon.store.close()
    with pytest.raises(StoreError):
        await daemon.finish(job)


async def test_an_answer_that_cant_be_kept_costs_no_other(daemon: Daemon) -> None:
    live = await daemon.session()
    for number in range(3):
        await daemon.ask(live, number, str(number))
    jobs = await daemon.claim()

    def broken(db: Database, last: Any) -> Delivery | None:
        raise ValueError("a bug")

    outcomes = await asyncio.gather(
        daemon.finish(jobs[0]),
        daemon.deliveries.send(broken, [live.id], jobs[1].id),
        daemon.finish(jobs[2]),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes] == [bool, ValueError, bool]
    assert heard(live) == [(0, 1), (2, 2)]


class Broken(Ear):
    """Can't send."""

    async def send(self, message: Message) -> int:
        raise ValueError("a bug")


async def test_a_connection_that_fails_leaves_answers_to_the_next(daemon: Daemon) -> None:
    live = await daemon.session()
    for number in range(2):
        await daemon.ask(live, number, str(number))
    live.socket = Broken()
    for job in await daemon.claim():
        assert await daemon.finish(job)
    await daemon.deliveries.drain(10)
    live.socket = None
    assert [message.seq for message in await live.attach(Ear(), 0)] == [1, 2]


async def test_who_withdraws_is_answered_once(daemon: Daemon) -> None:
    live = await daemon.session()
    await daemon.ask(live, 1)
    (job,) = await daemon.claim()
    work = functools.partial(
        withdraw_request, live.id, Error(id=1, code="cancelled", message=""), "cancelled"
    )
    withdrawal = await daemon.deliveries.withdraw(live, work())
    assert withdrawal is not None and withdrawal.ended == job.id
    assert await daemon.deliveries.withdraw(live, work()) is None
    assert not await daemon.finish(job)
    assert heard(live) == [(1, 1)]
