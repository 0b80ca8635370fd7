"""A compute library: workloads, the workers that run them, without the daemon."""

import os

# onnxruntime 1.31 stores an identifier of the machine, and events for Microsoft's servers, below the user's
# folder. It asks this while it is loaded: its own disable_telemetry_events() comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
