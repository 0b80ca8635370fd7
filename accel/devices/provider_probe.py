"""Tests each provider in a child process, and explains why one fails and what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from accel.devices.driver import Driver, ask_driver, library_of
from accel.devices.providers import BY_NAME, PROVIDERS, Opening, Provider, configure, load_libraries, values
from accel.devices.report import FULL, MEMORY, Devices, Report
from accel.execution import pool
from accel.execution.pool import describe_exit, environment
from accel.text import AnyText, Text, joined, text

MODEL = bytes.fromhex(
    "08083a390a0e0a01780a01781201792203416464120570726f62655a0f0a0178120a0a08080112040a020804620f0a0179120a"
    "0a08080112040a0208044202100d"
)
"""An ONNX file (opset 13) that computes y = x + x for four floats."""


class Runtime(Struct, frozen=True):
    """The installed onnxruntime."""

    version: str
    package: str
    """The distribution that its files come from, according to themselves."""
    distributions: dict[str, str]
    """Versions of all distributions that contain the module. If there are several, they overwrote each
    other."""
    providers: tuple[str, ...]
    """The providers that it was built with, whether usable or not."""
    cuda: str
    """The CUDA version that it was built for, for example `13.0`; empty for none."""


class Session(Struct, frozen=True):
    """The outcome of running a test model."""

    providers: tuple[str, ...]
    """The session's providers, by their names in onnxruntime."""
    right: bool
    """Whether the result is correct."""


def ask_runtime() -> Runtime:
    """Returns facts about the installed onnxruntime. Raises what importing it raises."""
    runtime = importlib.import_module("onnxruntime")
    try:
        about: Any = importlib.import_module("onnxruntime.capi.build_and_package_info")
    except ImportError:
        about = None
    names = set(importlib.metadata.packages_distributions().get("onnxruntime", ()))
    return Runtime(
        runtime.__version__,
        getattr(about, "package_name", "onnxruntime"),
        {name: importlib.metadata.version(name) for name in sorted(names)},
        tuple(runtime.get_available_providers()),
        getattr(about, "cuda_version", None) or "",
    )


def try_session(name: str) -> Session:
    """Runs a test model on a provider. Raises onnxruntime's exceptions."""
    load_libraries(name)
    import numpy as np
    import onnxruntime

    provider, settings = BY_NAME[name], onnxruntime.SessionOptions()
    configure(settings, name)
    chosen = [(provider.runtime_name, values(provider.options(Opening())))]
    session = onnxruntime.InferenceSession(MODEL, settings, providers=chosen)
    given = np.arange(4, dtype=np.float32)
    (found,) = session.run(None, {"x": given})
    return Session(tuple(session.get_providers()), bool((found == 2 * given).all()))


def main(question: str) -> None:
    """Probes `driver`, `runtime` or a provider, and writes the result to stdout as JSON."""
    pool.suppress_error_dialogs()
    # Libraries may print to stdout, which is reserved for the answer.
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        if question == "driver":
            answer: Any = ask_driver()
        else:
            answer = ask_runtime() if question == "runtime" else try_session(question)
        reply = msgspec.json.encode({"facts": answer})
    # A driver's library can fail in any way; the error is the answer.
    except Exception as error:
        reply = msgspec.json.encode({"error": f"{type(error).__name__}: {error}"})
    os.write(answers, reply)


LIMIT_S = 60.0
"""Time limit for a child process: CUDA's first start after installation takes up to 30 s."""

Facts = TypeVar("Facts", bound=Struct)


class Failure(Struct, frozen=True):
    """Why a child process didn't answer."""

    reason: AnyText
    """For people, to follow "it"; for example `crashed (SIGSEGV)`."""
    log: str = ""
    """The child process's stderr."""


class ProbeReply(Struct, frozen=True):
    """A child process's answer."""

    facts: msgspec.Raw
    log: str = ""
    """The child process's stderr."""


class _Answer(Struct):
    facts: msgspec.Raw = msgspec.Raw()
    error: str = ""


Ask = Callable[[str], ProbeReply | Failure]
"""Asks a child process one of the questions of `main`."""


