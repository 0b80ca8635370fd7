"""What must be loaded before onnxruntime opens a session on a provider, and how the session must be set."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import sys
from typing import Any

from accel.devices.choice import Choice
from accel.devices.driver import library_of
from accel.devices.faults import DeviceGone


def load_libraries(provider: str) -> None:
    """Loads NVIDIA's libraries from where pip puts them; what isn't there is passed over.

    Without it onnxruntime finds only those on the system's path, and says so by running on the CPU.
    """
    if provider not in ("cuda", "tensorrt"):
        return
    with contextlib.suppress(OSError):
        ctypes.CDLL(library_of(sys.platform))
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        # It prints what it doesn't find.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            onnxruntime.preload_dlls()
    if provider == "tensorrt":
        # The wheels' own module loads them, wherever it lies.
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("tensorrt_libs")


def check_provider(session: Any, choice: Choice) -> None:
    """Raises DeviceGone where a session doesn't run on what was chosen.

    onnxruntime falls back to the CPU without a word, and would be taken for a slow GPU.
    """
    wanted = choice.providers[0][0]
    if session.get_providers()[0] != wanted:
        raise DeviceGone(f"onnxruntime doesn't run on {wanted}")


def configure(options: Any, provider: str) -> None:
    """Sets an `onnxruntime.SessionOptions` as a provider needs it."""
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == "directml":
        # Its documentation: neither memory patterns nor parallel execution are supported.
        options.enable_mem_pattern = False
