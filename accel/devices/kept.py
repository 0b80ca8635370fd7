"""What was found out about this machine, kept in a file for as long as nothing that it hangs on changes."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.devices.driver import library_of
from accel.devices.probing import try_providers
from accel.devices.report import Devices
from accel.replacing import replaced

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
    now = state()
    with contextlib.suppress(OSError, ValueError):
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
        if kept.state == now:
            return kept.devices
    found = try_providers()
    keep(found, file, now)
    return found


def known(file: Path) -> Devices:
    """What was found last, however the machine is now; nothing where nobody can read `file`."""
    with contextlib.suppress(OSError, ValueError):
        return msgspec.json.decode(file.read_bytes(), type=_Kept).devices
    return Devices(())


def keep(found: Devices, file: Path, now: str | None = None) -> None:
    """Writes what was found; if that can't be done, it is found out again next time."""
    replaced(file, msgspec.json.encode(_Kept(now or state(), found)))


def state() -> str:
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
