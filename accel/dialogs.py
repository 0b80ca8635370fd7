"""The boxes that Windows shows for a process that crashes or lacks a library."""

from __future__ import annotations

import sys


def suppress() -> None:
    """Has this process fail at once: nobody may be there who closes a box, and it stays as long as that."""
    if sys.platform == "win32":
        import msvcrt

        boxes = msvcrt.SEM_FAILCRITICALERRORS | msvcrt.SEM_NOGPFAULTERRORBOX | msvcrt.SEM_NOOPENFILEERRORBOX
        msvcrt.SetErrorMode(boxes)
