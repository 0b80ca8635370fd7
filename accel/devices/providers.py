"""ONNX Runtime providers: options, the choice for a model, and folders of compiled engines."""

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
"""Sizes of a model's inputs, by name."""

Precision = Literal["float32", "tf32", "float16"]
"""The least precise multiplication that a model tolerates, with 23, 10 and 10 bits of mantissa; float16 also
has a small exponent."""


class Opening(Struct, frozen=True):
    """Options for opening a model."""

    folder: str = ""
    """Folder for compiled engines; empty for none."""
    gpu: int = 0
    """Index of the GPU in the driver's order."""
    shapes: Shapes = ()
    """The only shapes that it will run with; empty for any."""
    graph: bool = False
    """Whether the first run captures a CUDA graph that later runs replay, for one set of shapes in fixed
    buffers."""
    precision: Precision = "tf32"


class Cuda(Struct, frozen=True):
    """Options of the CUDA provider, by onnxruntime's names."""

    device_id: int = 0
    cudnn_conv_algo_search: str = "HEURISTIC"
    """The default, EXHAUSTIVE, measures every algorithm for each new shape, at half a second each."""
    arena_extend_strategy: str = "kSameAsRequested"
    """The default doubles the arena each time and leaves no memory for an editor on the same GPU."""
    enable_cuda_graph: bool = False
    """If enabled, opening fails for models with control flow or a node without a CUDA kernel."""
    use_tf32: bool = True
    """onnxruntime's default: products have 10 bits of mantissa."""


class Tensorrt(Struct, frozen=True):
    """Options of the TensorRT provider."""

    device_id: int = 0
    trt_engine_cache_enable: bool = True
    """Building an engine can take minutes."""
    trt_engine_cache_path: str = ""
    trt_timing_cache_enable: bool = True
    trt_timing_cache_path: str = ""
    trt_fp16_enable: bool = False
    """Half floats change results, so each model decides."""
    trt_profile_min_shapes: str = ""
    trt_profile_opt_shapes: str = ""
    trt_profile_max_shapes: str = ""
    """Set all three or none. Without them, an engine is rebuilt for each new shape."""
    trt_cuda_graph_enable: bool = False
    trt_auxiliary_streams: int = -1
    """-1 lets TensorRT choose; 0 uses one stream and the least memory."""


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
    """The CPU provider needs no options."""


Options = Cuda | Tensorrt | DirectMl | CoreMl | OpenVino | Cpu

Values = dict[str, str]
"""Options as onnxruntime takes them."""


class Provider(Struct, frozen=True):
    name: str
    """For example `cuda`."""
    title: str
    """For people, for example `CUDA`."""
    runtime_name: str
    """Name in onnxruntime, for example `CUDAExecutionProvider`."""
    platforms: tuple[str, ...]
    """Supported platforms, as `sys.platform`; empty for all."""
    package: str
    """The onnxruntime distribution that contains it; empty for all."""
    options: Callable[[Opening], Options]
    nvidia: bool = False
    """Whether it needs NVIDIA's driver."""
    compiles_shapes: bool = False
    """Whether each new input shape takes seconds to minutes to compile."""
    caches: bool = False
    """Whether it can store compiled engines in a folder."""
    place: str = "cpu"
    """onnxruntime's name of the device whose buffers it uses without copying."""
    library: str = ""
    """Name prefix of the distributions with its compiler; empty if onnxruntime contains it."""


WINDOWS, LINUX, MACOS = "win32", "linux", "darwin"


def _cuda(asked: Opening) -> Cuda:
    return Cuda(asked.gpu, enable_cuda_graph=asked.graph, use_tf32=asked.precision != "float32")


def _tensorrt(asked: Opening) -> Tensorrt:
    caches, shapes = bool(asked.folder), profile(asked.shapes)
    return Tensorrt(
        asked.gpu, caches, asked.folder, caches, asked.folder, asked.precision == "float16",
        shapes, shapes, shapes, asked.graph, 0 if asked.graph else -1,
    )  # fmt: skip


