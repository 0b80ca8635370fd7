"""Which provider a model runs on, and what onnxruntime is given for that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from accel.devices.providers import BY_NAME, PROVIDERS, Values, compiled_folder, values
from accel.devices.report import Devices

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

    What is compiled is kept in `cache`, apart for each model, GPU, runtime and driver; the folder is made.
    """
    passed_over = []
    for name in dict.fromkeys((*wish.order, "cpu")):
        report = devices.report(name)
        if not report.usable and name != "cpu":
            passed_over.append(f"{BY_NAME[name].title}: {report.reason}")
        elif BY_NAME[name].compiles_shapes and not wish.fixed_shapes:
            passed_over.append(f"{BY_NAME[name].title}: compiles each of the model's many shapes")
        else:
            break
    used = [name, *_helpers(name, devices)]
    given = tuple((BY_NAME[one].runtime_name, _values(one, devices, wish, cache, gpu)) for one in used)
    return Choice(name, given, tuple(passed_over))


def _helpers(name: str, devices: Devices) -> Sequence[str]:
    if name == "cpu":
        return ()
    return ("cuda", "cpu") if name == "tensorrt" and devices.report("cuda").usable else ("cpu",)


def _values(name: str, devices: Devices, wish: Wish, cache: Path | None, gpu: int) -> Values:
    provider, folder = BY_NAME[name], ""
    # Only of those whose options name a folder.
    if cache and wish.digest and values(provider.options("x", 0)) != values(provider.options("", 0)):
        known = devices.gpus[gpu] if provider.nvidia and gpu < len(devices.gpus) else None
        path = compiled_folder(cache, wish.digest, name, known, devices.runtime, devices.driver)
        path.mkdir(parents=True, exist_ok=True)
        folder = str(path)
    return values(provider.options(folder, gpu))
