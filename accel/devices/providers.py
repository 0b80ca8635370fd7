"""ONNX Runtime providers: options, choice, compiled-engine folder."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from accel.devices.driver import Gpu, library_of
from accel.devices.report import DeviceGone, Devices
from accel.text import text
from accel.workload import WorkloadError

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


def make_folder(folder: Path) -> None:
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


ORDER = tuple(provider.name for provider in PROVIDERS)
"""From the fastest to the one that is always there."""


class Wish(Struct, frozen=True):
    """What a model wants to run on."""

    order: tuple[str, ...] = ORDER
    """Providers by name, the preferred first; others aren't used, the CPU always is in the end."""
    fixed_shapes: bool = True
    """Whether its inputs have few shapes: where not, providers that compile each one are passed over."""
    digest: str = ""
    """The model file's SHA-256, hexadecimal; without it nothing that is compiled is kept."""
    shapes: Shapes = ()
    """As `Opening.shapes`."""
    graph: bool = False
    """As `Opening.graph`."""
    precision: Precision = "tf32"


class Choice(Struct, frozen=True):
    """The provider of one model."""

    name: str
    """For example `cuda`."""
    providers: tuple[tuple[str, Values], ...]
    """What `onnxruntime.InferenceSession` is given as `providers`: the chosen one, and what takes the
    operators that it hasn't."""
    passed_over: tuple[str, ...]
    """Why not those that were preferred to it, for people."""


def choose(devices: Devices, wish: Wish, cache: Path | None = None, gpu: int = 0) -> Choice:
    """The first provider of a wish that works here.

    What is compiled is kept in `cache`, apart for each model, shapes, GPU and versions; the folder is made.
    Raises OSError where it can't be.
    """
    passed_over = []
    for name in dict.fromkeys((*wish.order, "cpu")):
        report = devices.report(name)
        if not report.usable and name != "cpu":
            passed_over.append(f"{BY_NAME[name].title}: {report.reason}")
        elif BY_NAME[name].compiles_shapes and not (wish.fixed_shapes or wish.shapes):
            passed_over.append(f"{BY_NAME[name].title}: compiles each of the model's many shapes")
        elif name == "tensorrt" and wish.precision == "float32":
            # It multiplies by TF32 wherever it likes, and onnxruntime has no option against that.
            passed_over.append(f"{BY_NAME[name].title}: multiplies less precisely than the model bears")
        else:
            break
    # A helper that captured its part as well would do so within the graph of the chosen one.
    helping = msgspec.structs.replace(wish, graph=False)
    used = [(name, wish), *((one, helping) for one in _helpers(name, devices))]
    given = tuple((BY_NAME[one].runtime_name, _values(one, devices, for_, cache, gpu)) for one, for_ in used)
    return Choice(name, given, tuple(passed_over))


def _helpers(name: str, devices: Devices) -> Sequence[str]:
    if name == "cpu":
        return ()
    return ("cuda", "cpu") if name == "tensorrt" and devices.report("cuda").usable else ("cpu",)


def _values(name: str, devices: Devices, wish: Wish, cache: Path | None, gpu: int) -> Values:
    provider = BY_NAME[name]
    folder = folder_of(provider, devices, wish, cache, gpu)
    if folder is not None:
        make_folder(folder)
    opening = Opening(str(folder or ""), gpu, wish.shapes, wish.graph, wish.precision)
    return values(provider.options(opening))


def folder_of(
    provider: Provider, devices: Devices, wish: Wish, cache: Path | None, gpu: int = 0
) -> Path | None:
    """Where a provider keeps what it compiles for a wish; None for nowhere. It need not exist."""
    if cache is None or not wish.digest or not provider.keeps:
        return None
    known = devices.gpus[gpu] if provider.nvidia and gpu < len(devices.gpus) else None
    return compiled_folder(
        cache, wish.digest, provider.name, known, devices.runtime, devices.driver,
        library=library_version(provider.library), shapes=wish.shapes, precision=wish.precision,
    )  # fmt: skip


def runtime() -> Any:
    """The module. Raises WorkloadError where it is missing or can't be loaded, as on a Windows without Visual
    C++'s runtime."""
    try:
        return importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        said = " ".join(str(error).split())[:160]
        reason = text("onnxruntime can't be loaded ({said}): `popbridge devices` says what to do", said=said)
        raise WorkloadError("internal", reason) from None


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
