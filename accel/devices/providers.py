"""onnxruntime's execution providers that are used here, and what each is opened with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
"""Sizes of a model's inputs, by their names."""

Precision = Literal["float32", "tf32", "float16"]
"""The least precise products that a model bears: with 23, 10 and 10 bits of mantissa, the last with few of an
exponent, too."""


class Opening(Struct, frozen=True):
    """What a model is opened for."""

    folder: str = ""
    """Where what is compiled of it is kept; empty for nowhere."""
    gpu: int = 0
    """By the driver's order."""
    shapes: Shapes = ()
    """The only ones that it will be run with; none where any may come."""
    graph: bool = False
    """Whether its kernels are captured into a CUDA graph at the first run, and replayed by all others: only
    for one set of shapes, in buffers that stay."""
    precision: Precision = "tf32"


class Cuda(Struct, frozen=True):
    """Options of the CUDA provider, by onnxruntime's names."""

    device_id: int = 0
    cudnn_conv_algo_search: str = "HEURISTIC"
    """EXHAUSTIVE, the default, measures every algorithm for every new shape: half a second each."""
    arena_extend_strategy: str = "kSameAsRequested"
    """The default doubles the arena each time, until nothing is left for an editor that draws on this GPU."""
    enable_cuda_graph: bool = False
    """Refused at opening for a model with control flow, or with a node that CUDA has no kernel for."""
    use_tf32: bool = True
    """As onnxruntime's default: 10 bits of mantissa in products."""


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
    trt_profile_min_shapes: str = ""
    trt_profile_opt_shapes: str = ""
    trt_profile_max_shapes: str = ""
    """All three or none: an engine for shapes that aren't named is built anew whenever others come."""
    trt_cuda_graph_enable: bool = False
    trt_auxiliary_streams: int = -1
    """-1 leaves it to TensorRT; 0 keeps everything on one stream, and takes the least memory."""


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
    options: Callable[[Opening], Options]
    nvidia: bool = False
    """Whether it needs NVIDIA's driver."""
    compiles_shapes: bool = False
    """Whether each new shape of an input costs seconds to minutes."""
    keeps: bool = False
    """Whether it keeps what it compiles, if it is told where."""
    place: str = "cpu"
    """Where buffers may lie that it reads and writes without a copy, by onnxruntime's names of devices."""
    library: str = ""
    """What the names of the distributions begin with that bring its compiler; empty where onnxruntime has
    it."""


WINDOWS, LINUX, MACOS = "win32", "linux", "darwin"


def _cuda(asked: Opening) -> Cuda:
    return Cuda(asked.gpu, enable_cuda_graph=asked.graph, use_tf32=asked.precision != "float32")


def _tensorrt(asked: Opening) -> Tensorrt:
    keeps, shapes = bool(asked.folder), profile(asked.shapes)
    return Tensorrt(
        asked.gpu, keeps, asked.folder, keeps, asked.folder, asked.precision == "float16",
        shapes, shapes, shapes, asked.graph, 0 if asked.graph else -1,
    )  # fmt: skip


PROVIDERS = (
    Provider(
        "tensorrt", "TensorRT", "TensorrtExecutionProvider", (WINDOWS, LINUX), "onnxruntime-gpu", _tensorrt,
        nvidia=True, compiles_shapes=True, keeps=True, place="cuda", library="tensorrt",
    ),
    Provider(
        "cuda", "CUDA", "CUDAExecutionProvider", (WINDOWS, LINUX), "onnxruntime-gpu", _cuda,
        nvidia=True, place="cuda",
    ),
    Provider(
        "directml", "DirectML", "DmlExecutionProvider", (WINDOWS,), "onnxruntime-directml",
        lambda asked: DirectMl(asked.gpu),
    ),
    Provider(
        "coreml", "CoreML", "CoreMLExecutionProvider", (MACOS,), "onnxruntime",
        lambda asked: CoreMl(ModelCacheDirectory=asked.folder), keeps=True,
    ),
    Provider(
        "openvino", "OpenVINO", "OpenVINOExecutionProvider", (WINDOWS, LINUX), "onnxruntime-openvino",
        lambda asked: OpenVino(cache_dir=asked.folder), compiles_shapes=True, keeps=True, library="openvino",
    ),
    Provider("cpu", "CPU", "CPUExecutionProvider", (), "", lambda asked: Cpu()),
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


def profile(shapes: Shapes) -> str:
    """Shapes as TensorRT takes them, for example `ids:8x32,mask:8x32`; empty for none."""
    return ",".join(f"{name}:{'x'.join(map(str, sizes))}" for name, sizes in shapes)
