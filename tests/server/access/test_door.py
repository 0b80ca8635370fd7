"""Whom the door lets in, and whom it drops when there are too many."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from bridge.core.metrics import Counts
from bridge.core.settings import SETTINGS, resolve
from bridge.server.access import door as doors
from bridge.server.access.door import ClientSocket, Door
from bridge.server.access.socket_owner import SocketOwners
from tests.server.daemons import ThreadDaemon, until


class Owners(SocketOwners):
    """Tells the user that the test sets."""

    user: int | None = 1000

    def of(self, accepted: socket.socket) -> int | None:
        return self.user


class World:
    """A door, and connections through it."""

    def __init__(self, **settings: object) -> None:
        self.owners = Owners()
        self.owners.own = 7
        self.counts = Counts()
        given = {name.replace("__", "."): value for name, value in settings.items()}
        self.door = Door(resolve(SETTINGS, given), self.counts, self.owners)
        self._all = contextlib.ExitStack()
        self._listener = self._all.enter_context(socket.create_server(("127.0.0.1", 0)))

    def connect(self, user: int | None = 1000, *, proves: bool = False) -> ClientSocket | None:
        self.owners.user = user
        client = self._all.enter_context(socket.socket())
        client.connect(self._listener.getsockname())
        kind = (self._listener.family, self._listener.type, self._listener.proto)
        admitted = self.door.admit(self._listener.accept()[0].detach(), kind)
        if admitted is not None:
            self._all.enter_context(admitted)
            if proves:
                admitted.proven()
        return admitted

    def close(self) -> None:
        self._all.close()
        assert (self.door.open, self.door.unproven) == (0, 0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., World]]:
    monkeypatch.setattr(doors, "QUIET", 0)
    made: list[World] = []

    def make(**settings: object) -> World:
        made.append(World(**settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_oldest_of_whoever_has_the_most_is_dropped(world: Callable[..., World]) -> None:
    here = world(connections_unidentified=4)
    mine = here.connect(0)
    theirs = [here.connect(7) for _ in range(3)]
    assert here.connect(0) is not None
    assert mine and mine.is_counted
    assert [each is not None and each.is_counted for each in theirs] == [False, True, True]
    assert here.counts.dropped == {"unidentified": 1}


def test_one_address_for_all_users_drops_the_oldest_of_all(world: Callable[..., World]) -> None:
    here = world(connections_unidentified=2, limits__peer_requests_s=1)
    found = [here.connect(None) for _ in range(30)]
    assert all(found), "none is refused: it may be another user's"
    assert [each is not None and each.is_counted for each in found] == [False] * 28 + [True] * 2


def test_those_that_have_proven_a_token_stay_and_dont_count(world: Callable[..., World]) -> None:
    here = world(connections_unidentified=32)
    proven = [here.connect(proves=True) for _ in range(5)]
    unproven = [here.connect() for _ in range(5)]
    assert all(each is not None and each.is_counted for each in proven)
    assert sum(each is not None and each.is_counted for each in unproven) == 2


def test_few_connections_arent_asked_for_their_user(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "QUIET", 2)
    here = world(connections_unidentified=64)
    first, second, third = (here.connect(1) for _ in range(3))
    assert first and second and third
    assert [each.peer.name for each in (third, first)] == ["user 1", "user 1"]
    assert len(here.door.peers["user 1"].unproven) == 2
    second.proven()
    assert (here.door.unproven, len(here.door.unknown.unproven)) == (2, 0)
    assert second.peer.name == "user 1"
    assert len(here.door.peers["user 1"].unproven) == 2


def test_strangers_have_a_share_of_their_own(world: Callable[..., World]) -> None:
    here = world(connections_unidentified=32)
    found = [here.connect(user) for user in (1, 1, 1, 2, 2)]
    assert [each is not None and each.is_counted for each in found] == [False, True, True, True, True]


def test_a_user_that_connects_too_often_is_refused_and_others_arent(world: Callable[..., World]) -> None:
    here = world(limits__peer_requests_s=1)
    assert [here.connect(1) is not None for _ in range(12)] == [True] * 10 + [False] * 2
    assert here.counts.dropped == {"peer": 2}
    # The daemon's own user and root could do worse.
    assert all(here.connect(user) for user in (2, 7, 0, 7, 0) for _ in range(11) if user != 2)
    assert here.connect(2)


def test_connections_that_prove_a_token_cost_nothing(world: Callable[..., World]) -> None:
    here = world(limits__peer_requests_s=1)
    assert all(here.connect(1, proves=True) for _ in range(50))


def test_descriptors_are_kept_for_files(world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "descriptor_limit", lambda: 12)
    here = world()
    assert (here.door.most, here.door.most_unproven) == (6, 3)
    proven = [here.connect(7, proves=True) for _ in range(5)]
    unproven = [here.connect(7) for _ in range(2)]
    assert [each is not None and each.is_counted for each in unproven] == [False, True]
    assert here.connect(7, proves=True) is not None
    assert here.connect(7, proves=True) is None, "all others have a token"
    assert all(each is not None and each.is_counted for each in proven)
    here.door.relieve()
    assert here.counts.dropped["descriptors"] == 3


def test_a_peer_that_is_away_is_forgotten_if_there_are_many(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "MAX_PEERS", 4)
    here = world()
    for user in range(10):
        client = here.connect(user)
        assert client is not None
        client.close()
    assert len(here.door.peers) <= 4


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_without_descriptors_an_unproven_connection_makes_room_and_accepting_goes_on(
    start: Callable[..., ThreadDaemon], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    daemon = start()
    door = daemon.bridge.door
    with socket.socket() as idle, socket.socket() as later:
        idle.connect(("127.0.0.1", daemon.server._listener.getsockname()[1]))
        until(lambda: door.unproven == 1, "the connection")
        failed = []
        accept = socket.socket.accept

        def out(self: socket.socket) -> object:
            if not failed:
                failed.append(time.monotonic())
                raise OSError(number, "no descriptors")
            return accept(self)

        monkeypatch.setattr(socket.socket, "accept", out)
        later.connect(("127.0.0.1", daemon.server._listener.getsockname()[1]))
        assert idle.recv(1) == b""
        until(lambda: door.unproven == 1, "the later connection")
        assert door.counts.dropped["descriptors"] == 1
