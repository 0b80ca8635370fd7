"""The hidden folder for files that aren't in their place yet: made for a run, and what killed ones left."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from accel.text import text
from bridge.core.errors import UserError

LEFT_S = 86_400
"""How old a folder is that certainly no run uses any more."""

_NAME = re.compile(r"\.popbridge-(?:([0-9a-f]{8})-(\d+)-)?\w+")


def drafts(out: Path) -> Path:
    """A new folder on the outputs' own disk; those of runs that are gone are cleared. Raises UserError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for left in _left(out):
            shutil.rmtree(left, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=f".popbridge-{_machine()}-{os.getpid()}-", dir=out.absolute()))
    except OSError as error:
        raise UserError(
            text("The folder {out} can't be made or written to ({reason}).", out=out, reason=error.strerror)
        ) from None


def _left(out: Path) -> Iterator[Path]:
    for path in out.glob(".popbridge-*"):
        name = _NAME.fullmatch(path.name)
        if name and path.is_dir() and not path.is_symlink() and _is_gone(path, name[1], name[2]):
            yield path


def _is_gone(folder: Path, machine: str | None, pid: str | None) -> bool:
    # Processes of another machine that writes to the same disk can't be seen.
    if pid is not None and machine == _machine() and not psutil.pid_exists(int(pid)):
        return True
    try:
        changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return False
    return time.time() - changed > LEFT_S


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode('utf-8', 'replace')):08x}"
