"""Each numbered message is handled once, in whatever order handlers finish and however often it arrives."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bridge.client import connection
from bridge.client.connection import ClientState
from bridge.core.messages import Answer, Popup, Ready, Result


def test_messages_are_acknowledged_up_to_the_first_unhandled_one() -> None:
    state = ClientState(last_seq=4)
    assert state.through == 4
    assert all(state.receive(seq) for seq in (5, 6, 7))
    state.start(5)
    state.start(6)
    assert state.through == 4
    state.done(6)
    assert state.through == 4
    state.done(5)
    assert state.through == 7


def test_a_repeated_message_is_handled_again_only_after_its_handler_was_cancelled() -> None:
    state = ClientState()
    assert state.receive(1) and state.receive(2)
    state.start(1)
    assert not state.receive(1)
    state.cancel(1)
    assert state.through == 0
    assert not state.receive(2)
    assert state.receive(1)
    assert state.through == 2


async def test_a_task_that_is_cancelled_before_it_starts_has_handled_nothing() -> None:
    state, started = ClientState(), False

    async def work() -> None:
        nonlocal started
        started = True

    coroutine = work()

    async def run() -> None:
        await coroutine

    assert state.receive(1)
    state.start(1)
    task = asyncio.create_task(run())
    state.tasks.add(task)
    task.add_done_callback(lambda task: state.task_done(task, coroutine, 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # Python would warn about a coroutine that was never awaited.
    assert not started and not state.tasks and state.receive(1)


def test_an_open_popup_is_shown_again_only_after_its_handler_was_cancelled() -> None:
    state = ClientState()
    popup = Popup(id=7, kind="k", title="t", body="", actions=[], seq=4)
    again = msgspec.structs.replace(popup, seq=9)
    assert state.receive(4) and state.show(popup) and not state.show(again)
    state.cancel(9)
    assert state.receive(9) and state.show(again), "repeated with the same number"
    state.cancel(9)
    assert state.show(msgspec.structs.replace(popup, seq=12)), "renumbered by a restarted daemon"
    state.close(7)
    assert state.show(msgspec.structs.replace(popup, seq=13))


def test_popups_that_the_daemon_doesnt_list_are_closed() -> None:
    state = ClientState()
    state.shown = {1: 1, 2: 2, 3: 3}
    state.unconfirmed[2] = Answer(id=2, state="dismissed")
    ready = Ready(session="s", resume_token="t", resumed=True, workloads=[], popups=[3, 9])
    assert state.closed(ready) == [1]
    assert state.closed(msgspec.structs.replace(ready, popups=msgspec.UNSET)) == [], "an older daemon"
    state.close(1)
    state.close(2)
    assert state.shown == {3: 3} and state.closed(ready) == []


def test_a_restarted_handler_can_be_cancelled_again() -> None:
    state = ClientState()
    state.receive(1)
    for _ in range(2):
        state.start(1)
        state.cancel(1)
        assert state.through == 0
        assert state.receive(1)


def test_only_the_last_answers_to_commands_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_REPLIES", 2)
    state = ClientState()
    for number in range(4):
        state.store_reply(Result(id=number, value=None))
    assert list(state.replies) == [2, 3]
