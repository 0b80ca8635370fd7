"""onnxruntime, imported where it is needed: loading it costs 0.2 s that only those pay who use it."""

from __future__ import annotations

import importlib
from typing import Any

from accel.text import text
from accel.workload import WorkloadError


def runtime() -> Any:
    """The module. Raises WorkloadError where it is missing or can't be loaded, as on a Windows without Visual
    C++'s runtime."""
    try:
        return importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        said = " ".join(str(error).split())[:160]
        reason = text("onnxruntime can't be loaded ({said}): `popbridge devices` says what to do", said=said)
        raise WorkloadError("internal", reason) from None
