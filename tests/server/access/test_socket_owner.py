"""Who is at the other end of a connection of this machine."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bridge.server.access.socket_owner import SocketOwners

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture
def owners() -> Iterator[SocketOwners]:
    made = SocketOwners()
    yield made
    made.close()


def connected(family: int, address: str) -> tuple[socket.socket, socket.socket]:
    with socket.create_server((address, 0), family=family) as listener:
        client = socket.socket(family)
        client.connect(listener.getsockname())
        return client, listener.accept()[0]


@linux
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_of_this_process_is_its_users_until_it_is_closed(
    owners: SocketOwners, family: int, address: str
) -> None:
    client, accepted = connected(family, address)
    with accepted:
        assert owners.of(accepted) == owners.own == os.getuid()
        client.close()
        assert owners.of(accepted) is None


@linux
def test_a_connection_of_another_user_is_theirs(owners: SocketOwners) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        connect = f"s = socket.socket(); s.connect(('127.0.0.1', {port})); input()"
        code = f"import os, socket; os.setuid(4321); {connect}"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as other:
            with listener.accept()[0] as accepted:
                assert owners.of(accepted) == 4321
            other.communicate(b"\n")


@linux
def test_the_peer_of_a_unix_socket_is_known(owners: SocketOwners) -> None:
    one, other = socket.socketpair()
    with one, other:
        assert owners.of(one) == os.getuid()


def test_nobody_is_known_after_the_end_or_where_the_system_forbids_it(
    owners: SocketOwners, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, accepted = connected(socket.AF_INET, "127.0.0.1")
    with client, accepted:
        calls = []

        def fail(*_: object) -> None:
            calls.append(1)
            raise OSError(numbers.pop(), "no")

        numbers = [errno.EPERM, errno.EMFILE]
        monkeypatch.setattr(SocketOwners, "_ask", fail)
        assert [owners.of(accepted) for _ in range(4)] == [None] * 4
        # Tried again when descriptors were out, but not when it is forbidden.
        assert len(calls) == (2 if sys.platform == "linux" else 0)
