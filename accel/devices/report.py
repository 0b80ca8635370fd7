"""What is known about every provider of this machine, for people and for whoever opens models."""

from __future__ import annotations

from msgspec import Struct

from accel.devices.driver import Gpu
from accel.text import AnyText


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
