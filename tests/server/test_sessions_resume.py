"""Sessions that outlive their sockets: nothing lost, nothing twice, nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from bridge.core.errors import RESTART
from bridge.paths import ConnectionFile
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import Wire, dial, identity, resume, session


async def popups(wire: Wire, count: int, **data: object) -> list[dict[str, object]]:
    """Has `count` popups shown."""
    await wire.send("event", name="test.popup", data={"count": count, **data})
    return [await wire.until("popup") for _ in range(count)]


async def test_what_wasnt_handled_comes_again_in_order_and_once(file: ConnectionFile) -> None:
    async with session(file) as wire:
        seen = await popups(wire, 5)
        assert [p["seq"] for p in seen] == [1, 2, 3, 4, 5]
    async with session(file, resume=resume(wire, 2)) as again:
        assert [(await again.receive())["seq"] for _ in range(3)] == [3, 4, 5]
        assert await again.quiet()
        await again.send("ack", seq=5)
        await again.request(1, "bridge.echo")
    async with session(file, resume=resume(wire, 0)) as third:
        assert [(await third.receive())["seq"] for _ in range(2)] == [6, 7]
        assert await third.quiet()


async def test_messages_sent_while_nobody_listened_follow_the_ready(daemon: ThreadDaemon) -> None:
    async with session(daemon.file) as wire:
        await wire.send("event", name="test.popup", data={"count": 3})
        live = daemon.bridge.sessions.by_id[wire.ready["session"]]
        await asyncio.to_thread(until, lambda: live.session.seq == 3, "three popups")
    async with session(daemon.file, resume=resume(wire)) as again:
        assert [(await again.receive())["title"] for _ in range(3)] == ["popup 0", "popup 1", "popup 2"]


async def test_a_session_may_go_on_in_the_other_subprotocol(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await popups(wire, 1)
    async with session(file, "bridge.v1.json", resume=resume(wire)) as again:
        assert (await again.receive())["title"] == "popup 0"


@pytest.mark.parametrize("changes", [{"token": "wrong"}, {"session": "unknown"}, {"token": ""}])
async def test_nobody_takes_a_session_without_its_token(
    file: ConnectionFile, changes: dict[str, str]
) -> None:
    async with session(file) as wire, dial(file) as thief:
        await thief.send("identify", **identity(file, resume=resume(wire, **changes)))
        code, reason = await thief.closed()
        assert code == 4011
        assert "resume" in (reason or "")
        assert (await wire.request(1, "bridge.echo"))["type"] == "result"


async def test_a_second_connection_takes_over(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await popups(wire, 1)
        async with session(file, resume=resume(wire, 1)) as heir:
            assert (await wire.closed())[0] == 4011
            assert (await heir.request(1, "bridge.echo"))["seq"] == 2


async def test_of_many_connections_that_take_over_at_once_one_is_left(daemon: ThreadDaemon) -> None:
    ends: list[int | None] = []

    async def take() -> None:
        async with dial(daemon.file) as wire:
            await wire.send("identify", **identity(daemon.file, resume=resume(first)))
            ends.append((await wire.closed())[0])

    async with session(daemon.file) as first:
        live = daemon.bridge.sessions.by_id[first.ready["session"]]
        takers = [asyncio.create_task(take()) for _ in range(8)]
        assert (await first.closed())[0] == 4011
        await asyncio.to_thread(until, lambda: len(ends) == 7, "all but one to be sent away")
        assert ends == [4011] * 7
        assert live.socket is not None
        daemon.call(live.drop(RESTART, "enough"))
        await asyncio.gather(*takers)
        assert ends[7] == 1012


async def test_a_session_that_nobody_came_back_for_is_gone(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(session__keep_s=0.2)
    async with session(daemon.file) as wire:
        await popups(wire, 1)
        await wire.send("event", name="test.command", data={"args": {}})
        command = await wire.until("command")
    await asyncio.to_thread(until, lambda: not len(daemon.bridge.sessions), "the session's end")
    async with dial(daemon.file) as late:
        await late.send("identify", **identity(daemon.file, resume=resume(wire)))
        assert (await late.closed())[0] == 4011
    await asyncio.to_thread(
        until, lambda: daemon.receipt(command["id"]).state == "failed", "the receipt's end"
    )
    receipt = daemon.receipt(command["id"])
    assert "never came back" in str(receipt.errors)


async def test_a_session_that_ends_while_its_client_is_at_the_door_isnt_resumed(
    daemon: ThreadDaemon,
) -> None:
    async with session(daemon.file) as wire:
        pass
    sessions = daemon.bridge.sessions
    live = sessions.by_id[wire.ready["session"]]
    # As while something is kept for it.
    daemon.call(live.sending.acquire())
    async with dial(daemon.file) as again:
        await again.send("identify", **identity(daemon.file, resume=resume(wire), instance="two"))
        await asyncio.to_thread(until, lambda: live.identify.instance == "two", "it to be at the door")
        daemon.look(lambda: sessions.forget(live.id))
        daemon.look(live.sending.release)
        assert (await again.closed())[0] == 4011


async def test_a_connected_session_never_expires(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(session__keep_s=0)
    async with session(daemon.file) as wire:
        await wire.request(1, "test.sleep", {"seconds": 0.6})
        assert len(daemon.bridge.sessions) == 1


async def test_an_editor_that_was_restarted_gets_its_open_popups_under_their_ids(
    file: ConnectionFile,
) -> None:
    async with session(file) as wire:
        first, second, third = await popups(wire, 3)
        await wire.send("ack", seq=2)
        await wire.send("answer", id=first["id"], state="dismissed")
        await wire.until("popup_close")
    async with session(file, resume=resume(wire, 2), instance="two") as again:
        assert (await again.receive()) == third
        shown = await again.receive()
        assert shown == {**second, "seq": 4}
        assert await again.quiet()


async def test_an_editor_that_only_reconnects_keeps_its_popups(file: ConnectionFile) -> None:
    async with session(file) as wire:
        (popup,) = await popups(wire, 1)
    async with session(file, resume=resume(wire, 1)) as again:
        assert await again.quiet()
        await again.send("answer", id=popup["id"], state="answered", action="yes")
        assert (await again.until("popup_close"))["reason"] == "answered"


async def test_a_command_whose_answer_was_lost_comes_again(file: ConnectionFile) -> None:
    async with session(file) as wire:
        await wire.send("event", name="test.command", data={"args": {"changes": []}})
        command = await wire.until("command")
        await wire.send("ack", seq=1)
        await wire.request(1, "bridge.echo")
    async with session(file, resume=resume(wire, 2)) as again:
        assert await again.receive() == command
        await again.send("result", id=command["id"], value={"before": [1], "after": [2]})
        await again.request(1, "bridge.echo")
    async with session(file, resume=resume(wire, 3)) as third:
        assert await third.quiet()


async def test_a_new_project_of_the_same_session_is_what_counts(file: ConnectionFile) -> None:
    async with session(file, project={"id": "old", "name": "Old"}) as wire:
        pass
    async with session(file, resume=resume(wire), project={"id": "new", "name": "New"}) as again:
        assert (await again.request(1, "test.ask"))["value"]["project"] == "new"
