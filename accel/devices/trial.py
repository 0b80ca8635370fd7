"""What runs in a child process: one question to the driver or onnxruntime, which may hang or crash."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from typing import Any

import msgspec
from msgspec import Struct

from accel import dialogs
from accel.devices.driver import ask_driver
from accel.devices.prepare import configure, load_libraries
from accel.devices.providers import BY_NAME, Opening, values

MODEL = bytes.fromhex(
    "08083a390a0e0a01780a01781201792203416464120570726f62655a0f0a0178120a0a08080112040a020804620f0a0179120a"
    "0a08080112040a0208044202100d"
)
"""An ONNX file, opset 13: y = x + x, four floats."""


class Runtime(Struct, frozen=True):
    """The onnxruntime that is installed."""

    version: str
    package: str
    """The distribution that its files are from, as they say themselves."""
    distributions: dict[str, str]
    """Every distribution that claims the module, with its version: more than one have overwritten each
    other."""
    providers: tuple[str, ...]
    """What it was built with, which says nothing about this machine."""
    cuda: str
    """The CUDA that it was built for, for example `13.0`; empty for none."""


class Session(Struct, frozen=True):
    """A session that was opened and run."""

    providers: tuple[str, ...]
    """Those that it runs on, by onnxruntime's names."""
    right: bool
    """Whether what it computed is right."""


def ask_runtime() -> Runtime:
    """Raises whatever importing onnxruntime raises."""
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
    """Opens a session on a provider and runs it. Raises whatever onnxruntime raises."""
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
    """Answers `driver`, `runtime` or a provider's name on stdout, as JSON."""
    dialogs.suppress()
    # Libraries print to stdout as they please; the answer alone goes there.
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        if question == "driver":
            answer: Any = ask_driver()
        else:
            answer = ask_runtime() if question == "runtime" else try_session(question)
        said = msgspec.json.encode({"facts": answer})
    # A driver's library may fail in any way: that is the answer of this process.
    except Exception as error:
        said = msgspec.json.encode({"error": f"{type(error).__name__}: {error}"})
    os.write(answers, said)


if __name__ == "__main__":
    main(sys.argv[1])
