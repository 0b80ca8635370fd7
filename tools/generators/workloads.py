"""docs/workloads.md: the workloads of the first-party plugins, from their records."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from accel.workload import Workload
from tools.generators import _first_party, _markdown, _records

TARGET = Path("docs/workloads.md")
TEXT = """\
{notice}

# Workloads

What a `request` may name (see [protocol.md](protocol.md#requests)), and what
`popbridge run NAME FILE… --param key=value` runs. Parameters that aren't listed are refused with
`bad_params`.

{names}

{workloads}
"""


def files() -> dict[Path, str]:
    workloads = sorted(_first_party.registry().workloads.values(), key=lambda w: w.name)
    notice = _markdown.NOTICE.format(source="the workloads' declarations below accel/")
    rows = ((f"[{w.name}](#{w.name.replace('.', '')})", str(w.version), w.summary) for w in workloads)
    names = _markdown.table(("name", "version", "what it does"), rows)
    return {TARGET: TEXT.format(notice=notice, names=names, workloads="\n\n".join(map(_workload, workloads)))}


def _workload(workload: Workload) -> str:
    low, high = workload.inputs
    count = str(low) if low == high else f"{low} to {high}"
    info = msgspec.inspect.type_info(workload.params)
    assert isinstance(info, msgspec.inspect.StructType)
    values = [
        part
        for cls in _value_types(workload)
        for part in (f"### {cls.__name__}", inspect.getdoc(cls) or "", _value(cls))
    ]
    facts = f"Version {workload.version}. Inputs: {count}."
    return "\n\n".join([f"## {workload.name}", workload.doc, facts, _markdown.fields(info), *values])


def _value(cls: type) -> str:
    """The table of a value's fields, with their types as the wire has them."""
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    says = {attribute.name: attribute.says for attribute in _records.attributes(cls)}
    rows = ((f"`{field.encode_name}`", _markdown.kind(field.type), says[field.name]) for field in info.fields)
    return _markdown.table(("name", "type", "meaning"), rows)


def _value_types(workload: Workload) -> Iterator[type]:
    """The struct that the docstring names as the value, and those within it."""
    if named := re.search(r"Value: an? `(\w+)`", workload.doc):
        cls = _find(workload.target.partition(":")[0].rpartition(".")[0], named[1])
        yield from dict.fromkeys([cls, *_records.within(cls)])


def _find(package: str, name: str) -> type:
    found = importlib.import_module(package)
    for module in pkgutil.iter_modules(found.__path__):
        cls = getattr(importlib.import_module(f"{package}.{module.name}"), name, None)
        if isinstance(cls, type):
            return cls
    raise LookupError(f"{package} has no {name}, which a workload's docstring names as its value")
