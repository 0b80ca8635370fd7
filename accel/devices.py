"""What this machine computes on, found without loading any of the libraries that would use it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

Loader = Callable[[str], Any]
"""Opens a native library by name, as `ctypes.CDLL` does. Raises OSError."""


class Device(Struct, frozen=True):
    """A device and why it is the one."""

    name: str
    """`CPU`, `CUDA` or `CoreML`."""
    reason: str


def probe(platform: str = sys.platform, loader: Loader = ctypes.CDLL) -> Device:
    """The device that models will run on."""
    if platform == "darwin":
        return Device("CoreML", "macOS")
    try:
        cuda = loader("nvcuda.dll" if platform == "win32" else "libcuda.so.1")
    except OSError:
        return Device("CPU", "no CUDA driver found")
    return _ask_driver(cuda)


def _ask_driver(cuda: Any) -> Device:
    """Asks the driver's own API (cuInit, cuDeviceGetCount, cuDeviceGet, cuDeviceGetName)."""
    if status := cuda.cuInit(0):
        return Device("CPU", f"the CUDA driver doesn't start (error {status})")
    count = ctypes.c_int()
    if cuda.cuDeviceGetCount(ctypes.byref(count)) or count.value < 1:
        return Device("CPU", "the CUDA driver sees no GPU")
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if cuda.cuDeviceGet(ctypes.byref(device), 0) or cuda.cuDeviceGetName(name, len(name), device):
        return Device("CUDA", "an unnamed GPU")
    more = f" and {count.value - 1} more" if count.value > 1 else ""
    return Device("CUDA", name.value.decode(errors="replace") + more)
