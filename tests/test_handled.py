"""Each numbered message is handled once, whatever order its handlers finish in and however often it comes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bridge.client import connection
from bridge.client.connection import ClientState
from bridge.core.messages import Answer, Popup, Ready, Result


def test_what_is_handled_is_acknowledged_as_far_as_nothing_older_waits() -> None:
    known = ClientState(last_seq=4)
    assert known.through == 4
    assert all(known.take(seq) for seq in (5, 6, 7))
    known.begin(5)
    known.begin(6)
    assert known.through == 4
    known.done(6)
    assert known.through == 4
    known.done(5)
    assert known.through == 7


def test_what_comes_again_is_passed_over_but_for_what_was_broken_off() -> None:
    known = ClientState()
    assert known.take(1) and known.take(2)
    known.begin(1)
    assert not known.take(1)
    known.break_off(1)
    assert known.through == 0
    assert not known.take(2)
    assert known.take(1)
    assert known.through == 2


async def test_a_task_that_is_cancelled_before_it_begins_has_handled_nothing() -> None:
    known, begun = ClientState(), False

    async def work() -> None:
        nonlocal begun
        begun = True

    made = work()

    async def run() -> None:
        await made

    assert known.take(1)
    known.begin(1)
    task = asyncio.create_task(run())
    known.tasks.add(task)
    task.add_done_callback(lambda task: known.ended(task, made, 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # Python would warn of work that nobody took up.
    assert not begun and not known.tasks and known.take(1)


def test_a_popup_that_is_shown_already_is_shown_again_only_where_its_handler_was_broken_off() -> None:
    known = ClientState()
    popup = Popup(id=7, kind="k", title="t", body="", actions=[], seq=4)
    again = msgspec.structs.replace(popup, seq=9)
    assert known.take(4) and known.show(popup) and not known.show(again)
    known.break_off(9)
    assert known.take(9) and known.show(again), "the same number comes once more"
    known.break_off(9)
    assert known.show(msgspec.structs.replace(popup, seq=12)), "a daemon that was restarted has given another"
    known.close(7)
    assert known.show(msgspec.structs.replace(popup, seq=13))


def test_of_what_is_shown_the_others_than_the_daemon_names_are_closed() -> None:
    known = ClientState()
    known.shown = {1: 1, 2: 2, 3: 3}
    known.unconfirmed[2] = Answer(id=2, state="dismissed")
    ready = Ready(session="s", resume_token="t", resumed=True, workloads=[], popups=[3, 9])
    assert known.closed(ready) == [1]
    assert known.closed(msgspec.structs.replace(ready, popups=msgspec.UNSET)) == [], "an older daemon"
    known.close(1)
    known.close(2)
    assert known.shown == {3: 3} and known.closed(ready) == []


def test_a_restarted_handler_is_broken_off_once_more() -> None:
    known = ClientState()
    known.take(1)
    for _ in range(2):
        known.begin(1)
        known.break_off(1)
        assert known.through == 0
        assert known.take(1)


def test_only_the_last_answers_to_commands_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "KEPT_REPLIES", 2)
    known = ClientState()
    for number in range(4):
        known.keep(Result(id=number, value=None))
    assert list(known.replies) == [2, 3]