def probe_child(question: str, limit_s: float = LIMIT_S) -> ProbeReply | Failure:
    """Asks a new child process one question."""
    command = [sys.executable, "-P", "-m", "accel.devices.provider_probe", question]
    # Keeps Windows from opening a console.
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment({}), timeout=limit_s,
            creationflags=flags,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return Failure(text("gave no answer within {limit_s} s", limit_s=f"{limit_s:g}"), _text(error.stderr))
    except OSError as error:
        return Failure(text("couldn't be tested because no process can be started ({error})", error=error))
    return _read(done.returncode, done.stdout, _text(done.stderr))


def _read(code: int, out: bytes, log: str) -> ProbeReply | Failure:
    try:
        answer = msgspec.json.decode(out, type=_Answer)
    except ValueError:
        return Failure(text("crashed ({describe})", describe=describe_exit(code)), log)
    if answer.error:
        return Failure(text("failed ({error})", error=answer.error), log)
    # Copy, because Raw refers to the buffer that was read.
    return ProbeReply(answer.facts.copy(), log)


def read_reply(answer: ProbeReply | Failure, kind: type[Facts]) -> Facts | Failure:
    """Decodes an answer's facts."""
    if isinstance(answer, Failure):
        return answer
    return msgspec.json.decode(answer.facts, type=kind)


def _text(log: bytes | str | None) -> str:
    return log.decode(errors="replace") if isinstance(log, bytes) else log or ""


Cause = tuple[AnyText, AnyText]
"""Reason and remedy."""

DRIVERS = {12: "525", 13: "580"}
"""First driver for each CUDA version (NVIDIA's release notes, table "CUDA Toolkit and Minimum Required
Driver")."""

INSTALL_GPU = "pip install popbridge[gpu]"
REINSTALL = "pip install --force-reinstall popbridge"
VISUAL_C = text(
    "Install Microsoft's Visual C++ Redistributable: https://aka.ms/vs/17/release/vc_redist.x64.exe"
)
UPDATE_DRIVER = text("Update NVIDIA's driver and restart the computer.")
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


def runtime_cause(provider: Provider, runtime: Runtime | Failure) -> Cause | None:
    """Returns why the installed onnxruntime can't use a provider, or None if it can."""
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
        return reason, _instead(runtime, provider.package, text("With an AMD or Intel GPU: {steps}"))
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
    """Returns a warning if distributions overwrote each other's files, which pip doesn't notice."""
    names = list(runtime.distributions)
    if len(names) < 2:
        return ()
    special = [name for name in names if name != "onnxruntime"]
    wanted = runtime.package if runtime.package in special else special[0]
    others = " ".join(name for name in names if name != wanted)
    return (
        text(
            "{count} packages have the module onnxruntime ({names}) and overwrite each other; "
            "{package}'s copy is the one installed now. To repair this: pip uninstall "
            "{others}, then {repair}",
            count=len(names),
            names=[*names],
            package=runtime.package,
            others=others,
            repair=_repair(wanted),
        ),
    )


def driver_cause(driver: Driver | Failure) -> Cause | None:
    """Returns why NVIDIA's driver can't be used, or None if it can."""
    if isinstance(driver, Failure):
        return text("NVIDIA's driver {reason}", reason=driver.reason), UPDATE_DRIVER
    if not driver.found:
        return text("no NVIDIA driver found ({library})", library=driver.library), NO_DRIVER
    if driver.error:
        return text("NVIDIA's driver doesn't start (error {error})", error=driver.error), UPDATE_DRIVER
    if not driver.gpus:
        return text("NVIDIA's driver sees no GPU"), text("Check whether CUDA_VISIBLE_DEVICES hides it.")
    return None


