"""docs/workloads.md: the workloads of the first-party plugins, from their records."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from accel.param_errors import own_fields_first
from accel.workload import Workload
from bridge.core.messages import MAX_INPUTS
from tools.generators import _first_party, _markdown, _records

TARGET = Path("docs/workloads.md")
VALUE = re.compile(r"(Value:\s+(?:an?|a list of)\s+)`(\w+)`")
"""Where a docstring names the struct of the result's value."""
TEXT = """\
{notice}

# Workloads

What a `request` may name (see [protocol.md](protocol.md#requests)), and what
[`popbridge run`](#from-the-shell) runs. Parameters that aren't listed are refused with `bad_params`. A
request has at most {requested} inputs; of workloads that take more, `popbridge run` without `--daemon` runs
jobs with more.

{names}

## From the shell

    popbridge run image.convert textures --recursive --param format=tga --out converted

A `FILE` is a file, a pattern (`textures/**/*.png`; expanded on every system) or, with `--recursive`, a
folder: all images in it by their suffix, but neither hidden ones nor what lies in `--out`. A workload that
takes several inputs gets all files as one job; any other, and one that further inputs only help, is run on
each file; `--together` and `--each` say otherwise. `--daemon` has the running daemon do it: files are named
to it where it may read them, and sent where not. A job may run as long as it wants, or `--timeout` seconds;
in a daemon an hour, or `deadline_ms` ([settings](settings.md)) where that is longer.

**Parameters.** `popbridge workloads NAME` lists those of a workload. Values are JSON or text; choices may be
typed in upper or lower case (`PNG`, `jpg`), lists as `a,b`, and what is true or false as `yes` or `no`.

**Steps.** Operations on images, PopBridge's and [plugins'](hooks.md#operations-on-images), can follow one
another with no file in between: `image.resize+image.convert` is an [image.pipeline](#imagepipeline).
`popbridge workloads NAME` says whether one can be a step. The step that a parameter is meant for stands in
front of it, by its short name (`resize.width`) or its position (`1.width`), unless it is the only one that
takes it. `transfer` counts in the first step; `format`, `quality`, `bits` and `lossless` in the last.

**Outputs.** Without `--out` only values are shown. With it, `textures/stone/rock.png` becomes
`OUT/stone/rock.tga`: folders are kept below the one that was named, or that all files have in common. Of
several folders each has its own: `a` and `b`, or `a/textures` and `b/textures`. Where a job makes several
files they are `rock.NAME.EXT`; where several files are one job, `NAME.EXT`, or what `--name` says. A workload
that has a parameter `name` of its own (image.atlas) is given that name, so that its data refers to the files
as they are written. Files that differ in their suffix alone keep it (`rock.png.tga`), unless the output has
the same.

- An input is never overwritten: in its own folder `rock.png` becomes `rock.converted.png`.
- A file that no earlier run made, or that was changed since, is overwritten only with `--force`.
- Where `--out` is the folder that is walked, what earlier runs made is no input.
- `--resume` passes over what an earlier run did with the same parameters, if neither files nor outputs have
  changed since. What runs have made is remembered in the cache folder ([settings](settings.md)).
- A file is there whole or as it was before, after Ctrl-C too.

**Lines.** Of several files that are inspected or classified, each has a line with the main facts; of a single
one there are all. With `--json` one object per job, in the files' order: `file` (`files` where a job has
several or none), `value`, and `meta` with `device`, `queued_ms`, `run_ms` and the `files` that were written;
instead of them `error` with `code` ([errors](errors.md)) and `message`, or `unchanged` where `--resume`
passed over it.
The exit code is 0, 1 if a file failed, 2 for a mistake that kept all from running, 130 after Ctrl-C.

{workloads}
"""


def files() -> dict[Path, str]:
    workloads = sorted(_first_party.registry().workloads.values(), key=lambda w: w.name)
    notice = _markdown.NOTICE.format(source="the workloads' declarations below accel/")
    rows = ((f"[{w.name}](#{w.name.replace('.', '')})", str(w.version), w.summary) for w in workloads)
    names = _markdown.table(("name", "version", "what it does"), rows)
    uses = Counter(cls for w in workloads for cls in _structs(w))
    sections = [_workload(w, [cls for cls in _structs(w) if uses[cls] == 1]) for w in workloads]
    shared = sorted((cls for cls, count in uses.items() if count > 1), key=lambda cls: cls.__name__)
    if shared:
        sections += ["## What several of them give", *map(_struct, shared)]
    text = TEXT.format(notice=notice, requested=MAX_INPUTS, names=names, workloads="\n\n".join(sections))
    return {TARGET: text}


def _workload(workload: Workload, own: Sequence[type]) -> str:
    low, high = workload.inputs
    count = str(low) if low == high else f"{low} to {high}"
    info = msgspec.inspect.type_info(workload.params)
    assert isinstance(info, msgspec.inspect.StructType)
    facts = f"Version {workload.version}. Inputs: {count}."
    if workload.operation:
        facts += " It can be a [step](#from-the-shell)."
    fields = _markdown.fields(msgspec.structs.replace(info, fields=own_fields_first(info)))
    doc = VALUE.sub(lambda named: f"{named[1]}[`{named[2]}`](#{named[2].lower()})", workload.doc)
    return "\n\n".join([f"## {workload.name}", doc, facts, fields, *map(_struct, own)])


def _structs(workload: Workload) -> list[type]:
    """What the tables of parameters and value link to, in this order."""
    return list(dict.fromkeys([*_records.within(workload.params), *_value_types(workload)]))


def _struct(cls: type) -> str:
    return "\n\n".join([f"### {cls.__name__}", inspect.getdoc(cls) or "", _value(cls)])


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
