"""What this process computes on: the CPU, unless whoever started it wants a GPU to be used."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

from accel.devices.choice import Choice, Wish, choose
from accel.devices.faults import WANTED, DeviceGone
from accel.devices.probing import try_providers
from accel.devices.report import Devices, Report

CPU = choose(Devices((Report("cpu", True, ""),)), Wish(("cpu",)))
"""What is always there."""

FIXED = Wish(("cuda", "directml", "coreml"))
"""Those that run any shape without compiling it first."""


def of(environment: Mapping[str, str]) -> Choice:
    """The provider for a process with these variables: the CPU, or a GPU's, which is tried.

    Raises DeviceGone where that doesn't work: the CPU has workers of its own.
    """
    wanted = environment.get(WANTED, "")
    if wanted in ("", "cpu"):
        return CPU
    found = choose(try_providers(), Wish((wanted,)))
    if found.name != wanted:
        raise DeviceGone("; ".join(found.passed_over))
    return found


@functools.cache
def choice() -> Choice:
    """That of this process."""
    return of(os.environ)
