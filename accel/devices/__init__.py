"""Detection of this machine's compute devices: drivers, runtimes and execution providers."""

from __future__ import annotations

from accel.devices.driver import Device, probe
from accel.devices.report import Devices, Report

__all__ = ["Device", "Devices", "Report", "probe"]
