"""Text files of projects that editors read at the same time: read with care, written in one step."""

from __future__ import annotations

import errno
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

from accel.replacing import HELD, replace_file
from accel.text import text

WRITABLE = 0o222
"""The rights of which one at least makes a file writable; Windows' attribute is all of them."""
CONFLICT = "<<<<<<< "
MAX_BYTES = 16 << 20
"""No settings that an editor has written are nearly so large."""
READ_ONLY = "it is read-only; check it out, or make it writable"
"""Only what version control has checked out is its user's to change."""
CHANGED = text("another program changed it in the same moment; try again")


def is_merged(text: str) -> bool:
    """Whether version control has left two versions in it, between `<<<<<<<` and `>>>>>>>`."""
    return text.startswith(CONFLICT) or f"\n{CONFLICT}" in text


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line ends as they are; bytes that are no UTF-8 become surrogates.

    Raises OSError, also for what is no regular file (to open a pipe is to wait) or has more than 16 MiB.
    """
    found = path.stat()
    if not S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if found.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MAX_BYTES >> 20} MiB", str(path))
    with _told(path):
        return path.read_bytes().decode("utf-8", "surrogateescape")


def write_text(path: Path, text: str, was: str | None = None) -> None:
    """In one step, so that an editor that looks at the same time never reads half of it.

    A link stays one: the file that it leads to is written. `was` is what `read_text` gave, where `text` was
    made of that: a file that holds something else by now stays. Raises OSError, also for that and for what is
    read-only: so version control marks what isn't checked out, and a folder's rights alone would let it be
    replaced.
    """
    path = path.resolve()
    if path.exists() and not path.stat().st_mode & WRITABLE:
        raise PermissionError(errno.EACCES, READ_ONLY, str(path))
    # A name of its own: that of the file may be as long as names can be.
    draft = path.with_name(f".{uuid.uuid4().hex}.popbridge-new")
    try:
        with _told(path):
            draft.write_bytes(_encoded(text))
            if path.exists():
                shutil.copymode(path, draft)
            _replace(draft, path, was)
    finally:
        # A virus scanner may have it open: what couldn't be written is the thing to tell.
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _replace(draft: Path, path: Path, was: str | None) -> None:
    def changed() -> bool:
        # What can't be read now, as its writer keeps it to itself, is looked at again before the next try.
        with suppress(PermissionError):
            return was is not None and path.read_bytes() != _encoded(was)
        return False

    if not changed():
        replace_file(draft, path, done=changed)
    if draft.exists():
        raise OSError(errno.EBUSY, CHANGED, str(path))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Names the file itself, and on Windows what is mostly the matter where it refuses one."""
    try:
        yield
    except OSError as error:
        held = sys.platform == "win32" and isinstance(error, PermissionError)
        raise OSError(error.errno, HELD if held else error.strerror, str(path)) from None
