"""A file's contents, replaced in one step: whoever reads it has the old ones or the new."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from accel.text import text

WAITS_S = (0.01, 0.05, 0.2, 0.5) if sys.platform == "win32" else ()
"""Between the tries to move a file that another program has open, or over one: only Windows refuses it."""

HELD = text("another program has it open, or there is no right to it")
"""What Windows calls no permission, or access denied, where a program keeps a file to itself."""


def replace_file(source: str | Path, target: str | Path, *, done: Callable[[], bool] | None = None) -> None:
    """`os.replace`, which on Windows waits up to 0.8 s for whoever has one of the files open.

    Virus scanners open each new file, and editors read what others write. `done` is asked after each try that
    failed: whether there is no need any more. Raises OSError.
    """
    for wait_s in (*WAITS_S, None):
        try:
            return os.replace(source, target)
        except PermissionError:
            if done is not None and done():
                return
            if wait_s is None or _is_for_good(target):
                raise
        time.sleep(wait_s)


def _is_for_good(target: str | Path) -> bool:
    """Waiting makes no folder a file, nor what is read-only writable: of both Windows says the same."""
    return os.path.isdir(target) or (os.path.exists(target) and not os.access(target, os.W_OK))


def replaced(file: Path, contents: bytes) -> None:
    """Writes a file in one step, and its folder; where that can't be done, it stays as it was."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(contents)
        replace_file(draft, file)
    except OSError:
        # Of a disk that is full, or where somebody reads it for long.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
