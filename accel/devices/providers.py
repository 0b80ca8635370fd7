"""onnxruntime's execution providers that are used here, and what each is opened with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.devices.driver import Gpu


class Cuda(Struct, frozen=True):
    """Options of the CUDA provider, by onnxruntime's names."""

    device_id: int = 0
    cudnn_conv_algo_search: str = "HEURISTIC"
    """EXHAUSTIVE, the default, measures every algorithm for every new shape: half a second each."""
    arena_extend_strategy: str = "kSameAsRequested"
    """The default doubles the arena each time, until nothing is left for an editor that draws on this GPU."""


class Tensorrt(Struct, frozen=True):
    """Options of the TensorRT provider."""

    device_id: int = 0
    trt_engine_cache_enable: bool = True
    """An engine takes up to minutes to build."""
    trt_engine_cache_path: str = ""
    trt_timing_cache_enable: bool = True
    trt_timing_cache_path: str = ""
    trt_fp16_enable: bool = False
    """Half floats change results, so that it is for each model to say."""


class DirectMl(Struct, frozen=True):
    """Options of the DirectML provider."""

    device_id: int = 0


class CoreMl(Struct, frozen=True):
    """Options of the CoreML provider."""

    ModelFormat: str = "MLProgram"
    MLComputeUnits: str = "ALL"
    ModelCacheDirectory: str = ""


class OpenVino(Struct, frozen=True):
    """Options of the OpenVINO provider."""

    device_type: str = "AUTO"
    """The best device that OpenVINO finds: GPU, NPU or CPU."""
    cache_dir: str = ""


class Cpu(Struct, frozen=True):
    """The CPU provider has no options here."""


Options = Cuda | Tensorrt | DirectMl | CoreMl | OpenVino | Cpu

Values = dict[str, str]
"""Options as onnxruntime takes them."""


class Provider(Struct, frozen=True):
    """One execution provider."""

    name: str
    """For people and settings, for example `cuda`."""
    title: str
    """As it is written, for example `CUDA`."""
    runtime_name: str
    """onnxruntime's, for example `CUDAExecutionProvider`."""
    platforms: tuple[str, ...]
    """Where it can be at all, by `sys.platform`; empty for everywhere."""
    package: str
    """The distribution of onnxruntime that has it; empty for each of them."""
    options: Callable[[str, int], Options]
    """From a folder for what is compiled (empty for none) and the GPU's index."""
    nvidia: bool = False
    """Whether it needs NVIDIA's driver."""
    compiles_shapes: bool = False
    """Whether each new shape of an input costs seconds to minutes."""


WINDOWS, LINUX, MACOS = "win32", "linux", "darwin"

PROVIDERS = (
    Provider(
        "tensorrt", "TensorRT", "TensorrtExecutionProvider", (WINDOWS, LINUX), "onnxruntime-gpu",
        lambda folder, gpu: Tensorrt(gpu, bool(folder), folder, bool(folder), folder),
        nvidia=True, compiles_shapes=True,
    ),
    Provider(
        "cuda", "CUDA", "CUDAExecutionProvider", (WINDOWS, LINUX), "onnxruntime-gpu",
        lambda folder, gpu: Cuda(gpu), nvidia=True,
    ),
    Provider(
        "directml", "DirectML", "DmlExecutionProvider", (WINDOWS,), "onnxruntime-directml",
        lambda folder, gpu: DirectMl(gpu),
    ),
    Provider(
        "coreml", "CoreML", "CoreMLExecutionProvider", (MACOS,), "onnxruntime",
        lambda folder, gpu: CoreMl(ModelCacheDirectory=folder),
    ),
    Provider(
        "openvino", "OpenVINO", "OpenVINOExecutionProvider", (WINDOWS, LINUX), "onnxruntime-openvino",
        lambda folder, gpu: OpenVino(cache_dir=folder), compiles_shapes=True,
    ),
    Provider("cpu", "CPU", "CPUExecutionProvider", (), "", lambda folder, gpu: Cpu()),
)  # fmt: skip
"""In the order in which they are preferred."""

BY_NAME = {provider.name: provider for provider in PROVIDERS}


def values(options: Options) -> Values:
    """Options as onnxruntime takes them: texts, `1` and `0` for yes and no; empty ones are left out."""
    found = msgspec.to_builtins(options)
    texts = {
        name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in found.items()
    }
    return {name: text for name, text in texts.items() if text}


def compiled_folder(
    cache: Path, digest: str, provider: str, gpu: Gpu | None, runtime: str, driver: int
) -> Path:
    """Where what a provider compiles of a model is kept: it fits that model, GPU, runtime and driver alone.

    `digest` is the model file's SHA-256 in hexadecimal digits, `runtime` onnxruntime's version, `driver` as
    `Driver.version`.
    """
    machine = f"{gpu.name}-{gpu.capability}" if gpu else "any"
    parts = [provider, re.sub(r"[^A-Za-z0-9.]+", "-", machine).strip("-"), runtime, str(driver)]
    return cache / "compiled" / digest[:32] / "_".join(parts)
