"""One workload for people at a shell: what it does, what files it takes, and each parameter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from accel.text import text
from bridge.commands.language import look_up, say
from bridge.commands.screen import wrapped
from bridge.commands.shared import as_json_text

if TYPE_CHECKING:
    from msgspec.inspect import Field, Type

    from accel.workload import Workload


def described(workload: Workload) -> Iterator[str]:
    """The lines, folded to the screen."""
    yield wrapped(say(text("{name}  (version {version})", name=workload.name, version=workload.version)), 4)
    for paragraph in _paragraphs(workload):
        yield ""
        yield wrapped(paragraph, 0)
    yield ""
    yield wrapped(say(text("Files: {files}.", files=_files(workload))), 0)
    if workload.operation:
        yield wrapped(say(text("It can be a step, joined to others by +, or in image.pipeline.")), 0)
    yield ""
    shown = list(_parameters(workload.params, 2))
    yield say(text("Parameters:") if shown else text("It takes no parameters."))
    yield from shown


def summary(workload: Workload) -> str:
    """What it does, in a sentence."""
    return look_up(workload.summary)


def paragraphs(workload: Workload) -> Iterator[str]:
    """What it says of itself, in English: the summary, and more."""
    yield from (" ".join(each.split()) for each in workload.doc.split("\n\n"))


def _paragraphs(workload: Workload) -> Iterator[str]:
    yield from map(look_up, paragraphs(workload))


def _files(workload: Workload) -> str:
    low, high = workload.inputs
    if high <= 1:
        return say(text("none") if high == 0 else text("one; of several, each is done by itself"))
    count = str(low) if low == high else say(text("{low} to {high}", low=low, high=high))
    return say(
        (
            text(
                "{count}, the further ones to help with the first; each is done by itself without --together"
            )
            if workload.companions
            else text("{count}, done together")
        ).fill(count=count)
    )


def constants(workload: Workload) -> Iterator[str]:
    """What it says of itself and its parameters, in English."""
    yield from paragraphs(workload)
    yield from _descriptions(workload.params)


def _descriptions(kind: type) -> Iterator[str]:
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        bare, description = _taken_apart(field.type)
        yield description
        for inner in _structs(bare):
            yield from _descriptions(inner)


def _parameters(kind: type, indent: int) -> Iterator[str]:
    from accel.plain import own_first, words

    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in own_first(info):
        bare, description = _taken_apart(field.type)
        said = say(words(bare)).strip()
        description = look_up(description)
        head = f"{' ' * indent}{field.encode_name}{_default(field)}"
        yield wrapped(f"{head}  {said}".rstrip(), indent + 6)
        if description:
            yield wrapped(f"{' ' * (indent + 4)}{description}", indent + 4)
        for inner in _structs(bare):
            yield from _parameters(inner, indent + 6)


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
        return say(text(" (required)"))
    factory: Any = field.default_factory
    return f"={as_json_text(field.default if factory is msgspec.NODEFAULT else factory())}"
