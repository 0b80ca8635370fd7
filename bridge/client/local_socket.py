"""A client's connection through the daemon's Unix socket, which no other user's program can stand behind."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
from http.client import HTTPConnection

from bridge.paths import ConnectionFile

CONNECT_S = 5.0


def connect_locally(file: ConnectionFile) -> socket.socket | None:
    """Returns a connection to the daemon's Unix socket; None to use TCP, as on Windows.

    TCP is also for a daemon in a container, whose socket isn't here. What answers there must prove that it
    knows the token, as everywhere.
    """
    if sys.platform == "win32" or not file.unix or not _is_own(file.unix):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_S)
        connection.connect(file.unix)
    except OSError:
        connection.close()
        return None
    return connection


def _is_own(path: str) -> bool:
    """Whether a socket of this user or root is at `path`."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError, ValueError):
            found = os.lstat(path)
            return stat.S_ISSOCK(found.st_mode) and found.st_uid in (os.getuid(), 0)
    return False


def use_locally(connection: HTTPConnection, file: ConnectionFile, timeout_s: float) -> None:
    """Lets an HTTP connection that isn't open yet go through the Unix socket, if there is one.

    It isn't encrypted, also where TCP is.
    """
    if (local := connect_locally(file)) is not None:
        local.settimeout(timeout_s)
        connection.sock = local
