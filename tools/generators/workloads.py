"""docs/reference/workloads: one page per workload, the shared parameters and the shared result types."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from accel.workload import Params, Workload
from bridge.core.messages import MAX_INPUTS
from tools.generators import _first_party, _markdown, _records

FOLDER = Path("docs/reference/workloads")
NOTICE = _markdown.NOTICE.format(source="the workloads' declarations below accel/")
VALUE = re.compile(r"(Value:\s+(?:an?|a list of)\s+)`(\w+)`")
"""Where a docstring names the struct of the result's value."""


def files() -> dict[Path, str]:
    workloads = sorted(_first_party.registry().workloads.values(), key=lambda w: w.name)
    uses = Counter(cls for w in workloads for cls in _structs(w))
    shared = sorted((cls for cls, count in uses.items() if count > 1), key=lambda cls: cls.__name__)
    groups = _groups(workloads)
    rows = (
        (f"[{w.name}]({w.name}.md)", w.summary, "yes" if w.operation else "", str(w.version))
        for w in workloads
    )
    index = {
        "notice": NOTICE,
        "requested": MAX_INPUTS,
        "names": _markdown.table(("workload", "what it does", "step", "version"), rows),
        "shared": "\n\n".join(map(_group, groups)),
        "pages": "\n".join(w.name for w in workloads),
    }
    results = {"notice": NOTICE, "structs": "\n\n".join(_struct(cls, "##") for cls in shared)}
    pages = {
        FOLDER / "index.md": _markdown.fill("workloads.md", index),
        FOLDER / "results.md": _markdown.fill("results.md", results),
    }
    for w in workloads:
        own = [cls for cls in _structs(w) if uses[cls] == 1]
        page = _workload(w, own, [group for group in groups if issubclass(w.params, group)])
        pages[FOLDER / f"{w.name}.md"] = _linked(page, shared)
    return pages


def _groups(workloads: Sequence[Workload]) -> list[type[Params]]:
    """The parameter classes that several workloads inherit, each before those that extend it."""
    uses = Counter(cls for w in workloads for cls in w.params.__mro__[1:] if _declares(cls))
    return sorted((cls for cls, count in uses.items() if count > 1), key=lambda cls: len(cls.__mro__))


def _declares(cls: type) -> bool:
    return issubclass(cls, Params) and cls is not Params and bool(inspect.get_annotations(cls))


def _own_fields(cls: type[Params]) -> msgspec.inspect.StructType:
    """The fields that the class declares itself, in its order."""
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    names = inspect.get_annotations(cls)
    return msgspec.structs.replace(info, fields=tuple(f for f in info.fields if f.name in names))


def _group(cls: type[Params]) -> str:
    return f"### {cls.__name__}\n\n{inspect.getdoc(cls) or ''}\n\n{_markdown.fields(_own_fields(cls))}"


def _workload(workload: Workload, own: Sequence[type], groups: Sequence[type]) -> str:
    low, high = workload.inputs
    facts = f"Version {workload.version}. Inputs: {low if low == high else f'{low} to {high}'}."
    if workload.operation:
        facts += " Can be a [step](../run.md#steps) of a pipeline."
    info = msgspec.inspect.type_info(workload.params)
    assert isinstance(info, msgspec.inspect.StructType)
    # A workload may override a shared parameter; such a field is its own.
    inherited = {
        f.encode_name: f
        for group in groups
        for f in _own_fields(group).fields
        if group is not workload.params
    }
    fields = tuple(f for f in info.fields if inherited.get(f.encode_name) != f)
    also = ", ".join(
        f"[{group.__name__}](index.md#{group.__name__.lower()}) "
        f"({', '.join(f'`{f.encode_name}`' for f in _own_fields(group).fields)})"
        for group in reversed(groups)
        if group is not workload.params
    )
    parts = [NOTICE, f"# {workload.name}", _doc(workload), facts, "## Parameters"]
    if fields or not also:
        parts.append(_markdown.fields(msgspec.structs.replace(info, fields=fields)))
    if also:
        parts.append(f"Shared parameters: {also}.")
    if own:
        parts += ["## Result types", *map(_struct, own)]
    return "\n\n".join(parts) + "\n"


def _doc(workload: Workload) -> str:
    return VALUE.sub(lambda named: f"{named[1]}[`{named[2]}`](#{named[2].lower()})", workload.doc)


def _linked(page: str, shared: Sequence[type]) -> str:
    """The page with links to shared types leading to the page that holds them."""
    for cls in shared:
        anchor = f"(#{cls.__name__.lower()})"
        page = page.replace(anchor, f"(results.md{anchor[1:-1]})")
    return page


def _structs(workload: Workload) -> list[type]:
    """The types that parameters and value refer to, in this order."""
    return list(dict.fromkeys([*_records.within(workload.params), *_value_types(workload)]))


def _struct(cls: type, level: str = "###") -> str:
    return "\n\n".join([f"{level} {cls.__name__}", inspect.getdoc(cls) or "", _value(cls)])


def _value(cls: type) -> str:
    """The table of a value's fields, with their types as the wire has them."""
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    own = (each for each in cls.__mro__ if issubclass(each, msgspec.Struct) and each is not msgspec.Struct)
    says = {attribute.name: attribute.says for each in own for attribute in _records.attributes(each)}
    rows = (
        (f"`{field.encode_name}`", _markdown.kind(field.type), re.sub(r"\bNone\b", "null", says[field.name]))
        for field in info.fields
    )
    return _markdown.table(("name", "type", "meaning"), rows)


def _value_types(workload: Workload) -> Iterator[type]:
    """The struct that the docstring names as the value, and those within it."""
    if named := VALUE.search(workload.doc):
        cls = _find(workload.target.partition(":")[0], named[2])
        yield from dict.fromkeys([cls, *_records.within(cls)])


def _find(module: str, name: str) -> type:
    """The class of that name: in the workload's own module, or wherever image results are declared."""
    for place in (module, *_modules("accel.image.operations"), *_modules("accel.image")):
        cls = getattr(importlib.import_module(place), name, None)
        if isinstance(cls, type):
            return cls
    raise LookupError(f"{module} has no {name}, which a workload's docstring names as its value")


def _modules(package: str) -> Iterator[str]:
    path = importlib.import_module(package).__path__
    return (f"{package}.{each.name}" for each in pkgutil.iter_modules(path))
