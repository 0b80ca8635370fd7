"""Probe cache and the device of this process."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.atomic_file import replaced
from accel.devices.driver import library_of
from accel.devices.provider_probe import try_providers
from accel.devices.providers import Choice, Wish, choose
from accel.devices.report import WANTED, DeviceGone, Devices, Report

_PARTS = ("onnxruntime", "nvidia-", "tensorrt", "openvino")
"""Beginnings of the names of distributions on which a provider hangs."""

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_PATH", "PATH" if sys.platform == "win32" else "LD_LIBRARY_PATH")
"""The last is where libraries are looked for."""

_DRIVERS = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")


class _Kept(Struct):
    state: str
    devices: Devices


def devices(file: Path) -> Devices:
    """From `file` if the machine is as it was, else tried anew and kept; an unusable file is no error."""
    now = machine_state()
    with contextlib.suppress(OSError, ValueError):
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
        if kept.state == now:
            return kept.devices
    found = try_providers()
    save(found, file, now)
    return found


def load(file: Path) -> Devices:
    """What was found last, however the machine is now; nothing where nobody can read `file`."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=_Kept).devices
    return Devices(())


def save(found: Devices, file: Path, now: str | None = None) -> None:
    """Writes what was found; if that can't be done, it is found out again next time."""
    replaced(file, msgspec.json.encode(_Kept(now or machine_state(), found)))


def machine_state() -> str:
    """A digest of what the result hangs on: interpreter, packages, driver, variables; loads none of them."""
    packages = sorted(
        f"{name} {one.version}"
        for one in importlib.metadata.distributions()
        if (name := (one.name or "").lower()).startswith(_PARTS)
    )
    parts = [sys.executable, platform.platform(), *packages, *_stamps(), *map(_variable, _VARIABLES)]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def _stamps() -> list[str]:
    """Of the driver's files: a new driver has others."""
    system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", library_of("win32"))
    stamps = []
    for path in (*map(Path, _DRIVERS), system):
        with contextlib.suppress(OSError):
            # What lies in /proc has no time of its own.
            stamps.append(path.read_text() if path.parts[1:2] == ("proc",) else str(path.stat().st_mtime_ns))
    return stamps


def _variable(name: str) -> str:
    return f"{name}={os.environ.get(name, '')}"


CPU = choose(Devices((Report("cpu", True, ""),)), Wish(("cpu",)))
"""What is always there."""

CACHE = "POPBRIDGE_CACHE"
"""The variable with the folder in which it is kept what providers compile and what was found out."""


def device_name(environment: Mapping[str, str]) -> Choice:
    """The provider for a process with these variables: the CPU, or a GPU's, which is tried.

    Raises DeviceGone where that doesn't work: the CPU has workers of its own.
    """
    wanted = environment.get(WANTED, "")
    if wanted in ("", "cpu"):
        return CPU
    found = choose(current_devices(), Wish((wanted,)))
    if found.name != wanted:
        raise DeviceGone("; ".join(found.passed_over))
    return found


@functools.cache
def current_choice() -> Choice:
    """That of this process."""
    return device_name(os.environ)


@functools.cache
def current_devices() -> Devices:
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
    name = current_choice().name
    return CPU if name == "cpu" else for_provider(name, wish)


def for_provider(name: str, wish: Wish) -> Choice:
    """A certain provider for one model. Raises DeviceGone with why it isn't used."""
    wanted = msgspec.structs.replace(wish, order=(name,))
    found = choose(current_devices(), wanted)
    if found.name != name:
        raise DeviceGone("; ".join(found.passed_over))
    # What can't be kept is compiled again.
    with contextlib.suppress(OSError):
        return choose(current_devices(), wanted, cache())
    return found
