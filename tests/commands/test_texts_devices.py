"""What is said of devices and of what they need, in Chinese alone; what libraries say stays as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accel.devices import causes, probing
from accel.devices.asking import Failure
from accel.devices.driver import Driver, Gpu
from accel.devices.providers import BY_NAME, PROVIDERS
from accel.devices.trial import Runtime
from bridge.commands.texts import (
    devices,
)
from tests.commands.test_texts import SYSTEMS, english

CUDA, TENSORRT = BY_NAME["cuda"], BY_NAME["tensorrt"]
PLAIN = Runtime("1.31.1", "onnxruntime", {"onnxruntime": "1.31.1"}, ("CPUExecutionProvider",), "")


GPU = Runtime(
    "1.31.1", "onnxruntime-gpu", {"onnxruntime-gpu": "1.31.1", "onnxruntime": "1.31.1"},
    tuple(provider.runtime_name for provider in PROVIDERS), "13.0",
)  # fmt: skip


OVERWRITTEN = Runtime("1.31.1", "onnxruntime", GPU.distributions, ("CPUExecutionProvider",), "")


LATE = Failure("gave no answer within 60 s")


DLL = Failure("failed (ImportError: DLL load failed while importing onnxruntime_pybind11_state)")


def found_out() -> Iterator[causes.Cause]:
    """Every cause that accel knows."""
    for provider in PROVIDERS:
        for runtime in (PLAIN, OVERWRITTEN, DLL, LATE, Failure("crashed (-9)")):
            yield causes.of_runtime(provider, runtime) or ("", "")
    no_process = Failure("couldn't be asked, as no process can be started (no)")
    for driver in (no_process, Driver("libcuda.so.1"), Driver("x", True, error=3), Driver("x", True)):
        yield causes.of_driver(driver) or ("", "")
    yield causes.of_versions(Driver("x", True, 12040, (Gpu("H100"),)), GPU) or ("", "")
    for provider in (CUDA, TENSORRT, BY_NAME["openvino"]):
        for log in (
            "driver version is insufficient", "no kernel image is available", "out of memory", "Some detail",
            "libcudnn.so.9: cannot open shared object", "LoadLibrary failed with error 126",
            "install TensorRT libraries", "libnvinfer.so.10: cannot open shared object",
        ):  # fmt: skip
            yield causes.of_failure(provider, GPU, Failure("isn't what onnxruntime runs models on", log))


def test_why_a_provider_does_not_work_and_what_to_do_is_told_in_chinese_alone() -> None:
    for said in {each for cause in found_out() for each in cause} | set(causes.warnings(GPU)):
        assert not english(devices.PHRASES.in_chinese(said)), said


@pytest.mark.parametrize("platform", ["win32", "linux", "darwin"])
def test_what_is_found_on_each_system_is_told_in_chinese_alone(platform: str) -> None:
    def ask(question: str) -> Failure:
        return Failure("crashed (SIGSEGV)")

    for report in probing.try_providers(ask, platform).reports:
        assert not english(devices.PHRASES.in_chinese(report.reason))


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("an unnamed GPU, by onnxruntime 1.31.1", "未命名的 GPU，由 onnxruntime 1.31.1 驱动"),
        ("computes wrongly", "计算结果有误"),
        (
            "CUDA graph gives other results; TensorRT isn't faster (2 ms, plainly 1 ms)",
            "CUDA graph 的结果不一致；TensorRT 并不更快（2 毫秒，普通方式 1 毫秒）",
        ),
    ],
)
def test_how_a_device_is_used_is_told_in_chinese(said: str, chinese: str) -> None:
    assert devices.PHRASES.in_chinese(said) == chinese


@pytest.mark.parametrize("said", [*SYSTEMS, "cut off (within; brackets"])
def test_what_a_library_says_of_a_device_stays_as_it_is(said: str) -> None:
    told = devices.PHRASES.in_chinese
    assert told(f"CUDA graph fails ({said})") == f"CUDA graph 失败（{said}）"
    assert told(f"TensorRT failed at last ({said})") == f"TensorRT 后来失败（{said}）"
    assert told(f"failed ({said})") == f"失败（{said}）"


@pytest.mark.parametrize("said", SYSTEMS)
def test_what_a_library_says_among_other_sentences_stays_as_it_is(said: str) -> None:
    told = devices.PHRASES.in_chinese
    one, other = f"A fails ({said})", f"B failed at last ({said})"
    assert told(f"{one}; {other}") == f"A 失败（{said}）；B 后来失败（{said}）"
    assert told(f"{other}; {one}") == f"B 后来失败（{said}）；A 失败（{said}）"
    assert told(f"{one}; the GPU's memory is full") == f"A 失败（{said}）；显存已满"
