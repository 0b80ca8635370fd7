"""What is known of each provider; device error classes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from accel.devices.driver import Gpu
from accel.text import AnyText, text


class Report(Struct, frozen=True):
    """Whether a provider can be used here, and why."""

    name: str
    """`tensorrt`, `cuda`, `directml`, `coreml`, `openvino` or `cpu`."""
    usable: bool
    """Whether a model was run on it."""
    reason: AnyText
    """Why, or what it runs on; for people."""
    remedy: AnyText = ""
    """What to do about it; empty where nothing need or can be done."""


class Devices(Struct, frozen=True):
    """All that was found out."""

    reports: tuple[Report, ...]
    """Of every provider, the preferred first."""
    gpus: tuple[Gpu, ...] = ()
    """That NVIDIA's driver sees; the index is `device_id`."""
    driver: int = 0
    """The newest CUDA that the driver supports, as `Driver.version`."""
    runtime: str = ""
    """onnxruntime's version; empty where it can't be loaded."""
    warnings: tuple[AnyText, ...] = ()
    """What is wrong with the installation as a whole."""

    @property
    def machine(self) -> str:
        """What measurements on the first GPU hang on."""
        gpu = self.gpus[0] if self.gpus else Gpu("")
        return f"{gpu.name} {gpu.capability}, onnxruntime {self.runtime}, driver {self.driver}"

    def report(self, name: str) -> Report:
        """Of a provider by name. Raises KeyError."""
        return {report.name: report for report in self.reports}[name]


Fault = Literal["", "memory", "gone"]
"""`memory`: less at once may succeed. `gone`: nothing will in this process, whose handle of the device is
lost. Empty where a device isn't to blame."""

WANTED = "POPBRIDGE_PROVIDER"
"""The variable with the provider's name, for example `cuda`; set in the worker processes of a GPU."""

FULL = text("the GPU's memory is full")

MEMORY = re.compile(
    # onnxruntime's arena (bfc_arena.cc), with and without a limit of its own, and what it calls.
    r"Failed to allocate memory|Available memory of \d+ is smaller than requested|out of memory"
    r"|bad allocation|std::bad_alloc|CUDA_ERROR_OUT_OF_MEMORY|CU(?:DNN|BLAS)_STATUS_ALLOC_FAILED"
    # Of these libraries a first handle that doesn't fit says no more than this.
    r"|CU(?:DNN|BLAS)_STATUS_NOT_INITIALIZED"
    # DirectML: E_OUTOFMEMORY.
    r"|8007000E|Not enough memory resources",
    re.IGNORECASE,
)
_GONE = re.compile(
    # cudaError 46, 100, 101, 214, 700, 719, 999: from each of them a process can't recover.
    r"CUDA failure (?:46|100|101|214|700|719|999):|no CUDA-capable device|invalid device ordinal"
    r"|devices are busy or unavailable|illegal memory access|unspecified launch failure|uncorrectable ECC"
    # DXGI_ERROR_DEVICE_REMOVED, _HUNG, _RESET and _DRIVER_INTERNAL_ERROR.
    r"|887A00(?:05|06|07|20)|GPU device instance has been suspended",
    re.IGNORECASE,
)


class DeviceGone(Exception):
    """What this process should compute on isn't there any more; says why."""


def fault_of(error: BaseException) -> Fault:
    """What `error`, of onnxruntime or of whatever it calls, says."""
    said = _said(error)
    if isinstance(error, DeviceGone) or _GONE.search(said):
        return "gone"
    return "memory" if isinstance(error, MemoryError) or MEMORY.search(said) else ""


def _said(error: BaseException) -> str:
    """Its own words alone: the name of its class blames nothing, nor do notes, whoever has added them."""
    try:
        return str(error)
    # A third party's error may fail to say what it is.
    except (Exception, SystemExit):
        return ""


def is_device_error(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process computes on another device than the CPU."""
    return environment.get(WANTED, "") not in ("", "cpu")
