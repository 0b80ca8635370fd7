"""Who may have how many connections: limits for peers that haven't proven a token.

A peer is a user of this machine where the system tells, otherwise an address. What a peer does without a
token never costs clients with one more than a moment: at a limit, the oldest unproven connection of the peer
with the most is dropped, never one that has proven a token, and the daemon's own files have descriptors left.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from accel.atomic_file import DESCRIPTOR_ERRNOS
from bridge.core.metrics import Counts
from bridge.core.rate_limit import TokenBucket
from bridge.core.settings import Settings
from bridge.server.access.socket_owner import SocketOwners

log = logging.getLogger(__name__)

SPARE_FILES = 1024
"""Open files besides connections: pipes of workers, the store and uploads."""
BATCH = 4
"""Most connections that are accepted before other work has its turn."""
QUIET, QUIET_RATE = 16, 100
"""Up to this many connections without a token at a time, and per second, may be anybody's."""
STRANGER_SHARE = 16
"""Another user or machine may have `connections_unidentified` divided by this. What these do at the same
moment, such as their handshakes, delays everybody else."""
PAUSE_S = 0.05
"""Pause of accepting while there is no descriptor left."""
MAX_DELAY_S = 10.0
"""Longest delay of the answer to a wrong token."""
MAX_PEERS = 4096
"""Number of peers without a connection whose rates are remembered."""
LOG_RATE, LOG_BURST = 0.2, 5
"""Lines per second about failed attempts, and how many at once."""
MAX_NAMES = 8
"""Number of peers that a line names besides its own."""
CLIENT = "popbridge.client"
"""The key of the `ClientSocket` in the state of an ASGI scope."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection at once, without TIME_WAIT."""


class Peer:
    """A user or an address, with its connections that haven't proven a token."""

    __slots__ = ("failures", "is_refusable", "name", "requests", "unproven")

    def __init__(
        self, name: str, requests: TokenBucket, failures: TokenBucket, *, is_refusable: bool
    ) -> None:
        """`is_refusable` means that it stands for nobody but an attacker when it exceeds its rate."""
        self.name = name
        self.requests = requests
        """What it may send without a token; connections count, too."""
        self.failures = failures
        self.is_refusable = is_refusable
        self.unproven: dict[ClientSocket, None] = {}
        """Its connections without a token, oldest first."""


class ClientSocket(socket.socket):
    """An accepted socket that the door counts until it is closed, also below TLS."""

    __slots__ = ("_peer", "bytes", "door", "is_counted", "is_proven", "transport", "unpaid")

    _peer: Peer
    door: Door
    is_counted: bool
    """Whether it counts as open."""
    is_proven: bool
    transport: asyncio.Transport | None
    """Set once the event loop serves it."""
    bytes: TokenBucket | None
    """What its token may send; None before it is proven."""
    unpaid: int
    """Number of bytes that came before."""

    @property
    def peer(self) -> Peer:
        """Whose connection it is."""
        if self._peer is self.door.unknown:
            self.door.identify_peer(self)
        return self._peer

    def proven(self, sent: TokenBucket | None = None) -> None:
        """Notes that it has proven a token; `sent` limits the bytes of that token."""
        if self.is_counted and not self.is_proven:
            self.is_proven = True
            self._peer.unproven.pop(self, None)
            self._peer.requests.refund(1)
            self.door.unproven -= 1
        self.bytes = sent
        if sent is not None and self.unpaid:
            sent.charge(self.unpaid, time.monotonic())
            self.unpaid = 0

    def received(self, size: int) -> None:
        """Counts bytes of HTTP."""
        if self.bytes is None:
            self.unpaid += size
        else:
            self.bytes.charge(size, time.monotonic())

    def drop(self, reason: str) -> None:
        """Ends the connection at once, without an answer."""
        self.door.counts.dropped[reason] += 1
        transport = self.transport
        self.door.leave(self)
        if transport is not None:
            transport.abort()

    def close(self) -> None:
        self.door.leave(self)
        super().close()

    def detach(self) -> int:
        # uvloop closes the descriptor itself.
        self.door.leave(self)
        return super().detach()

    # Sockets compare by identity anyway; their class doesn't say so.
    __hash__ = socket.socket.__hash__


