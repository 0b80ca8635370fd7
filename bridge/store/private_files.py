"""Opens files that only their user may read, and keeps keys in them."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from pathlib import Path

from accel.atomic_file import make_private_folder, sync_folder
from accel.text import text
from bridge.core.errors import UserError

KEY_BYTES = 32

_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
"""Without O_NONBLOCK, a pipe in the place of the file would block."""


def open_private(path: Path, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file of this user, without following a link, and makes it readable for its owner only.

    Raises OSError.
    """
    opened = os.open(path, flags | _FLAGS, 0o600)
    try:
        info = os.fstat(opened)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, text("it isn't a regular file"), str(path))
        if sys.platform != "win32":
            if info.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, text("it belongs to another user"), str(path))
            if info.st_mode & 0o077:
                os.fchmod(opened, 0o600)
    except OSError:
        os.close(opened)
        raise
    return opened


def file_key(path: Path, *, create: bool = True) -> bytes:
    """Returns the key of 32 bytes in a file. With `create`, creates it if it is missing.

    Raises OSError, and UserError for a damaged key.
    """
    try:
        opened = open_private(path)
    except FileNotFoundError:
        if not create:
            raise
        make_private_folder(path.parent)
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            key = secrets.token_bytes(KEY_BYTES)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        return key
    with os.fdopen(opened, "rb") as file:
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise UserError(text("The key {path} is damaged. Restore it from a backup.", path=path))
    return key
