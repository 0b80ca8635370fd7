"""The daemon's Unix socket: only this user's programs and root's get in, as the kernel tells who they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from bridge.paths import MAX_SOCKET_PATH

log = logging.getLogger(__name__)

SCHEME = "unix"
"""The client's host in an ASGI scope of a connection through the socket; its port is the user's id."""

BACKLOG = 1024
SO_PEERCRED_BYTES = struct.calcsize("3i")
"""`struct ucred` of Linux: process, user and group (unix(7))."""
SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES = 0, 1, 76
"""`struct xucred` of macOS begins with its version and the user (sys/ucred.h)."""


@contextlib.contextmanager
def listen_locally(path: Path) -> Iterator[socket.socket | None]:
    """Yields a listening socket at `path`, which only this user can connect to; None where there is none.

    The caller must hold the daemon's lock: a socket of an earlier daemon is replaced. There is none on
    Windows, for a path that is too long, and where the folder's file system has no sockets.
    """
    listener = _bind(path)
    if listener is None:
        yield None
        return
    own = os.stat(path)
    try:
        yield listener
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            # Not that of another daemon.
            if os.path.samestat(own, os.stat(path, follow_symlinks=False)):
                path.unlink()


def _bind(path: Path) -> socket.socket | None:
    if sys.platform == "win32":
        return None
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        log.info("no Unix socket: %s is longer than %d bytes", path, MAX_SOCKET_PATH)
        return None
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        with contextlib.suppress(FileNotFoundError):
            # Anything else that somebody has put there stays, and there is no socket.
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                path.unlink()
        listener.bind(os.fspath(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        log.warning("no Unix socket at %s: %s", path, error.strerror)
        return None
    finally:
        os.umask(mask)
    return listener


def local_peer(transport: asyncio.BaseTransport) -> tuple[str, int] | None:
    """Returns the peer of a connection through the Unix socket, for an ASGI scope; None for TCP.

    The user is -1 if the system doesn't tell.
    """
    found = transport.get_extra_info("socket")
    if sys.platform == "win32" or found is None or found.family != socket.AF_UNIX:
        return None
    # uvloop's transports have no `getsockopt`.
    with socket.socket(fileno=os.dup(found.fileno())) as connection:
        uid = peer_uid(connection)
    return SCHEME, -1 if uid is None else uid


def peer_uid(connection: socket.socket) -> int | None:
    """Returns the user at the other end of a Unix socket; None if the system doesn't tell."""
    if sys.platform == "win32":
        return None
    try:
        if sys.platform == "linux":
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, SO_PEERCRED_BYTES)
            return int(struct.unpack("3i", found)[1])
        if sys.platform == "darwin":
            found = connection.getsockopt(SOL_LOCAL, LOCAL_PEERCRED, XUCRED_BYTES)
            return int(struct.unpack_from("II", found)[1])
    except (OSError, struct.error):
        return None
    return None


def is_admitted(uid: int) -> bool:
    """Whether a user's programs may use the socket: the daemon's own, and those of root, who may do all."""
    return sys.platform != "win32" and uid in (os.getuid(), 0)
