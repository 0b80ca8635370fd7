"""What this process computes on: the CPU, unless whoever started it wants a GPU to be used."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from accel.devices.choice import Choice, Wish, choose
from accel.devices.faults import WANTED, DeviceGone
from accel.devices.probing import try_providers
from accel.devices.report import Devices, Report

CPU = choose(Devices((Report("cpu", True, ""),)), Wish(("cpu",)))
"""What is always there."""

CACHE = "POPBRIDGE_CACHE"
"""The variable with the folder in which it is kept what providers compile and what was found out."""


def of(environment: Mapping[str, str]) -> Choice:
    """The provider for a process with these variables: the CPU, or a GPU's, which is tried.

    Raises DeviceGone where that doesn't work: the CPU has workers of its own.
    """
    wanted = environment.get(WANTED, "")
    if wanted in ("", "cpu"):
        return CPU
    found = choose(devices(), Wish((wanted,)))
    if found.name != wanted:
        raise DeviceGone("; ".join(found.passed_over))
    return found


@functools.cache
def choice() -> Choice:
    """That of this process."""
    return of(os.environ)


@functools.cache
def devices() -> Devices:
    """What works on this machine, tried once."""
    return try_providers()


def cache(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder for what is compiled; None for none."""
    found = environment.get(CACHE, "")
    return Path(found) if found else None


def for_model(wish: Wish) -> Choice:
    """That of this process for one model, of whose wish everything but the order counts.

    Raises DeviceGone where what this process computes on takes no such model.
    """
    name = choice().name
    return CPU if name == "cpu" else for_provider(name, wish)


def for_provider(name: str, wish: Wish) -> Choice:
    """A certain provider for one model. Raises DeviceGone with why it isn't used."""
    wanted = msgspec.structs.replace(wish, order=(name,))
    found = choose(devices(), wanted)
    if found.name != name:
        raise DeviceGone("; ".join(found.passed_over))
    # What can't be kept is compiled again.
    with contextlib.suppress(OSError):
        return choose(devices(), wanted, cache())
    return found