class Door:
    """Counts connections and their peers."""

    def __init__(self, settings: Settings, counts: Counts, owners: SocketOwners | None = None) -> None:
        self.counts = counts
        self._owners = owners or SocketOwners()
        capacity = descriptor_limit()
        spare = min(SPARE_FILES, capacity // 2)
        self.most = capacity - spare
        """Maximum number of open connections."""
        self.most_unproven = max(1, min(settings["connections_unidentified"], self.most // 2))
        self._most_of_stranger = max(1, self.most_unproven // STRANGER_SHARE)
        self._rate = settings["limits.peer_requests_s"]
        self._failures = settings["limits.failed_attempts"]
        now = time.monotonic()
        quiet = TokenBucket(QUIET_RATE, QUIET_RATE, now)
        self.unknown = Peer("an unknown peer", quiet, TokenBucket(0), is_refusable=False)
        """Stands for the peers of connections that nobody has asked for yet."""
        self.peers: dict[str, Peer] = {}
        """Peers by name; those without a connection may be forgotten."""
        self._lines = TokenBucket(LOG_RATE, LOG_BURST, time.monotonic())
        self._silent: Counter[str] = Counter()
        """Failed attempts since the last line in the log, by peer."""
        self.open = 0
        self.unproven = 0
        self.on_failed_attempt: Callable[[Mapping[str, Any]], None] = lambda scope: None
        """Called with the scope of each client that sent a wrong token."""

    @property
    def is_quiet(self) -> bool:
        """Whether there are few connections without a token."""
        return self.unproven <= QUIET

    def close(self) -> None:
        """Ends the look-up of users."""
        self._owners.close()

    def admit(self, accepted: int, kind: tuple[int, int, int]) -> ClientSocket | None:
        """Returns the socket for an accepted descriptor; None if its peer has too many, which closes it.

        `kind` is its family, type and protocol.
        """
        client = ClientSocket(*kind, fileno=accepted)
        client.door, client.transport, client.bytes = self, None, None
        client.is_counted, client.is_proven, client.unpaid = True, False, 0
        client._peer = self.unknown
        client._peer.unproven[client] = None
        self.open += 1
        self.unproven += 1
        # Who it is costs two system calls, which only matters if there are many.
        is_quiet = self.is_quiet and not self.unknown.requests.spend(1, time.monotonic())
        wait_s = 0.0 if is_quiet else self.identify_peer(client)
        peer = client._peer
        if wait_s and peer.is_refusable:
            with contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.drop("peer")
        elif peer.is_refusable and len(peer.unproven) > self._most_of_stranger:
            next(iter(peer.unproven)).drop("unidentified")
        elif self.unproven > self.most_unproven:
            self._largest().drop("unidentified")
        elif self.open > self.most:
            # The new one itself, if all others have a token.
            self._largest().drop("descriptors")
        if client.is_counted:
            return client
        client.close()
        return None

    def leave(self, client: ClientSocket) -> None:
        """Forgets a connection that is closed or about to be."""
        if not client.is_counted:
            return
        client.is_counted = False
        # A circle: the transport has the protocol, and that the socket.
        client.transport = None
        self.open -= 1
        if not client.is_proven:
            client._peer.unproven.pop(client, None)
            self.unproven -= 1

    def identify_peer(self, client: ClientSocket) -> float:
        """Finds out whose a connection is. Returns 0, or the seconds after which that peer may open more."""
        peer = client._peer = self._peer_of(client)
        if client in self.unknown.unproven:
            del self.unknown.unproven[client]
            peer.unproven[client] = None
        return peer.requests.spend(1, time.monotonic())

    def relieve(self) -> None:
        """Drops a connection without a token, if there is one: there is no descriptor left."""
        if self.unproven:
            self._largest().drop("descriptors")

    def spend(self, client: ClientSocket) -> float:
        """Counts a request without a token. Returns 0, or the seconds after which its peer may send more."""
        if wait_s := client.peer.requests.spend(1, time.monotonic()):
            self.counts.limited["peer_requests_s"] += 1
        return wait_s

    async def failed(self, scope: Mapping[str, Any], what: str) -> float:
        """Logs and counts a wrong token. Waits if its peer has sent too many, which delays nobody else.

        Returns the seconds after which the peer should try again; 0 if it hasn't sent too many.
        """
        client, now = client_of(scope), time.monotonic()
        self.counts.failed_attempts += 1
        self.on_failed_attempt(scope)
        name = client.peer.name if client is not None else _address(scope)
        if self._lines.spend(1, now):
            self._silent[name if len(self._silent) < MAX_NAMES else "others"] += 1
        else:
            more = ", ".join(f"{count} of {each}" for each, count in self._silent.most_common())
            self._silent.clear()
            log.warning("%s sent a wrong token (%s)%s", name, what, f"; before, {more}" if more else "")
        if client is None:
            return 0.0
        wait_s = client.peer.failures.charge(1, now)
        if wait_s:
            self.counts.limited["failed_attempts"] += 1
            await asyncio.sleep(min(wait_s, MAX_DELAY_S))
        return wait_s

    def _largest(self) -> ClientSocket:
        """Returns the oldest connection of the peer with the most connections without a token."""
        largest = max((self.unknown, *self.peers.values()), key=lambda peer: len(peer.unproven))
        return next(iter(largest.unproven))

    def _peer_of(self, client: ClientSocket) -> Peer:
        user = self._owners.of(client)
        if user is not None:
            # Whoever runs as the daemon's user, or root, could do worse.
            key, is_refusable = f"user {user}", user not in (0, self._owners.own)
        else:
            key, is_refusable = _network(client)
        peer = self.peers.get(key)
        if peer is None:
            now = time.monotonic()
            if len(self.peers) >= MAX_PEERS:
                self._forget_peers(now)
            requests = TokenBucket(self._rate, now=now)
            failures = TokenBucket(self._failures / 60, self._failures, now)
            peer = self.peers[key] = Peer(key, requests, failures, is_refusable=is_refusable)
        return peer

    def _forget_peers(self, now: float) -> None:
        gone = [key for key, peer in self.peers.items() if not peer.unproven]
        idle = [
            key
            for key in gone
            if self.peers[key].requests.is_full(now) and self.peers[key].failures.is_full(now)
        ]
        for key in idle or gone[: MAX_PEERS // 2]:
            del self.peers[key]


def client_of(scope: Mapping[str, Any]) -> ClientSocket | None:
    """Returns the socket of an ASGI scope; None if another server accepted it."""
    found = (scope.get("state") or {}).get(CLIENT)
    return found if isinstance(found, ClientSocket) else None


def descriptor_limit() -> int:
    """Returns how many files the daemon may have open."""
    if sys.platform == "win32":
        return 1 << 20  # sockets aren't descriptors there
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 1 << 20 if soft == resource.RLIM_INFINITY else int(soft)


def _network(client: ClientSocket) -> tuple[str, bool]:
    """Returns the name of a peer by its address, and whether it stands for nobody else."""
    try:
        address = ipaddress.ip_address(client.getpeername()[0].partition("%")[0])
    except (OSError, ValueError, TypeError, IndexError):
        return "an unknown peer", False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif not address.is_loopback:
            # A household or machine usually has the whole of it.
            return str(ipaddress.ip_network((address, 64), strict=False)), True
    return str(address), not address.is_loopback


def _address(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "an unknown peer"


Make = Callable[[ClientSocket], asyncio.BaseProtocol]


class Acceptor:
    """Accepts the connections of a listening socket, in turns with other work.

    The event loop's own server accepts all that wait at once, and goes on when there is no descriptor left.
    """

    def __init__(self, listener: socket.socket, door: Door, make: Make, **options: Any) -> None:
        """`make` returns the protocol of a connection; `options` are those of `connect_accepted_socket`."""
        self._listener = listener
        self._kind = (listener.family, listener.type, listener.proto)
        self._door = door
        self._make = make
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._resume: asyncio.TimerHandle | None = None
        self._is_closed = False
        listener.setblocking(False)
        if sys.platform == "win32":
            # Its event loop can't watch sockets.
            self._task = self._loop.create_task(self._accept_each())
        else:
            self._watch()

    def close(self) -> None:
        """Accepts no more connections."""
        self._is_closed = True
        if self._resume is not None:
            self._resume.cancel()
        elif sys.platform != "win32":
            self._loop.remove_reader(self._listener.fileno())
        if self._task is not None:
            self._task.cancel()

    async def wait_closed(self) -> None:
        """Waits for the end of `close`."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _watch(self) -> None:
        self._resume = None
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                accepted, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if self._pauses(error):
                    self._loop.remove_reader(self._listener.fileno())
                    self._resume = self._loop.call_later(PAUSE_S, self._watch)
                return
            self._open(accepted.detach())
            if self._door.is_quiet:
                # Saves the call that finds that no other waits.
                return

    async def _accept_each(self) -> None:
        while not self._is_closed:
            try:
                accepted, _address = await self._loop.sock_accept(self._listener)
            except OSError as error:
                if self._pauses(error):
                    await asyncio.sleep(PAUSE_S)
                continue
            self._open(accepted.detach())

    def _pauses(self, error: OSError) -> bool:
        """Whether to pause after an error; a connection may also have ended while it waited."""
        if error.errno in DESCRIPTOR_ERRNOS:
            self._door.relieve()
        return error.errno in DESCRIPTOR_ERRNOS or error.errno in (errno.ENOBUFS, errno.ENOMEM)

    def _open(self, accepted: int) -> None:
        if (client := self._door.admit(accepted, self._kind)) is not None:
            # The event loop keeps it: it waits for a callback that is scheduled.
            self._loop.create_task(self._connect(client))

    async def _connect(self, client: ClientSocket) -> None:
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: self._make(client), client, **self._options
            )
        except asyncio.CancelledError:
            client.close()
            raise
        # A failed handshake costs its own connection.
        except Exception as error:
            log.debug("a connection failed: %r", error)
            client.close()
            return
        if client.is_counted:
            client.transport = transport
        else:
            # Dropped meanwhile.
            transport.abort()
