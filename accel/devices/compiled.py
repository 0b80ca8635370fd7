"""Where it is kept what providers compile of models: apart for all that it was compiled for."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import re
import shutil
from pathlib import Path

from accel.devices.driver import Gpu
from accel.devices.providers import Precision, Shapes, profile

KEPT = 8
"""Folders of one model that stay; what was used least recently goes, such as that of an older driver."""


def compiled_folder(
    cache: Path,
    digest: str,
    provider: str,
    gpu: Gpu | None,
    runtime: str,
    driver: int,
    *,
    library: str = "",
    shapes: Shapes = (),
    precision: Precision = "tf32",
) -> Path:
    """It fits that model, shapes, precision, GPU and versions alone.

    `digest` is the model file's SHA-256 in hexadecimal digits, `runtime` onnxruntime's version, `driver` as
    `Driver.version`, `library` what `library_version` says.
    """
    # Short, as what TensorRT puts there has long names, and Windows takes 260 characters in all.
    machine = f"{gpu.name[-20:]}-{gpu.capability}" if gpu else "any"
    facts = (gpu.name if gpu else "", runtime, str(driver), library, profile(shapes), precision)
    rest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    shown = re.sub(r"[^A-Za-z0-9.]+", "-", machine).strip("-")
    return cache / "compiled" / digest[:16] / f"{provider}_{shown}_{rest}"


def made(folder: Path) -> None:
    """Makes the folder, marks it as used, and removes those of the same model that are used no more.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    others = [one for one in folder.parent.iterdir() if one != folder]
    with contextlib.suppress(OSError):  # another process removes them, too
        for one in sorted(others, key=lambda one: one.stat().st_mtime)[: max(0, len(others) - KEPT + 1)]:
            shutil.rmtree(one, ignore_errors=True)


@functools.cache
def library_version(library: str) -> str:
    """The installed distributions whose names begin so, with their versions; empty for none, and for those
    that no package manager of Python's has installed."""
    if not library:
        return ""
    found = importlib.metadata.distributions()
    names = ((one.name or "").lower().replace("_", "-") for one in found)
    return " ".join(sorted({f"{name} {importlib.metadata.version(name)}" for name in names
                            if name.startswith(library)}))  # fmt: skip
