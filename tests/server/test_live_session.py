"""A session that keeps what it sends: in order, and with a store that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreError
from bridge.core.messages import AuthProof, ClientInfo, Event, Identify, Message, Popup, PopupClose
from bridge.core.session import Session
from bridge.server.live_session import LiveSession
from bridge.store.database import migrations
from bridge.store.sessions import SEQ_BLOCK, SessionStore
from bridge.store.store import Store
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import session

IDENTIFY = Identify(
    protocol=1, client=ClientInfo(kind="editor", name="e", version="1"), instance="one", auth=AuthProof()
)


class Ear:
    """Hears what is sent."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    async def send(self, message: Message) -> int:
        self.heard.append(message)
        return 1

    async def close(self, close: Any, reason: str) -> None:
        raise AssertionError("nothing closes it")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "popbridge.db", migrations)
    yield made
    await made.close()


@pytest.fixture
async def live(store: Store) -> LiveSession:
    await store.write(lambda db: SessionStore(db).open("s", "digest", IDENTIFY))
    made = LiveSession(Session("s", 0.0), IDENTIFY, None, store, SEQ_BLOCK)
    await made.attach(Ear(), 0)
    return made


def heard(live: LiveSession) -> list[tuple[str, int]]:
    assert isinstance(live.socket, Ear)
    return [(message.name, message.seq) for message in live.socket.heard]


async def test_what_is_kept_first_keeps_its_place(live: LiveSession) -> None:
    kept = asyncio.Event()

    async def keep(message: Any) -> None:
        await kept.wait()

    sending = [
        asyncio.create_task(live.send(Event(name="first"), keep)),
        asyncio.create_task(live.send(Event(name="second"))),
    ]
    await asyncio.sleep(0)
    assert heard(live) == []
    kept.set()
    await asyncio.gather(*sending)
    assert heard(live) == [("first", 1), ("second", 2)]


async def test_what_cant_be_kept_isnt_sent_and_leaves_no_gap(live: LiveSession) -> None:
    async def fail(message: Any) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        await live.send(Event(name="lost"), fail)
    await live.send(Event(name="sent"))
    assert heard(live) == [("sent", 1)]


async def test_a_popup_that_opens_after_it_was_closed_isnt_closed_when_its_client_comes_back(
    live: LiveSession,
) -> None:
    live.socket = None
    await live.send(PopupClose(id=1, reason="unknown"))
    await live.send(PopupClose(id=2, reason="unknown"))
    live.open(Popup(id=1, kind="k", title="t", body="b", actions=[]))
    assert [closing.id for closing in live.closings()] == [2]


async def test_numbers_are_reserved_long_before_they_are_given(live: LiveSession, store: Store) -> None:
    live.session.seq = SEQ_BLOCK // 2
    await live.send(Event(name="late"))
    stored = await store.write(lambda db: SessionStore(db).stored(live.id))
    assert stored.seq_reserved == SEQ_BLOCK // 2 + 1 + SEQ_BLOCK


async def test_a_session_that_cant_be_kept_is_open_all_the_same_and_says_so(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object, **_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(daemon.bridge.store, "write", full)
        async with session(daemon.file) as wire:
            assert wire.ready["notice"] == "A restart of PopBridge would lose this session: the disk is full."
            assert (await wire.request(1, "bridge.echo"))["type"] == "result"

    def kept() -> bool:
        sessions = daemon.call(daemon.bridge.store.write(lambda db: SessionStore(db).all_open()))
        return wire.ready["session"] in sessions

    await asyncio.to_thread(until, kept, "the session to be kept after all")


async def test_an_answer_that_needs_the_store_says_what_is_wrong_with_it(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(work: object, **_: object) -> None:
        raise StoreError("its database is damaged")

    async with session(daemon.file) as wire:
        monkeypatch.setattr(daemon.bridge.store, "read", broken)
        answer = await wire.request(1, "receipts.list")
    assert (answer["code"], answer["retryable"]) == ("store_unavailable", True)
    assert answer["message"] == "The daemon's database is unavailable: its database is damaged."


async def test_what_an_editor_answers_is_kept_once_the_store_can(
    daemon: ThreadDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(work: object, **_: object) -> None:
        raise StoreError("the disk is full")

    async with session(daemon.file, project={"id": "p", "name": "P"}) as wire:
        await wire.send("event", name="test.command", data={"args": {}})
        command = await wire.until("command")
        with monkeypatch.context() as patch:
            patch.setattr(daemon.bridge.store, "write", full)
            await wire.send("result", id=command["id"], value={"before": [1], "after": [2]})
            assert (await wire.request(2, "bridge.echo"))["type"] == "result"
            assert daemon.receipt(command["id"]).state == "sent"
        await asyncio.to_thread(
            until, lambda: daemon.receipt(command["id"]).state == "applied", "the receipt"
        )
