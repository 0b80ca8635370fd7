"""docs/reference/hooks.md: the hooks that a plugin may implement, and the records that it gives and gets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Literal, get_args, get_origin

import msgspec

from accel import workload
from accel.image import operation, raster
from bridge import api, hooks
from bridge.client import client
from bridge.core import textures
from bridge.core.messages import MAX_FRAME, Message, Part
from bridge.project import files as files_module
from tools.generators import _first_party, _markdown, _records

TARGET = Path("docs/reference/hooks.md")
NAMES = sorted(api.__all__, key=str.lower)
EMPTY = '""'


def files() -> dict[Path, str]:
    notice = _markdown.NOTICE.format(source="bridge/hooks.py, bridge/api.py or tools/generators/templates")
    facts = {
        "notice": notice,
        "group": hooks.PROJECT,
        "hooks": "\n\n".join(map(_hook, _specs())),
        "project": _example("project"),
        "operation": _example("operation"),
        "testing": _example("testing"),
        "frame": MAX_FRAME >> 10,
        **_releases(_first_party.release()),
        "messages": _markdown.table(("name", "meaning"), _messages()),
        "values": _markdown.table(("name", "values", "meaning"), _values()),
        "functions": _markdown.table(("name", "type", "meaning"), _functions()),
        "api": "\n\n".join(filter(None, map(_name, NAMES))),
    }
    return {TARGET: _markdown.fill("hooks.md", facts)}


def _releases(version: str) -> dict[str, str]:
    """This one, and the next that may differ (https://semver.org, item 4)."""
    major, minor = version.split(".")[:2]
    changing = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return {"release": f"{major}.{minor}", "next": changing}


def _specs() -> Iterator[str]:
    """In the order in which they are declared."""
    yield from (name for name in vars(hooks) if name.startswith(f"{hooks.PROJECT}_"))


def _hook(name: str) -> str:
    spec = _records.function(getattr(hooks, name))
    return f"### {name}\n\n```python\n{spec.signature}\n```\n\n{spec.says}\n\n```python\n{_example(name)}```"


def _example(name: str) -> str:
    return (_markdown.TEMPLATES / "plugins" / f"{name}.py").read_text(encoding="utf-8")


def _messages() -> Iterator[tuple[str, str]]:
    for name in NAMES:
        what = getattr(api, name)
        if _is_of_the_wire(what):
            heading = what.__struct_config__.tag or name.lower()
            yield f"[{name}](protocol.md#{heading})", _markdown.summary(what)


def _values() -> Iterator[tuple[str, str, str]]:
    for alias in _aliases(textures, raster):
        what = getattr(api, alias.name)
        told = get_args(what) if get_origin(what) is Literal else (alias.type,)
        values = ", ".join(f"`{value or EMPTY}`" for value in told)
        yield f"`{alias.name}`", values, alias.says


def _functions() -> Iterator[tuple[str, str, str]]:
    for alias in _aliases(client, files_module, workload, operation):
        yield f"`{alias.name}`", f"`{alias.type}`", alias.says


def _aliases(*modules: ModuleType) -> Iterator[_records.Attribute]:
    found = chain.from_iterable(map(_records.aliases, modules))
    yield from (alias for alias in found if alias.name in NAMES)


def _is_of_the_wire(what: object) -> bool:
    return inspect.isclass(what) and issubclass(what, (Message, Part))


def _name(name: str) -> str:
    what = getattr(api, name)
    if inspect.isclass(what) and what is not api.Version and not _is_of_the_wire(what):
        return _class(name, what)
    if inspect.isfunction(what) and what is not api.hookimpl:
        made = _records.function(what)
        return f"### {name}\n\n```python\n{made.signature}\n```\n\n{made.says}"
    return ""


def _parameters(cls: type[api.Params]) -> str:
    """As workloads.md has them; empty where there are none."""
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    return _markdown.fields(info) if info.fields else ""


def _class(name: str, cls: type) -> str:
    parts = [
        f"### {name}",
        inspect.getdoc(cls) if cls.__dict__.get("__doc__") else "",
        _parameters(cls) if issubclass(cls, api.Params) else _records.attribute_table(cls),
    ]
    if issubclass(cls, Exception):
        parts += (f"```python\n{made}\n```" for made in _records.constructor(cls))
    for method in _records.methods(cls):
        parts.append(f"```python\n{method.signature}\n```")
        parts.append(method.says)
    return "\n\n".join(part for part in parts if part)
