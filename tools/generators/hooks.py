"""docs/hooks.md: the hooks that a plugin may implement, and the records that it gives and gets."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from bridge import api, hooks
from bridge.core.messages import Message, Part
from tools.generators import _markdown, _records

TARGET = Path("docs/hooks.md")


def files() -> dict[Path, str]:
    notice = _markdown.NOTICE.format(source="bridge/hooks.py or bridge/api.py")
    facts = {
        "notice": notice,
        "group": hooks.PROJECT,
        "hooks": "\n\n".join(map(_hook, _specs())),
        "api": "\n\n".join(filter(None, map(_name, sorted(api.__all__, key=str.lower)))),
    }
    return {TARGET: _markdown.fill("hooks.md", facts)}


def _specs() -> Iterator[str]:
    """In the order in which they are declared."""
    yield from (name for name in vars(hooks) if name.startswith(f"{hooks.PROJECT}_"))


def _hook(name: str) -> str:
    spec = _records.function(getattr(hooks, name))
    return f"### {name}\n\n```python\n{spec.signature}\n```\n\n{spec.says}"


def _name(name: str) -> str:
    what = getattr(api, name)
    if inspect.isclass(what) and not issubclass(what, (Message, Part)):
        return _class(name, what)
    if inspect.isfunction(what):
        made = _records.function(what)
        return f"### {name}\n\n```python\n{made.signature}\n```\n\n{made.says}"
    return ""


def _class(name: str, cls: type) -> str:
    parts = [
        f"### {name}",
        inspect.getdoc(cls) if cls.__dict__.get("__doc__") else "",
        _records.attribute_table(cls),
    ]
    for method in _records.methods(cls):
        parts.append(f"```python\n{method.signature}\n```")
        parts.append(method.says)
    return "\n\n".join(part for part in parts if part)
