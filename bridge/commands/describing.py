"""One workload for people at a shell: what it does, what files it takes, and each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.commands.shared import as_json_text, wrapped

if TYPE_CHECKING:
    from msgspec import inspect

    from accel.workload import Workload


def described(workload: Workload) -> Iterator[str]:
    """The lines, folded to the screen."""
    yield wrapped(f"{workload.name}  (version {workload.version})", 4)
    for paragraph in workload.doc.split("\n\n"):
        yield ""
        yield wrapped(" ".join(paragraph.split()), 0)
    yield ""
    yield f"Files: {_files(workload)}."
    yield ""
    shown = list(_parameters(workload.params, 2))
    yield "Parameters:" if shown else "It takes no parameters."
    yield from shown


def _files(workload: Workload) -> str:
    low, high = workload.inputs
    if high <= 1:
        return "none" if high == 0 else "one; of several, each is done by itself"
    count = str(low) if low == high else f"{low} to {high}"
    if workload.companions:
        return f"{count}, the further ones to help with the first; each is done by itself without --together"
    return f"{count}, done together"


def _parameters(kind: type, indent: int) -> Iterator[str]:
    from accel.plain import own_first, words

    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in own_first(info):
        bare, description = _taken_apart(field.type)
        said = words(bare)
        head = f"{' ' * indent}{field.encode_name}{_default(field)}"
        yield wrapped(f"{head}  {said}".rstrip(), indent + 6)
        if description:
            yield wrapped(f"{' ' * (indent + 4)}{description}", indent + 4)
        for inner in _structs(bare):
            yield from _parameters(inner, indent + 6)


def _taken_apart(info: inspect.Type) -> tuple[inspect.Type, str]:
    """The type alone, and its description."""
    if not isinstance(info, msgspec.inspect.Metadata):
        return info, ""
    inner, below = _taken_apart(info.type)
    return inner, str((info.extra_json_schema or {}).get("description", "")) or below


def _structs(info: inspect.Type) -> Iterator[type]:
    """The objects that a value has inside."""
    from accel.plain import items

    info, _ = _taken_apart(items(info) or info)
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls


def _default(field: inspect.Field) -> str:
    if field.required:
        return " (required)"
    factory: Any = field.default_factory
    return f"={as_json_text(field.default if factory is msgspec.NODEFAULT else factory())}"