def version_cause(driver: Driver | Failure, runtime: Runtime | Failure) -> Cause | None:
    """Returns a cause if the driver is older than the CUDA version that onnxruntime was built for.

    A driver supports all minor versions of its major version (CUDA minor version compatibility).
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


def failure_cause(provider: Provider, runtime: Runtime, failure: Failure) -> Cause:
    """Returns the cause of a failed session, according to its error and log."""
    output = f"{failure.reason}\n{failure.log}"
    major = runtime.cuda.split(".")[0]
    if provider.nvidia and _TOO_OLD.search(output):
        return text("NVIDIA's driver is too old"), _newer(int(major)) if major else UPDATE_DRIVER
    if provider.nvidia and _NO_KERNEL.search(output):
        return text("onnxruntime {version} no longer supports this GPU", version=runtime.version), ""
    if MEMORY.search(output):
        return FULL, text("Close other programs that use the GPU, then run this again.")
    if _LIBRARY.search(output) or _TENSORRT.search(output):
        return _missing(provider, output, major)
    return text("it {reason}{detail}", reason=failure.reason, detail=_detail(failure.log)), ""


def _missing(provider: Provider, output: str, major: str) -> Cause:
    """Returns the cause for missing libraries, which Windows doesn't name."""
    found = _LIBRARY.search(output)
    name = found["name"] if found else None
    which = f" ({name})" if name else ""
    if not provider.nvidia:
        return text("libraries are missing{which}", which=which), ""
    tensorrt = f"tensorrt-cu{major or '13'}"
    if provider.name == "tensorrt" and (not found or _TENSORRT.search(found[0])):
        return text("TensorRT's libraries are missing{which}", which=which), f"pip install {tensorrt}"
    if provider.name == "tensorrt" and not name:
        return text("CUDA's or TensorRT's libraries are missing"), f"{INSTALL_GPU} {tensorrt}"
    return text("CUDA's libraries are missing{which}", which=which), INSTALL_GPU


def _detail(log: str) -> str:
    """Returns the first meaningful line of a log."""
    lines = (" ".join(_NOISE.sub("", line).split()) for line in log.splitlines())
    first = next((line for line in lines if line), "")
    return f": {first[:200]}" if first else ""


SYSTEMS = {"win32": "Windows", "linux": "Linux", "darwin": "macOS"}


def try_providers(ask: Ask = probe_child, platform: str = sys.platform) -> Devices:
    """Probes this machine. Takes a few seconds, or up to LIMIT_S if a child process hangs."""
    wants_driver = any(provider.nvidia and _possible(provider, platform) for provider in PROVIDERS)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, "driver") if wants_driver else None
        runtime = read_reply(ask("runtime"), Runtime)
    driver = read_reply(asked.result(), Driver) if asked else Driver(library_of(platform))
    reports = tuple(_judged(provider, platform, driver, runtime, ask) for provider in PROVIDERS)
    known = driver if isinstance(driver, Driver) else Driver(library_of(platform))
    if isinstance(runtime, Failure):
        return Devices(reports, known.gpus, known.version)
    return Devices(reports, known.gpus, known.version, runtime.version, warnings(runtime))


def _possible(provider: Provider, platform: str) -> bool:
    return not provider.platforms or platform in provider.platforms


def _judged(
    provider: Provider, platform: str, driver: Driver | Failure, runtime: Runtime | Failure, ask: Ask
) -> Report:
    """Returns a report, from known facts if they rule the provider out, otherwise from a test."""
    if not _possible(provider, platform):
        where = joined((SYSTEMS[each] for each in provider.platforms), text("{head} and {rest}"))
        return Report(provider.name, False, text("only on {where}", where=where))
    against = (
        runtime_cause(provider, runtime)
        or (driver_cause(driver) if provider.nvidia else None)
        or (version_cause(driver, runtime) if provider.nvidia else None)
    )
    if against:
        return Report(provider.name, False, *against)
    return _tried(provider, driver, runtime, ask(provider.name))


def _tried(
    provider: Provider, driver: Driver | Failure, runtime: Runtime | Failure, answer: ProbeReply | Failure
) -> Report:
    assert isinstance(runtime, Runtime)
    session = read_reply(answer, Session)
    if isinstance(session, Failure):
        return Report(provider.name, False, *failure_cause(provider, runtime, session))
    if provider.runtime_name not in session.providers:
        refused = Failure(text("wasn't used: onnxruntime fell back to another device"), answer.log)
        return Report(provider.name, False, *failure_cause(provider, runtime, refused))
    if not session.right:
        return Report(provider.name, False, text("computes wrongly"), UPDATE_DRIVER)
    return Report(provider.name, True, _where(provider, driver, runtime))


def _where(provider: Provider, driver: Driver | Failure, runtime: Runtime) -> AnyText:
    result = f"onnxruntime {runtime.version}"
    if provider.nvidia and isinstance(driver, Driver):
        names = [gpu.name or text("an unnamed GPU") for gpu in driver.gpus]
        return text("{names}, by {runtime}", names=names, runtime=result)
    return result


if __name__ == "__main__":
    main(sys.argv[1])
