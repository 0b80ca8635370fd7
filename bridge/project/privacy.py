"""Which projects ask that blobs about them are encrypted: `[privacy] encrypt = true` in popbridge.toml."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from bridge.core.errors import UserError
from bridge.project.config import NAME, read

REMEMBERED_S = 5.0
"""Seconds for which the answer about a folder is used again."""
MAX_FOLDERS = 4096
"""Number of folders to remember."""


class ProjectPrivacy:
    """Finds the project of a file by the nearest popbridge.toml above it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    def covers(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file's project asks for encryption. A popbridge.toml that can't be read counts as
        asking."""
        return self._asks(os.path.dirname(os.path.abspath(path)))

    def _asks(self, folder: str) -> bool:
        now = time.monotonic()
        known = self._known.get(folder)
        if known is not None and known[0] > now:
            return known[1]
        file, parent = os.path.join(folder, NAME), os.path.dirname(folder)
        found = False
        if os.path.exists(file):
            found = True
            with contextlib.suppress(UserError):
                found = read(Path(folder)).privacy.encrypt
        elif parent != folder:
            found = self._asks(parent)
        if len(self._known) >= MAX_FOLDERS:
            self._known.clear()
        self._known[folder] = now + REMEMBERED_S, found
        return found
