"""A compute library: workloads and the workers that run them. It doesn't depend on the daemon."""

import os

# onnxruntime 1.31 stores a machine identifier, and events for Microsoft's servers, in the user's folder. It
# reads this variable when loaded; its own disable_telemetry_events() comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
