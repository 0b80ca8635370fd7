"""Text files of projects that editors read at the same time: read with care, written in one step."""

from __future__ import annotations

import errno
import shutil
import uuid
from pathlib import Path
from stat import S_ISREG

from accel.replacing import replace_file

WRITABLE = 0o222
"""The rights of which one at least makes a file writable; Windows' attribute is all of them."""
MAX_BYTES = 16 << 20
"""No settings that an editor has written are nearly so large."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line ends as they are; bytes that are no UTF-8 become surrogates.

    Raises OSError, also for what is no regular file (to open a pipe is to wait) or has more than 16 MiB.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if found.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES >> 20} MiB", str(path))
    return path.read_bytes().decode("utf-8", "surrogateescape")


def write_text(path: Path, text: str) -> None:
    """In one step, so that an editor that looks at the same time never reads half of it.

    A link stays one: the file that it leads to is written. Raises OSError, also for what is read-only:
    so version control marks what isn't checked out, and a folder's rights alone would let it be replaced.
    """
    path = path.resolve()
    if path.exists() and not path.stat().st_mode & WRITABLE:
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    # A name of its own: that of the file may be as long as names can be.
    draft = path.with_name(f".{uuid.uuid4().hex}.popbridge-new")
    try:
        draft.write_bytes(text.encode("utf-8", "surrogateescape"))
        if path.exists():
            shutil.copymode(path, draft)
        replace_file(draft, path)
    finally:
        draft.unlink(missing_ok=True)
