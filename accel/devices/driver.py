"""Asks the CUDA driver for its GPUs through ctypes, without loading other libraries."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from accel.text import AnyText, text

Loader = Callable[[str], Any]
"""Opens a native library by name, like `ctypes.CDLL`. Raises OSError."""

_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""


class Device(Struct, frozen=True):
    """The device that models can run on, and why."""

    name: str
    """`CPU`, `CUDA` or `CoreML`."""
    reason: AnyText


class Gpu(Struct, frozen=True):
    """A GPU as reported by the driver."""

    name: str
    """For example `NVIDIA GeForce RTX 4090`; empty if unknown."""
    memory_mib: int = 0
    """Dedicated GPU memory; 0 if unknown."""
    capability: str = ""
    """CUDA compute capability, for example `8.9`."""


class Driver(Struct, frozen=True):
    """The CUDA driver's answers."""

    library: str
    """Name of its library."""
    found: bool = False
    """Whether it is installed."""
    version: int = 0
    """Newest supported CUDA version, 1000 * major + 10 * minor; 0 if unknown."""
    gpus: tuple[Gpu, ...] = ()
    """In the driver's order, so that the index is onnxruntime's `device_id`."""
    error: int = 0
    """The CUresult if it doesn't start."""


def library_of(platform: str) -> str:
    """Returns the name of the driver's library."""
    return "nvcuda.dll" if platform == "win32" else "libcuda.so.1"


def ask_driver(platform: str = sys.platform, loader: Loader = ctypes.CDLL) -> Driver:
    """Loads the driver and returns its GPUs. It can take seconds; a broken driver may hang or crash."""
    library = library_of(platform)
    try:
        cuda = loader(library)
    except OSError:
        return Driver(library)
    version = ctypes.c_int()
    _call(cuda, "cuDriverGetVersion", ctypes.byref(version))
    if status := _call(cuda, "cuInit", 0):
        return Driver(library, True, version.value, error=status)
    count = ctypes.c_int()
    if _call(cuda, "cuDeviceGetCount", ctypes.byref(count)):
        count.value = 0
    return Driver(library, True, version.value, tuple(_gpu(cuda, index) for index in range(count.value)))


def _gpu(cuda: Any, index: int) -> Gpu:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if _call(cuda, "cuDeviceGet", ctypes.byref(device), index):
        return Gpu("")
    if _call(cuda, "cuDeviceGetName", name, len(name), device):
        name.value = b""
    memory = ctypes.c_size_t()
    _call(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    parts = [ctypes.c_int(), ctypes.c_int()]
    failed = [
        _call(cuda, "cuDeviceGetAttribute", ctypes.byref(part), attribute, device)
        for part, attribute in zip(parts, (_MAJOR, _MINOR), strict=True)
    ]
    capability = "" if any(failed) else f"{parts[0].value}.{parts[1].value}"
    return Gpu(name.value.decode(errors="replace"), memory.value >> 20, capability)


def _call(cuda: Any, name: str, *arguments: Any) -> int:
    """Calls a driver function and returns its CUresult; -1 if the function is missing."""
    try:
        function = getattr(cuda, name)
    except AttributeError:
        return -1
    return int(function(*arguments))


def probe(platform: str = sys.platform, loader: Loader = ctypes.CDLL) -> Device:
    """Returns the device that models can run on, judging by the driver; `provider_probe` tests it."""
    if platform == "darwin":
        return Device("CoreML", "macOS")
    driver = ask_driver(platform, loader)
    if not driver.found:
        return Device("CPU", text("no CUDA driver found"))
    if driver.error:
        return Device("CPU", text("the CUDA driver doesn't start (error {error})", error=driver.error))
    if not driver.gpus:
        return Device("CPU", text("the CUDA driver sees no GPU"))
    name: AnyText = driver.gpus[0].name or text("an unnamed GPU")
    if len(driver.gpus) > 1:
        name = text("{name} and {count} more", name=name, count=len(driver.gpus) - 1)
    return Device("CUDA", name)
