"""One workload for people at a shell: what it does, what files it takes, and each parameter."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.commands.language import reads_chinese, told, translated
from bridge.commands.screen import wrapped
from bridge.commands.shared import as_json_text
from bridge.commands.texts import parameters
from bridge.commands.texts import workloads as texts

if TYPE_CHECKING:
    from msgspec.inspect import Field, Type

    from accel.workload import Workload


def described(workload: Workload) -> Iterator[str]:
    """The lines, folded to the screen."""
    yield wrapped(told(texts.HEAD, name=workload.name, version=workload.version), 4)
    for paragraph in _paragraphs(workload):
        yield ""
        yield wrapped(paragraph, 0)
    yield ""
    yield wrapped(told(texts.FILES, files=_files(workload)), 0)
    if workload.operation:
        yield wrapped(told(texts.IS_STEP), 0)
    yield ""
    shown = list(_parameters(workload.params, 2))
    yield told(texts.PARAMETERS if shown else texts.NO_PARAMETERS)
    yield from shown


def summary(workload: Workload) -> str:
    """What it does, in a sentence."""
    return (texts.SUMMARIES.get(workload.name) if reads_chinese() else None) or workload.summary


def _paragraphs(workload: Workload) -> Iterator[str]:
    if reads_chinese() and workload.name in texts.SUMMARIES:
        yield texts.SUMMARIES[workload.name]
        yield from texts.DETAILS.get(workload.name, ())
    else:
        yield from (" ".join(paragraph.split()) for paragraph in workload.doc.split("\n\n"))


def _files(workload: Workload) -> str:
    low, high = workload.inputs
    if high <= 1:
        return told(texts.NO_FILES if high == 0 else texts.ONE_FILE)
    count = str(low) if low == high else told(texts.RANGE, low=low, high=high)
    return told(texts.COMPANIONS if workload.companions else texts.TOGETHER, count=count)


def _parameters(kind: type, indent: int) -> Iterator[str]:
    from accel.plain import own_first, words

    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in own_first(info):
        bare, description = _taken_apart(field.type)
        said = translated(words(bare), parameters.PHRASES).strip()
        description = _about(kind, field.name, field.encode_name) or description
        head = f"{' ' * indent}{field.encode_name}{_default(field)}"
        yield wrapped(f"{head}  {said}".rstrip(), indent + 6)
        if description:
            yield wrapped(f"{' ' * (indent + 4)}{description}", indent + 4)
        for inner in _structs(bare):
            yield from _parameters(inner, indent + 6)


def _about(kind: type, name: str, shown: str) -> str:
    """What a parameter is, in Chinese; empty for who doesn't read it, and for a plugin's own."""
    owner = next(each for each in kind.__mro__ if name in inspect.get_annotations(each))
    return parameters.ABOUT.get(f"{owner.__name__}.{shown}", "") if reads_chinese() else ""


def _taken_apart(info: Type) -> tuple[Type, str]:
    """The type alone, and its description."""
    if isinstance(info, msgspec.inspect.UnionType):
        # `null` beside it says nothing of what it is.
        return info, next(filter(None, (_taken_apart(part)[1] for part in info.types)), "")
    if not isinstance(info, msgspec.inspect.Metadata):
        return info, ""
    inner, below = _taken_apart(info.type)
    return inner, str((info.extra_json_schema or {}).get("description", "")) or below


def _structs(info: Type) -> Iterator[type]:
    """The objects that a value has inside."""
    from accel.plain import items

    info, _ = _taken_apart(items(info) or info)
    if isinstance(info, msgspec.inspect.UnionType):
        for part in info.types:
            yield from _structs(part)
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls


def _default(field: Field) -> str:
    if field.required:
        return told(texts.REQUIRED)
    factory: Any = field.default_factory
    return f"={as_json_text(field.default if factory is msgspec.NODEFAULT else factory())}"
