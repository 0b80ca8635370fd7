"""Machines that this one isn't: what their child processes would say."""

import msgspec

from accel.devices.driver import Driver, Gpu
from accel.devices.provider_probe import Failure, ProbeReply, Runtime, Session

H100 = Gpu("NVIDIA H100", 81559, "9.0")
DRIVER = Driver("libcuda.so.1", True, 13010, (H100,))
GPU_PACKAGE = Runtime(
    "1.31.1", "onnxruntime-gpu", {"onnxruntime-gpu": "1.31.1"},
    ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"), "13.0",
)  # fmt: skip
CPU_SESSION = Session(("CPUExecutionProvider",), True)

NO_CUBLAS = (
    "\x1b[1;31m2026-11-25 14:31:18.641 [E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] "
    "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& "
    "onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library "
    "/venv/onnxruntime/capi/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open "
    "shared object file: No such file or directory\n\x1b[m"
)
NO_TENSORRT = (
    "Failed to load library /venv/libonnxruntime_providers_tensorrt.so with error: libnvinfer.so.10: cannot "
    "open shared object file: No such file or directory"
)
ON_WINDOWS = (
    'onnxruntime::ProviderLibrary::Get [ONNXRuntimeError] : 1 : FAIL : LoadLibrary failed with error 126 "" '
    'when trying to load "C:\\venv\\onnxruntime\\capi\\onnxruntime_providers_cuda.dll"'
)


def session(*names):
    return Session((*names, "CPUExecutionProvider"), True)


def machine(driver=DRIVER, runtime=GPU_PACKAGE, log="", **sessions):
    """Answers as children of such a machine would; `log` goes with every session."""
    asked = []

    def ask(question):
        asked.append(question)
        found = {"driver": driver, "runtime": runtime, "cpu": CPU_SESSION, **sessions}[question]
        if isinstance(found, Failure):
            return found
        return ProbeReply(msgspec.Raw(msgspec.json.encode(found)), log if question in sessions else "")

    ask.asked = asked
    return ask
