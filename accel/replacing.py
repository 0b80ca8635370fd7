"""A file's contents, replaced in one step: whoever reads it has the old ones or the new."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replaced(file: Path, contents: bytes) -> None:
    """Writes a file in one step, and its folder; where that can't be done, it stays as it was."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(contents)
        os.replace(draft, file)
    except OSError:
        # Of a disk that is full, or where Windows replaces no file that somebody reads.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