PROVIDERS = (
    Provider(
        "tensorrt", "TensorRT", "TensorrtExecutionProvider", (WINDOWS, LINUX), "onnxruntime-gpu", _tensorrt,
        nvidia=True, compiles_shapes=True, caches=True, place="cuda", library="tensorrt",
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
        lambda asked: CoreMl(ModelCacheDirectory=asked.folder), caches=True,
    ),
    Provider(
        "openvino", "OpenVINO", "OpenVINOExecutionProvider", (WINDOWS, LINUX), "onnxruntime-openvino",
        lambda asked: OpenVino(cache_dir=asked.folder), compiles_shapes=True, caches=True, library="openvino",
    ),
    Provider("cpu", "CPU", "CPUExecutionProvider", (), "", lambda asked: Cpu()),
)  # fmt: skip
"""All providers, in order of preference."""

BY_NAME = {provider.name: provider for provider in PROVIDERS}


def values(options: Options) -> Values:
    """Returns options as onnxruntime takes them: strings, with `1` and `0` for booleans, omitting empty
    ones."""
    found = msgspec.to_builtins(options)
    texts = {
        name: str(int(value)) if isinstance(value, bool) else str(value) for name, value in found.items()
    }
    return {name: text for name, text in texts.items() if text}


def profile(shapes: Shapes) -> str:
    """Returns shapes in TensorRT's format, for example `ids:8x32,mask:8x32`."""
    return ",".join(f"{name}:{'x'.join(map(str, sizes))}" for name, sizes in shapes)


MAX_FOLDERS = 8
"""Maximum number of folders per model. The least recently used, such as an old driver's, is deleted."""


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
    """Returns the folder for the engines of one model with these shapes, precision, GPU and versions.

    `digest` is the model file's SHA-256 in hexadecimal, `runtime` onnxruntime's version, `driver` is as in
    `Driver.version`, and `library` is the result of `library_version`.
    """
    # Keep it short: TensorRT's file names are long, and Windows limits paths to 260 characters.
    machine = f"{gpu.name[-20:]}-{gpu.capability}" if gpu else "any"
    facts = (gpu.name if gpu else "", runtime, str(driver), library, profile(shapes), precision)
    rest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    shown = re.sub(r"[^A-Za-z0-9.]+", "-", machine).strip("-")
    return cache / "compiled" / digest[:16] / f"{provider}_{shown}_{rest}"


