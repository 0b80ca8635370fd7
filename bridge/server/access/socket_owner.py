"""The user behind a local connection.

A machine's users share the loopback address, so a limit by address would let one user lock out the others.
Linux tells the owner of a socket by its pair of addresses (sock_diag(7)), in some 10 µs however many sockets
there are; /proc/net/tcp says the same, but lists all sockets.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import sys

log = logging.getLogger(__name__)

FORBIDDEN = frozenset({errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOSYS})
"""Error numbers of systems that don't tell, such as some containers."""

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
ANY = 0xFFFFFFFF
"""Any state; no cookie."""
HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence number, port."""
REQUEST = struct.Struct("=BBBBI")
"""inet_diag_req_v2: family, protocol, extensions, padding, states; a socket id follows."""
SOCKET_ID = struct.Struct("!HH16s16s12x")
"""inet_diag_sockid without its interface and cookie: ports and addresses, of the socket and its peer."""
ANSWER = struct.Struct("=4x48xIIIII")
"""inet_diag_msg: after family and socket id, expiry, queues, owner and inode."""
CREDENTIALS = struct.Struct("=iII")
"""ucred (unix(7)): process, user, group."""


class SocketOwners:
    """Finds users by the addresses of connections."""

    def __init__(self) -> None:
        self._diag: socket.socket | None = None
        self._sequence = 0
        self._is_closed = sys.platform != "linux"
        self.own: int | None = None
        """This process's user; None where there are no numbers for users."""
        if sys.platform != "win32":
            self.own = os.getuid()

    def close(self) -> None:
        """Looks up no more users."""
        self._is_closed = True
        if self._diag is not None:
            self._diag.close()
            self._diag = None

    def of(self, accepted: socket.socket) -> int | None:
        """Returns the user id of the process at the other end; None if it is on another machine, has closed
        its socket, or the system doesn't tell."""
        if sys.platform == "linux" and accepted.family == socket.AF_UNIX:
            found = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            return int(CREDENTIALS.unpack(found)[1])
        if self._is_closed or accepted.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        try:
            return self._ask(accepted.family, accepted.getpeername(), accepted.getsockname())
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in FORBIDDEN:
                log.info("the users of local connections aren't known: %s", error)
                self.close()
            return None

    def _ask(self, family: int, client: tuple[str, int], server: tuple[str, int]) -> int | None:
        if sys.platform != "linux":
            return None
        if self._diag is None:
            self._diag = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)
            self._diag.setblocking(False)
        pair = (socket.inet_pton(family, address[0].partition("%")[0]) for address in (client, server))
        query = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, ANY)
        query += SOCKET_ID.pack(client[1], server[1], *pair)[:-8] + struct.pack("=II", ANY, ANY)
        own = self._sequence = (self._sequence + 1) & ANY
        size = HEADER.size + len(query)
        self._diag.send(HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, own, 0) + query)
        # The kernel answers within `send`; an answer that was missed before is another socket's.
        kind = sequence = -1
        while sequence != own:
            answer = self._diag.recv(4096)
            _, kind, _, sequence, _ = HEADER.unpack_from(answer)
        if kind != SOCK_DIAG_BY_FAMILY:
            return None
        *_, user, inode = ANSWER.unpack_from(answer, HEADER.size)
        # Without an inode it belongs to no process any more, and the user is always 0.
        return user if inode else None
