"""Why a provider doesn't work, and what a person can do about it."""

from __future__ import annotations

import re

from accel.devices.asking import Failure
from accel.devices.driver import Driver
from accel.devices.faults import FULL, MEMORY
from accel.devices.providers import Provider
from accel.devices.trial import Runtime
from accel.text import AnyText, Text, text

Cause = tuple[AnyText, AnyText]
"""The reason, and the remedy."""

DRIVERS = {12: "525", 13: "580"}
"""The first driver of each CUDA; NVIDIA's release notes, table "CUDA Toolkit and Minimum Required Driver"."""

INSTALL_GPU = "pip install popbridge[gpu]"
REINSTALL = "pip install --force-reinstall popbridge"
VISUAL_C = text(
    "Install Microsoft's Visual C++ Redistributable: https://aka.ms/vs/17/release/vc_redist.x64.exe"
)
UPDATE_DRIVER = text("Update NVIDIA's driver and start the machine anew.")
NO_DRIVER = text("With an NVIDIA GPU: install its driver. Without one there is nothing to do.")

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
        repair = VISUAL_C if "DLL load failed" in str(runtime.reason) else REINSTALL
        return text("onnxruntime {reason}", reason=runtime.reason), repair
    if provider.runtime_name in runtime.providers:
        return None
    if provider.package in runtime.distributions and provider.package != runtime.package:
        return text(
            "{package} has overwritten {package_2}", package=runtime.package, package_2=provider.package
        ), _repair(provider.package)
    reason = text(
        "not in {package} {version}, which is installed", package=runtime.package, version=runtime.version
    )
    if provider.name == "openvino":
        return reason, _instead(runtime, provider.package, text("To use OpenVINO instead of CUDA: {steps}"))
    if provider.name == "directml":
        return reason, _instead(runtime, provider.package, text("With a GPU of AMD or Intel: {steps}"))
    return reason, _instead(
        runtime, provider.package, text("For {provider}: {steps}", provider=provider.title)
    )


def _instead(runtime: Runtime, package: str, when: Text) -> AnyText:
    installed = " ".join(runtime.distributions)
    return when.fill(steps=_after(f"pip uninstall {installed}", f"pip install {package}"))


def _after(first: str, then: str) -> Text:
    return text("{first}, then {then}", first=first, then=then)


def _repair(package: str) -> str:
    return f"pip install --force-reinstall --no-deps {package}"


def warnings(runtime: Runtime) -> tuple[AnyText, ...]:
    """Distributions that have overwritten each other's files: pip itself is content with them."""
    names = list(runtime.distributions)
    if len(names) < 2:
        return ()
    special = [name for name in names if name != "onnxruntime"]
    wanted = runtime.package if runtime.package in special else special[0]
    others = " ".join(name for name in names if name != wanted)
    return (
        text(
            "{count} packages have the module onnxruntime ({names}) and overwrite each other; "
            "now it is that of {package}. To repair it: pip uninstall {others}, then {repair}",
            count=len(names),
            names=[*names],
            package=runtime.package,
            others=others,
            repair=_repair(wanted),
        ),
    )


def of_driver(driver: Driver | Failure) -> Cause | None:
    """What speaks against NVIDIA's providers in the driver."""
    if isinstance(driver, Failure):
        return f"NVIDIA's driver {driver.reason}", UPDATE_DRIVER
    if not driver.found:
        return text("no NVIDIA driver found ({library})", library=driver.library), NO_DRIVER
    if driver.error:
        return text("NVIDIA's driver doesn't start (error {error})", error=driver.error), UPDATE_DRIVER
    if not driver.gpus:
        return text("NVIDIA's driver sees no GPU"), text("Look whether CUDA_VISIBLE_DEVICES hides it.")
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
    return text(
        "NVIDIA's driver is for CUDA {has}, onnxruntime for CUDA {cuda}", has=has, cuda=runtime.cuda
    ), _newer(wanted)


def _newer(major: int) -> AnyText:
    if major in DRIVERS:
        return text("Update NVIDIA's driver to {version} or newer.", version=DRIVERS[major])
    return text("Update NVIDIA's driver.")


def of_failure(provider: Provider, runtime: Runtime, failure: Failure) -> Cause:
    """What a session that couldn't be had says about the cause, in its words or in those of the log."""
    said = f"{failure.reason}\n{failure.log}"
    major = runtime.cuda.split(".")[0]
    if provider.nvidia and _TOO_OLD.search(said):
        return text("NVIDIA's driver is too old"), _newer(int(major)) if major else UPDATE_DRIVER
    if provider.nvidia and _NO_KERNEL.search(said):
        return text("onnxruntime {version} no longer supports this GPU", version=runtime.version), ""
    if MEMORY.search(said):
        return FULL, text("Close what uses the GPU and look again.")
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
        return text("CUDA's or TensorRT's libraries are missing"), f"{INSTALL_GPU} {tensorrt}"
    return f"CUDA's libraries are missing{which}", INSTALL_GPU


def _detail(log: str) -> str:
    """The first line of a log that says something, for people."""
    lines = (" ".join(_NOISE.sub("", line).split()) for line in log.splitlines())
    first = next((line for line in lines if line), "")
    return f": {first[:200]}" if first else ""
