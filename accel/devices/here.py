"""What this process computes on: the CPU, unless whoever started it wants a GPU to be used."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping

from accel.devices.choice import Choice, Wish, choose
from accel.devices.probing import try_providers
from accel.devices.report import Devices, Report

WANTED = "POPBRIDGE_PROVIDER"
"""The variable with the provider's name, for example `cuda`; set in the worker processes of a GPU."""

CPU = choose(Devices((Report("cpu", True, ""),)), Wish(("cpu",)))
"""What is always there."""

FIXED = Wish(("cuda", "directml", "coreml"))
"""Those that run any shape without compiling it first."""


def of(environment: Mapping[str, str]) -> Choice:
    """The provider for a process with these variables; tried, and the CPU where it doesn't work."""
    wanted = environment.get(WANTED, "")
    return choose(try_providers(), Wish((wanted,))) if wanted not in ("", "cpu") else CPU


@functools.cache
def choice() -> Choice:
    """That of this process."""
    return of(os.environ)
