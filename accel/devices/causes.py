"""Why a provider doesn't work, and what a person can do about it."""

from __future__ import annotations

import re

from accel.devices.asking import Failure
from accel.devices.driver import Driver
from accel.devices.faults import FULL, MEMORY
from accel.devices.providers import Provider
from accel.devices.trial import Runtime

Cause = tuple[str, str]
"""The reason, and the remedy."""

DRIVERS = {12: "525", 13: "580"}
"""The first driver of each CUDA; NVIDIA's release notes, table "CUDA Toolkit and Minimum Required Driver"."""

INSTALL_GPU = "pip install popbridge[gpu]"
REINSTALL = "pip install --force-reinstall popbridge"
VISUAL_C = "Install Microsoft's Visual C++ Redistributable: https://aka.ms/vs/17/release/vc_redist.x64.exe"
UPDATE_DRIVER = "Update NVIDIA's driver and start the machine anew."
NO_DRIVER = "With an NVIDIA GPU: install its driver. Without one there is nothing to do."

_LIBRARY = re.compile(
    r"(?P<name>lib[\w.+-]+\.so[.\d]*): cannot open shared object|LoadLibrary failed with error 126"
)
_TOO_OLD = re.compile(
    r"driver version is insufficient|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|cudaErrorInsufficientDriver"
)
_NO_KERNEL = re.compile(r"no kernel image is available")
_TENSORRT = re.compile(r"install TensorRT libraries|nvinfer|nvonnxparser")
_NOISE = re.compile(r"\x1b\[[\d;]*m|\[E:onnxruntime:[^\]]*\]|\d{4}-\d\d-\d\d [\d:.]+|/onnxruntime_src/\S+")


def of_runtime(provider: Provider, runtime: Runtime | Failure) -> Cause | None:
    """What speaks against a provider in the onnxruntime that is installed."""
    if isinstance(runtime, Failure):
        return f"onnxruntime {runtime.reason}", VISUAL_C if "DLL load failed" in runtime.reason else REINSTALL
    if provider.runtime_name in runtime.providers:
        return None
    if provider.package in runtime.distributions and provider.package != runtime.package:
        return f"{runtime.package} has overwritten {provider.package}", _repair(provider.package)
    reason = f"not in {runtime.package} {runtime.version}, which is installed"
    if provider.name == "openvino":
        return reason, _instead(runtime, provider.package, "To use OpenVINO instead of CUDA")
    if provider.name == "directml":
        return reason, _instead(runtime, provider.package, "With a GPU of AMD or Intel")
    return reason, _instead(runtime, provider.package, f"For {provider.title}")


def _instead(runtime: Runtime, package: str, when: str) -> str:
    return f"{when}: pip uninstall {' '.join(runtime.distributions)}, then pip install {package}"


def _repair(package: str) -> str:
    return f"pip install --force-reinstall --no-deps {package}"


def warnings(runtime: Runtime) -> tuple[str, ...]:
    """Distributions that have overwritten each other's files: pip itself is content with them."""
    names = list(runtime.distributions)
    if len(names) < 2:
        return ()
    special = [name for name in names if name != "onnxruntime"]
    wanted = runtime.package if runtime.package in special else special[0]
    others = " ".join(name for name in names if name != wanted)
    return (
        f"{len(names)} packages have the module onnxruntime ({', '.join(names)}) and overwrite each other; "
        f"now it is that of {runtime.package}. To repair it: pip uninstall {others}, then {_repair(wanted)}",
    )


def of_driver(driver: Driver | Failure) -> Cause | None:
    """What speaks against NVIDIA's providers in the driver."""
    if isinstance(driver, Failure):
        return f"NVIDIA's driver {driver.reason}", UPDATE_DRIVER
    if not driver.found:
        return f"no NVIDIA driver found ({driver.library})", NO_DRIVER
    if driver.error:
        return f"NVIDIA's driver doesn't start (error {driver.error})", UPDATE_DRIVER
    if not driver.gpus:
        return "NVIDIA's driver sees no GPU", "Look whether CUDA_VISIBLE_DEVICES hides it."
    return None


def of_versions(driver: Driver | Failure, runtime: Runtime | Failure) -> Cause | None:
    """Whether the driver is older than the CUDA that onnxruntime is built for.

    Drivers run every minor version of their major one (CUDA's minor version compatibility).
    """
    if isinstance(driver, Failure) or isinstance(runtime, Failure) or not driver.version or not runtime.cuda:
        return None
    wanted = int(runtime.cuda.split(".")[0])
    if driver.version // 1000 >= wanted:
        return None
    has = f"{driver.version // 1000}.{driver.version % 1000 // 10}"
    return f"NVIDIA's driver is for CUDA {has}, onnxruntime for CUDA {runtime.cuda}", _newer(wanted)


def _newer(major: int) -> str:
    number = f" to {DRIVERS[major]} or newer" if major in DRIVERS else ""
    return f"Update NVIDIA's driver{number}."


def of_failure(provider: Provider, runtime: Runtime, failure: Failure) -> Cause:
    """What a session that couldn't be had says about the cause, in its words or in those of the log."""
    said = f"{failure.reason}\n{failure.log}"
    major = runtime.cuda.split(".")[0]
    if provider.nvidia and _TOO_OLD.search(said):
        return "NVIDIA's driver is too old", _newer(int(major)) if major else UPDATE_DRIVER
    if provider.nvidia and _NO_KERNEL.search(said):
        return f"onnxruntime {runtime.version} no longer supports this GPU", ""
    if MEMORY.search(said):
        return FULL, "Close what uses the GPU and look again."
    if _LIBRARY.search(said) or _TENSORRT.search(said):
        return _missing(provider, said, major)
    return f"it {failure.reason}{_detail(failure.log)}", ""


def _missing(provider: Provider, said: str, major: str) -> Cause:
    """Libraries that aren't there; Windows doesn't say which."""
    found = _LIBRARY.search(said)
    name = found["name"] if found else None
    which = f" ({name})" if name else ""
    if not provider.nvidia:
        return f"libraries are missing{which}", ""
    tensorrt = f"tensorrt-cu{major or '13'}"
    if provider.name == "tensorrt" and (not found or _TENSORRT.search(found[0])):
        return f"TensorRT's libraries are missing{which}", f"pip install {tensorrt}"
    if provider.name == "tensorrt" and not name:
        return "CUDA's or TensorRT's libraries are missing", f"{INSTALL_GPU} {tensorrt}"
    return f"CUDA's libraries are missing{which}", INSTALL_GPU


def _detail(log: str) -> str:
    """The first line of a log that says something, for people."""
    lines = (" ".join(_NOISE.sub("", line).split()) for line in log.splitlines())
    first = next((line for line in lines if line), "")
    return f": {first[:200]}" if first else ""
