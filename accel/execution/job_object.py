"""Windows job objects, by which the system limits the memory of worker processes.

Elsewhere, `JobObject` does nothing: Linux limits address space, and the watchdog does the rest.
"""

from __future__ import annotations

import logging
import sys

log = logging.getLogger(__name__)

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _EXTENDED_LIMITS = 9
    """JobObjectExtendedLimitInformation."""
    _PROCESS_MEMORY, _JOB_MEMORY, _KILL_ON_CLOSE = 0x100, 0x200, 0x2000
    _SET_QUOTA_AND_TERMINATE = 0x0101

    class _BasicLimits(ctypes.Structure):
        _fields_ = (
            ("PerProcessUserTimeLimit", ctypes.c_int64),
            ("PerJobUserTimeLimit", ctypes.c_int64),
            ("LimitFlags", wintypes.DWORD),
            ("MinimumWorkingSetSize", ctypes.c_size_t),
            ("MaximumWorkingSetSize", ctypes.c_size_t),
            ("ActiveProcessLimit", wintypes.DWORD),
            ("Affinity", ctypes.c_size_t),
            ("PriorityClass", wintypes.DWORD),
            ("SchedulingClass", wintypes.DWORD),
        )

    class _ExtendedLimits(ctypes.Structure):
        _fields_ = (
            ("BasicLimitInformation", _BasicLimits),
            ("IoInfo", ctypes.c_uint64 * 6),
            ("ProcessMemoryLimit", ctypes.c_size_t),
            ("JobMemoryLimit", ctypes.c_size_t),
            ("PeakProcessMemoryUsed", ctypes.c_size_t),
            ("PeakJobMemoryUsed", ctypes.c_size_t),
        )

    _kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
    _kernel.SetInformationJobObject.argtypes = (
        wintypes.HANDLE,
        ctypes.c_int,
        wintypes.LPVOID,
        wintypes.DWORD,
    )
    _kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    _kernel.OpenProcess.restype = wintypes.HANDLE
    _kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
    _kernel.CloseHandle.argtypes = (wintypes.HANDLE,)

    class JobObject:
        """Limits the committed memory of all its processes together, and ends them with this process."""

        def __init__(self, total: int) -> None:
            """`total` is in bytes. Where the system refuses, the limits are left to the watchdog."""
            self._all = _create(_JOB_MEMORY | _KILL_ON_CLOSE, total)
            self._single: dict[int, int | None] = {}

        def assign(self, pid: int, limit: int) -> None:
            """Adds a process, which may take `limit` bytes itself; 0 for no limit of its own."""
            if limit and limit not in self._single:
                self._single[limit] = _create(_PROCESS_MEMORY, limit)
            process = _kernel.OpenProcess(_SET_QUOTA_AND_TERMINATE, False, pid)
            if not process:
                return
            try:
                # The job of one limit is nested in that of all, which must come first.
                for job in (self._all, self._single.get(limit)):
                    if job and not _kernel.AssignProcessToJobObject(job, process):
                        log.info("worker process %d isn't in a job object: %d", pid, ctypes.get_last_error())
            finally:
                _kernel.CloseHandle(process)

        def __del__(self) -> None:
            for job in (self._all, *self._single.values()):
                if job:
                    _kernel.CloseHandle(job)

    def _create(flags: int, limit: int) -> int | None:
        job: int | None = _kernel.CreateJobObjectW(None, None)
        limits = _ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = flags
        limits.ProcessMemoryLimit = limits.JobMemoryLimit = limit
        size = ctypes.sizeof(limits)
        if not job or not _kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), size):
            log.info("no job object limits worker processes: %d", ctypes.get_last_error())
        return job

else:

    class JobObject:
        """Does nothing on this system."""

        def __init__(self, total: int) -> None:
            pass

        def assign(self, pid: int, limit: int) -> None:
            """Does nothing."""
