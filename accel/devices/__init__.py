"""What this machine computes on, found out by trying: drivers, runtimes and execution providers."""

from __future__ import annotations

from accel.devices.driver import Device, probe
from accel.devices.report import Devices, Report

__all__ = ["Device", "Devices", "Report", "probe"]
