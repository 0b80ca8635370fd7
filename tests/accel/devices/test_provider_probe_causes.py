import pytest

from accel.devices import provider_probe
from accel.devices.driver import Driver
from accel.devices.provider_probe import Failure
from accel.devices.providers import BY_NAME
from tests.accel.devices import fakes
from tests.accel.devices.fakes import DRIVER, GPU_PACKAGE

SILENT = "wasn't used: onnxruntime fell back to another device"


def cause(name, log, reason=SILENT):
    return provider_probe.failure_cause(BY_NAME[name], GPU_PACKAGE, Failure(reason, log))


GPU_EXTRA, TENSORRT = "pip install popbridge[gpu]", "pip install tensorrt-cu13"
NO_CUBLAS = "CUDA's libraries are missing (libcublasLt.so.13)"
OLD = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"
NO_KERNEL = "CUDA error 209: no kernel image is available for execution on the device"
NO_OPENVINO = "libopenvino.so.2025: cannot open shared object file"


@pytest.mark.parametrize(
    ("name", "log", "reason", "remedy"),
    [
        ("cuda", fakes.NO_CUBLAS, NO_CUBLAS, GPU_EXTRA),
        ("cuda", fakes.ON_WINDOWS, "CUDA's libraries are missing", GPU_EXTRA),
        ("tensorrt", fakes.NO_CUBLAS, NO_CUBLAS, GPU_EXTRA),
        ("tensorrt", fakes.NO_TENSORRT, "TensorRT's libraries are missing (libnvinfer.so.10)", TENSORRT),
        ("tensorrt", "Please install TensorRT libraries as", "TensorRT's libraries are missing", TENSORRT),
        (
            "tensorrt",
            fakes.ON_WINDOWS,
            "CUDA's or TensorRT's libraries are missing",
            "pip install popbridge[gpu] tensorrt-cu13",
        ),
        ("cuda", OLD, "NVIDIA's driver is too old", "Update NVIDIA's driver to 580 or newer."),
        ("cuda", NO_KERNEL, "onnxruntime 1.31.1 no longer supports this GPU", ""),
        (
            "cuda",
            "out of memory",
            "the GPU's memory is full",
            "Close other programs that use the GPU, then run this again.",
        ),
        ("openvino", NO_OPENVINO, "libraries are missing (libopenvino.so.2025)", ""),
        ("cuda", "", f"it {SILENT}", ""),
    ],
)
def test_what_onnxruntime_logs_becomes_a_reason_and_a_remedy(name, log, reason, remedy):
    assert cause(name, log) == (reason, remedy)


def test_a_log_that_says_nothing_known_is_quoted_without_its_noise():
    noise = "\x1b[0;93m2026-11-25 14:31:18.6 [E:onnxruntime:Default, x.cc:1 f] /onnxruntime_src/x.cc:3"
    log = f"{noise} odd thing\x1b[m\nb"
    assert cause("cuda", log)[0] == f"it {SILENT}: odd thing"


def test_a_driver_that_doesn_t_start_or_sees_nothing_says_so():
    assert provider_probe.driver_cause(Driver("libcuda.so.1", True, 12000, error=999)) == (
        "NVIDIA's driver doesn't start (error 999)", provider_probe.UPDATE_DRIVER,
    )  # fmt: skip
    reason, remedy = provider_probe.driver_cause(Driver("libcuda.so.1", True, 12000))
    assert reason == "NVIDIA's driver sees no GPU" and "CUDA_VISIBLE_DEVICES" in remedy
    assert provider_probe.driver_cause(DRIVER) is None


def test_a_cuda_of_which_no_driver_is_known_still_asks_for_a_newer_one():
    runtime = GPU_PACKAGE.__class__("9", "onnxruntime-gpu", {}, (), "99.0")
    assert provider_probe.version_cause(DRIVER, runtime)[1] == "Update NVIDIA's driver."