def make_folder(folder: Path) -> None:
    """Creates the folder, marks it as used and deletes the model's least recently used ones.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    others = [one for one in folder.parent.iterdir() if one != folder]
    with contextlib.suppress(OSError):  # another process may delete them too
        for one in sorted(others, key=lambda one: one.stat().st_mtime)[
            : max(0, len(others) - MAX_FOLDERS + 1)
        ]:
            shutil.rmtree(one, ignore_errors=True)


@functools.cache
def library_version(library: str) -> str:
    """Returns the names and versions of installed distributions with this prefix."""
    if not library:
        return ""
    found = importlib.metadata.distributions()
    names = ((one.name or "").lower().replace("_", "-") for one in found)
    return " ".join(sorted({f"{name} {importlib.metadata.version(name)}" for name in names
                            if name.startswith(library)}))  # fmt: skip


ORDER = tuple(provider.name for provider in PROVIDERS)
"""Provider names, from the fastest to the CPU."""


class Wish(Struct, frozen=True):
    """How a model should run."""

    order: tuple[str, ...] = ORDER
    """Provider names in order of preference; the CPU always comes last."""
    fixed_shapes: bool = True
    """Whether its inputs have few shapes. If not, providers that compile each shape are skipped."""
    digest: str = ""
    """SHA-256 of the model file in hexadecimal; without it, no engines are stored."""
    shapes: Shapes = ()
    """As in `Opening.shapes`."""
    graph: bool = False
    """As in `Opening.graph`."""
    precision: Precision = "tf32"


class Choice(Struct, frozen=True):
    """The provider chosen for a model."""

    name: str
    """For example `cuda`."""
    providers: tuple[tuple[str, Values], ...]
    """The argument `providers` of `onnxruntime.InferenceSession`: the chosen provider, then those for
    operators that it lacks."""
    skipped: tuple[str, ...]
    """Why preferred providers were skipped, for people."""


def choose(devices: Devices, wish: Wish, cache: Path | None = None, gpu: int = 0) -> Choice:
    """Returns the first provider of a wish that works on this machine.

    Compiled engines are stored in a folder of `cache`, which is created. Raises OSError.
    """
    skipped = []
    for name in dict.fromkeys((*wish.order, "cpu")):
        report = devices.report(name)
        if not report.usable and name != "cpu":
            skipped.append(f"{BY_NAME[name].title}: {report.reason}")
        elif BY_NAME[name].compiles_shapes and not (wish.fixed_shapes or wish.shapes):
            skipped.append(f"{BY_NAME[name].title}: compiles each of the model's many shapes")
        elif name == "tensorrt" and wish.precision == "float32":
            # TensorRT may use TF32 anywhere, and onnxruntime has no option to prevent it.
            skipped.append(f"{BY_NAME[name].title}: multiplies less precisely than the model tolerates")
        else:
            break
    # A second provider must not capture a graph inside the first one's.
    helping = msgspec.structs.replace(wish, graph=False)
    used = [(name, wish), *((one, helping) for one in _helpers(name, devices))]
    arguments = tuple(
        (BY_NAME[one].runtime_name, _values(one, devices, for_, cache, gpu)) for one, for_ in used
    )
    return Choice(name, arguments, tuple(skipped))


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
    """Returns the folder for a provider's compiled engines, which need not exist, or None."""
    if cache is None or not wish.digest or not provider.caches:
        return None
    known = devices.gpus[gpu] if provider.nvidia and gpu < len(devices.gpus) else None
    return compiled_folder(
        cache, wish.digest, provider.name, known, devices.runtime, devices.driver,
        library=library_version(provider.library), shapes=wish.shapes, precision=wish.precision,
    )  # fmt: skip


def runtime() -> Any:
    """Returns the onnxruntime module.

    Raises WorkloadError if it can't be loaded, for example on Windows without the Visual C++ runtime.
    """
    try:
        return importlib.import_module("onnxruntime")
    except (ImportError, OSError) as error:
        said = " ".join(str(error).split())[:160]
        reason = text("onnxruntime can't be loaded ({said}): `popbridge devices` says what to do", said=said)
        raise WorkloadError("internal", reason) from None


def load_libraries(provider: str) -> None:
    """Loads NVIDIA's libraries from pip packages, if installed.

    Otherwise onnxruntime finds only those on the system's path and silently runs on the CPU.
    """
    if provider not in ("cuda", "tensorrt"):
        return
    with contextlib.suppress(OSError):
        ctypes.CDLL(library_of(sys.platform))
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        # It prints which libraries are missing.
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            onnxruntime.preload_dlls()
    if provider == "tensorrt":
        # This module of TensorRT's wheels loads the libraries.
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("tensorrt_libs")


def check_provider(session: Any, choice: Choice) -> None:
    """Raises DeviceGone if a session doesn't run on the chosen provider.

    onnxruntime silently falls back to the CPU.
    """
    wanted = choice.providers[0][0]
    if session.get_providers()[0] != wanted:
        raise DeviceGone(f"onnxruntime doesn't run on {wanted}")


def configure(options: Any, provider: str) -> None:
    """Configures an `onnxruntime.SessionOptions` for a provider."""
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == "directml":
        # DirectML supports neither memory patterns nor parallel execution.
        options.enable_mem_pattern = False
