"""How processes end, for people."""

from __future__ import annotations

import contextlib
import signal

MOST_CODE = 0xFFFF
"""Beyond it exit codes are those of Windows, which are read as hexadecimal."""
NTSTATUS = {
    0xC0000005: "access violation",
    0xC0000017: "out of memory",
    0xC000001D: "illegal instruction",
    0xC0000135: "a DLL is missing",
    0xC0000374: "heap corruption",
    0xC0000409: "abort",
    0xC00000FD: "stack overflow",
}
"""How Windows says that a process has crashed."""


def describe(code: int | None) -> str:
    """A process's exit code for people."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    if code is not None and code > MOST_CODE:
        return NTSTATUS.get(code, f"exit code 0x{code:08X}")
    return f"exit code {code}"
