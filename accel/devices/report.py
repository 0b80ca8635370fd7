"""Reports on providers, and classification of device errors."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from accel.devices.driver import Gpu
from accel.text import AnyText, text


class Report(Struct, frozen=True):
    """Whether a provider can be used on this machine, and why."""

    name: str
    """`tensorrt`, `cuda`, `directml`, `coreml`, `openvino` or `cpu`."""
    usable: bool
    """Whether a model ran on it."""
    reason: AnyText
    """Why it isn't usable, or else the hardware it uses; for people."""
    remedy: AnyText = ""
    """What to do, if anything."""


class Devices(Struct, frozen=True):
    """The result of probing this machine."""

    reports: tuple[Report, ...]
    """One per provider, in order of preference."""
    gpus: tuple[Gpu, ...] = ()
    """GPUs of NVIDIA's driver. The index is `device_id`."""
    driver: int = 0
    """Newest CUDA version that the driver supports, as in `Driver.version`."""
    runtime: str = ""
    """onnxruntime's version; empty if it can't be loaded."""
    warnings: tuple[AnyText, ...] = ()
    """Problems with the installation."""

    @property
    def machine(self) -> str:
        """Identifies what measurements on the first GPU depend on."""
        gpu = self.gpus[0] if self.gpus else Gpu("")
        return f"{gpu.name} {gpu.capability}, onnxruntime {self.runtime}, driver {self.driver}"

    def report(self, name: str) -> Report:
        """Returns a provider's report. Raises KeyError."""
        return {report.name: report for report in self.reports}[name]


Fault = Literal["", "memory", "gone"]
"""`memory`: a smaller batch may succeed. `gone`: this process can no longer use the device. Empty if the
device isn't at fault."""

WANTED = "POPBRIDGE_PROVIDER"
"""Environment variable with the provider's name, such as `cuda`; set in a GPU's worker processes."""

FULL = text("the GPU's memory is full")

MEMORY = re.compile(
    # onnxruntime's arena (bfc_arena.cc), with and without a limit, and the libraries that it calls.
    r"Failed to allocate memory|Available memory of \d+ is smaller than requested|out of memory"
    r"|bad allocation|std::bad_alloc|CUDA_ERROR_OUT_OF_MEMORY|CU(?:DNN|BLAS)_STATUS_ALLOC_FAILED"
    # These libraries' error if their first handle doesn't fit.
    r"|CU(?:DNN|BLAS)_STATUS_NOT_INITIALIZED"
    # DirectML: E_OUTOFMEMORY.
    r"|8007000E|Not enough memory resources",
    re.IGNORECASE,
)
_GONE = re.compile(
    # cudaError values from which a process can't recover.
    r"CUDA failure (?:46|100|101|214|700|719|999):|no CUDA-capable device|invalid device ordinal"
    r"|devices are busy or unavailable|illegal memory access|unspecified launch failure|uncorrectable ECC"
    # DXGI_ERROR_DEVICE_REMOVED, _HUNG, _RESET and _DRIVER_INTERNAL_ERROR.
    r"|887A00(?:05|06|07|20)|GPU device instance has been suspended",
    re.IGNORECASE,
)


class DeviceGone(Exception):
    """This process's device is gone. The message contains the reason."""


def fault_of(error: BaseException) -> Fault:
    """Classifies an error of onnxruntime or of a library that it calls."""
    message = _message(error)
    if isinstance(error, DeviceGone) or _GONE.search(message):
        return "gone"
    return "memory" if isinstance(error, MemoryError) or MEMORY.search(message) else ""


def _message(error: BaseException) -> str:
    """Returns the message without class name and notes."""
    try:
        return str(error)
    # A third party's `__str__` may fail.
    except (Exception, SystemExit):
        return ""


def uses_device(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process uses a device other than the CPU."""
    return environment.get(WANTED, "") not in ("", "cpu")
