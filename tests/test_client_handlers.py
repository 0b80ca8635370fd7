"""The Python client's popups and commands: each handled, answered and acknowledged once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.api import RequestError
from bridge.client.client import Client
from bridge.core import errors
from bridge.core.messages import Answer, Command, Popup, PopupClose
from tests.server.daemons import ThreadDaemon, until


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    running = ThreadDaemon(tmp_path_factory.mktemp("client") / "home").start()
    yield running
    running.stop()


@pytest.fixture
def where(daemon: ThreadDaemon) -> Path:
    return daemon.paths.connection_file


async def wait(ready: Callable[[], Any], what: str = "it") -> None:
    await asyncio.to_thread(until, ready, what)


async def applied(daemon: ThreadDaemon, receipt: int) -> None:
    def state() -> str:
        return daemon.receipt(receipt).state

    await wait(lambda: state() == "applied", f"receipt {receipt}")


async def test_popups_are_shown_and_answered(where: Path) -> None:
    closed: asyncio.Queue[PopupClose] = asyncio.Queue()

    async def answer(popup: Popup) -> Answer:
        return Answer(id=popup.id, state="answered", action="yes")

    async with await Client.connect(where, on_popup=answer, on_popup_close=closed.put) as client:
        await client.event("test.popup", {})
        assert (await asyncio.wait_for(closed.get(), 30)).reason == "answered"


async def test_an_answer_may_come_later(where: Path) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()
    closed: asyncio.Queue[PopupClose] = asyncio.Queue()
    async with await Client.connect(where, on_popup=shown.put, on_popup_close=closed.put) as client:
        await client.event("test.popup", {})
        popup = await asyncio.wait_for(shown.get(), 30)
        await client.answer(Answer(id=popup.id, state="dismissed"))
        assert (await asyncio.wait_for(closed.get(), 30)).reason == "dismissed"


async def test_what_was_handled_is_acknowledged(where: Path, daemon: ThreadDaemon) -> None:
    async with await Client.connect(where) as client:
        for _ in range(5):
            await client.request("bridge.echo")
        live = daemon.bridge.sessions.by_id[client.ready.session]
        await wait(lambda: not live.session.waiting, "the acknowledgement")


async def test_an_answer_that_was_never_confirmed_is_sent_again(where: Path, daemon: ThreadDaemon) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()
    closed: asyncio.Queue[PopupClose] = asyncio.Queue()
    first = await Client.connect(where, on_popup=shown.put)
    await first.event("test.popup", {})
    popup = await asyncio.wait_for(shown.get(), 30)
    await first.close()
    with contextlib.suppress(Exception):
        await first.answer(Answer(id=popup.id, state="answered", action="yes"))
    async with await Client.connect(where, previous=first, on_popup_close=closed.put) as second:
        assert second.ready.resumed
        assert second.instance == first.instance
        assert (await asyncio.wait_for(closed.get(), 30)).reason == "answered"
    async with await Client.connect(where, previous=second, on_popup_close=closed.put) as third:
        await third.request("bridge.echo")
        assert closed.empty()


async def test_a_popup_that_comes_again_while_it_is_shown_isnt_shown_twice(
    where: Path, daemon: ThreadDaemon
) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()
    async with await Client.connect(where, on_popup=shown.put) as client:
        await client.event("test.popup", {"count": 1})
        popup = await asyncio.wait_for(shown.get(), 30)
        live = daemon.bridge.sessions.by_id[client.ready.session]
        await wait(lambda: not live.session.waiting, "its acknowledgement")
        flows = daemon.bridge.flows
        # As a daemon that was restarted does with another editor's.
        daemon.look(lambda: flows.spawn(flows.show_again(live), "showing it again"))
        await client.event("test.popup", {"count": 1})
        assert (await asyncio.wait_for(shown.get(), 30)).id != popup.id
        assert shown.empty()


async def test_what_was_closed_while_no_connection_was_there_is_taken_away(
    where: Path, daemon: ThreadDaemon
) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()
    closed: asyncio.Queue[PopupClose] = asyncio.Queue()
    first = await Client.connect(where, on_popup=shown.put)
    await first.event("test.popup", {"count": 3})
    gone, waits, still = [await asyncio.wait_for(shown.get(), 30) for _ in range(3)]
    await first.close()
    with contextlib.suppress(Exception):
        await first.answer(Answer(id=waits.id, state="dismissed"))
    # As it is to a daemon that was restarted since it was closed.
    live = daemon.bridge.sessions.by_id[first.ready.session]
    live.session.popups.close(gone.id)
    async with await Client.connect(where, previous=first, on_popup_close=closed.put) as second:
        assert second.ready.popups == [waits.id, still.id]
        told = [await asyncio.wait_for(closed.get(), 30) for _ in range(2)]
        assert [(each.id, each.reason) for each in told] == [(gone.id, "unknown"), (waits.id, "dismissed")]
    async with await Client.connect(where, previous=second, on_popup_close=closed.put) as third:
        await third.request("bridge.echo")
        assert closed.empty() and third.ready.popups == [still.id]


async def command(where: Path, client: Client) -> None:
    await client.event("test.command", {"args": {"x": 1}, "wait": True})


async def test_a_command_is_carried_out_and_its_state_kept(where: Path) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()

    async def carry_out(command: Command) -> Any:
        return {"before": [1], "after": [command.args]}

    async with await Client.connect(where, on_command=carry_out, on_popup=shown.put) as client:
        await command(where, client)
        assert (await asyncio.wait_for(shown.get(), 30)).body == "applied"


async def refuse(command: Command) -> Any:
    raise RequestError(errors.UNSUPPORTED, name=command.name, reason="not here")


async def stumble(command: Command) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("carry_out", [None, refuse, stumble])
async def test_a_command_that_isnt_carried_out_is_answered_all_the_same(where: Path, carry_out: Any) -> None:
    shown: asyncio.Queue[Popup] = asyncio.Queue()
    async with await Client.connect(where, on_command=carry_out, on_popup=shown.put) as client:
        await command(where, client)
        assert (await asyncio.wait_for(shown.get(), 30)).body == "failed"


async def test_a_handler_that_fails_costs_itself(where: Path, daemon: ThreadDaemon) -> None:
    async def stumble_over(popup: Popup) -> Answer:
        raise ZeroDivisionError

    async with await Client.connect(where, on_popup=stumble_over) as client:
        await client.event("test.popup", {})
        live = daemon.bridge.sessions.by_id[client.ready.session]
        await wait(lambda: live.session.seq == 1 and not live.session.waiting, "the acknowledgement")
        assert (await client.request("bridge.echo", {"value": 1})).value == 1


async def test_a_command_whose_answer_was_lost_is_answered_from_memory(
    where: Path, daemon: ThreadDaemon
) -> None:
    done: list[int] = []

    async def carry_out(command: Command) -> Any:
        done.append(command.id)
        first._socket.transport.abort()
        return {"before": [1], "after": [2]}

    first = await Client.connect(where, on_command=carry_out)
    await first.event("test.command", {"args": {}})
    await wait(lambda: done, "the command")
    await first.close()
    async with await Client.connect(where, previous=first, on_command=carry_out) as second:
        await applied(daemon, done[0])
        await second.request("bridge.echo")
    assert len(done) == 1


async def test_a_command_that_a_closed_connection_broke_off_is_carried_out_by_its_heir(
    where: Path, daemon: ThreadDaemon
) -> None:
    begun: list[int] = []

    async def hang(command: Command) -> Any:
        begun.append(command.id)
        await asyncio.Event().wait()

    async def carry_out(command: Command) -> Any:
        return {"after": [2]}

    first = await Client.connect(where, on_command=hang)
    await first.event("test.command", {"args": {}})
    await wait(lambda: begun, "the command")
    await first.close()
    assert first.resume.last_seq == 0
    async with await Client.connect(where, previous=first, on_command=carry_out):
        await applied(daemon, begun[0])


async def test_a_command_that_outlasts_its_connection_is_answered_by_the_heir_and_not_begun_again(
    where: Path, daemon: ThreadDaemon
) -> None:
    begun: list[int] = []
    go_on = asyncio.Event()

    async def slow(command: Command) -> Any:
        begun.append(command.id)
        await go_on.wait()
        return {"before": [1], "after": [2]}

    first = await Client.connect(where, on_command=slow)
    await first.event("test.command", {"args": {}})
    await wait(lambda: begun, "the command")
    first._socket.transport.abort()
    await first.wait_closed()
    async with await Client.connect(where, previous=first, on_command=slow) as second:
        await second.request("bridge.echo")
        await first.close()
        go_on.set()
        await applied(daemon, begun[0])
    assert len(begun) == 1


async def test_a_popup_that_outlasts_its_connection_is_shown_once_and_answered_by_the_heir(
    where: Path, daemon: ThreadDaemon
) -> None:
    shown: list[int] = []
    closed: list[int] = []
    go_on = asyncio.Event()

    async def ask(popup: Popup) -> Answer:
        shown.append(popup.id)
        await go_on.wait()
        return Answer(id=popup.id, state="answered", action="yes")

    async def close(closing: PopupClose) -> None:
        closed.append(closing.id)

    first = await Client.connect(where, on_popup=ask, on_popup_close=close)
    await first.event("test.popup", {"count": 2})
    await wait(lambda: len(shown) == 2, "the popups")
    first._socket.transport.abort()
    await first.wait_closed()
    async with await Client.connect(where, previous=first, on_popup=ask, on_popup_close=close) as second:
        await second.request("bridge.echo")
        assert second.resume.last_seq == 0
        go_on.set()
        await wait(lambda: sorted(closed) == shown, "both confirmations")
        await second.request("bridge.echo")
        assert second.resume.last_seq == 4
    assert len(shown) == 2


async def test_an_heir_passes_over_what_its_predecessor_handled_although_something_older_waits(
    where: Path, daemon: ThreadDaemon
) -> None:
    shown: list[str] = []

    async def ask(popup: Popup) -> Answer | None:
        shown.append(popup.title)
        if popup.title == "popup 0":
            await asyncio.Event().wait()
        return None

    first = await Client.connect(where, on_popup=ask)
    await first.event("test.popup", {"count": 3})
    await wait(lambda: len(shown) == 3, "the popups")
    assert first.resume.last_seq == 0
    first._socket.transport.abort()
    await first.wait_closed()
    async with await Client.connect(where, previous=first, on_popup=ask) as second:
        await second.request("bridge.echo")
        assert shown == ["popup 0", "popup 1", "popup 2"]
        assert second.handled.through == 0


async def test_an_heir_asks_under_ids_that_the_session_hasnt_open(where: Path) -> None:
    first = await Client.connect(where)
    waiting = asyncio.create_task(first.request("test.sleep", {"seconds": 0.3}))
    await first.request("bridge.echo")
    await first.close()
    with pytest.raises(RequestError):
        await waiting
    async with await Client.connect(where, previous=first) as second:
        assert (await second.request("test.ask")).value
        assert (await second.request("test.sleep")).value == "awake"


async def test_old_answers_are_forgotten_the_last_are_kept(
    where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.client.connection.MAX_REPLIES", 2)
    done: list[int] = []

    async def carry_out(command: Command) -> Any:
        done.append(command.id)

    async with await Client.connect(where, on_command=carry_out) as client:
        for _ in range(4):
            await client.event("test.command", {"args": {}})
        await wait(lambda: len(done) == 4, "four commands")
        await client.request("bridge.echo")
        assert list(client.handled.replies) == done[2:]
