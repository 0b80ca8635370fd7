"""The cached probe of this machine, and this process's device."""

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

from accel.atomic_file import write_atomic
from accel.devices.driver import library_of
from accel.devices.provider_probe import try_providers
from accel.devices.providers import Choice, Wish, choose
from accel.devices.report import WANTED, DeviceGone, Devices, Report

_PARTS = ("onnxruntime", "nvidia-", "tensorrt", "openvino")
"""Prefixes of distributions that providers depend on."""

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUDA_PATH", "PATH" if sys.platform == "win32" else "LD_LIBRARY_PATH")
"""Environment variables that affect a probe; the last is the library search path."""

_DRIVERS = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1")


class _StoredProbe(Struct):
    state: str
    devices: Devices


def devices(file: Path) -> Devices:
    """Returns the probe in `file` if the machine is unchanged; otherwise probes it and stores the result."""
    now = machine_state()
    with contextlib.suppress(OSError, ValueError):
        stored = msgspec.json.decode(file.read_bytes(), type=_StoredProbe)
        if stored.state == now:
            return stored.devices
    found = try_providers()
    save(found, file, now)
    return found


def load(file: Path) -> Devices:
    """Returns the last probe even if the machine has changed; empty if `file` is missing or damaged."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=_StoredProbe).devices
    return Devices(())


def save(found: Devices, file: Path, now: str | None = None) -> None:
    """Stores a probe, if possible."""
    write_atomic(file, msgspec.json.encode(_StoredProbe(now or machine_state(), found)))


def machine_state() -> str:
    """Returns a digest of what a probe depends on (interpreter, packages, driver, variables), without loading
    any of it."""
    packages = sorted(
        f"{name} {one.version}"
        for one in importlib.metadata.distributions()
        if (name := (one.name or "").lower()).startswith(_PARTS)
    )
    parts = [sys.executable, platform.platform(), *packages, *_stamps(), *map(_variable, _VARIABLES)]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def _stamps() -> list[str]:
    """Returns modification times or contents of the driver's files, which differ between drivers."""
    system = Path(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", library_of("win32"))
    stamps = []
    for path in (*map(Path, _DRIVERS), system):
        with contextlib.suppress(OSError):
            # Files in /proc have no modification time.
            stamps.append(path.read_text() if path.parts[1:2] == ("proc",) else str(path.stat().st_mtime_ns))
    return stamps


def _variable(name: str) -> str:
    return f"{name}={os.environ.get(name, '')}"


CPU = choose(Devices((Report("cpu", True, ""),)), Wish(("cpu",)))
"""The choice that always works."""

CACHE = "POPBRIDGE_CACHE"
"""Environment variable with the folder for compiled engines and trials."""


def device_choice(environment: Mapping[str, str]) -> Choice:
    """Returns the provider for a process with this environment, after a probe.

    Raises DeviceGone for a GPU that doesn't work, as the CPU has its own workers.
    """
    wanted = environment.get(WANTED, "")
    if wanted in ("", "cpu"):
        return CPU
    found = choose(current_devices(), Wish((wanted,)))
    if found.name != wanted:
        raise DeviceGone("; ".join(found.skipped))
    return found


@functools.cache
def current_choice() -> Choice:
    """Returns the provider of this process."""
    return device_choice(os.environ)


@functools.cache
def current_devices() -> Devices:
    """Returns this machine's probe, made once per process."""
    return try_providers()


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the folder for compiled engines, if there is one."""
    found = environment.get(CACHE, "")
    return Path(found) if found else None


def for_model(wish: Wish) -> Choice:
    """Returns this process's choice for a model, whose order of providers is ignored.

    Raises DeviceGone if this process's device can't run the model.
    """
    name = current_choice().name
    return CPU if name == "cpu" else for_provider(name, wish)


def for_provider(name: str, wish: Wish) -> Choice:
    """Returns the choice of one provider for a model. Raises DeviceGone with the reason."""
    wanted = msgspec.structs.replace(wish, order=(name,))
    found = choose(current_devices(), wanted)
    if found.name != name:
        raise DeviceGone("; ".join(found.skipped))
    # Without a folder, engines are compiled every time.
    with contextlib.suppress(OSError):
        return choose(current_devices(), wanted, cache_folder())
    return found
