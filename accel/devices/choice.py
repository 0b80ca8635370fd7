"""Which provider a model runs on, and what onnxruntime is given for that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from accel.devices.compiled import compiled_folder, library_version, made
from accel.devices.providers import BY_NAME, PROVIDERS, Opening, Precision, Provider, Shapes, Values, values
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
        made(folder)
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
