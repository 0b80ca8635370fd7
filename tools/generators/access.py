"""docs/reference/access.md: scopes, rights, and the right that each act needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.core import access
from tools.generators import _markdown

TARGET = Path("docs/reference/access.md")


def files() -> dict[Path, str]:
    values = {
        "notice": _markdown.NOTICE.format(source="bridge/core/access.py"),
        "scopes": _markdown.table(("scope", "for", *(f"`{right}`" for right in access.RIGHTS)), _scopes()),
        "rights": _markdown.table(
            ("right", "allows"), ((f"`{r}`", access.RIGHT_TEXTS[r]) for r in access.RIGHTS)
        ),
        "local": ", ".join(f"`{scope}`" for scope in access.LOCAL_SCOPES),
        "routes": _markdown.table(("route", "right"), _routes()),
        "messages": _markdown.table(
            ("message", "right"),
            ((f"`{kind.__struct_config__.tag}`", _right(right)) for kind, right in access.MESSAGES.items()),
        ),
        "requests": _markdown.table(("request", "right"), _requests()),
        "popups": _markdown.table(("popup", "right"), _with_default(access.POPUPS, access.PLUGIN_POPUP)),
        "commands": _markdown.table(
            ("command", "right"), _with_default(access.COMMANDS, access.PLUGIN_COMMAND)
        ),
    }
    return {TARGET: _markdown.fill("access.md", values)}


def _scopes() -> Iterator[tuple[str, ...]]:
    for scope in access.SCOPES:
        marks = ("yes" if right in scope.rights else "–" for right in access.RIGHTS)
        yield (f"`{scope.name}`", scope.summary, *marks)


def _routes() -> Iterator[tuple[str, str]]:
    for (method, path), right in access.ROUTES.items():
        yield f"`{method} {path}`", _right(right)


def _requests() -> Iterator[tuple[str, str]]:
    yield from _with_default(access.QUESTIONS, None)
    yield from ((f"workloads `{start}…`", f"`{right}`") for start, right in access.WORKLOADS.items())
    yield "workloads and questions of plugins, unless they declare another", f"`{access.PLUGIN_WORKLOAD}`"


def _with_default(table: Mapping[str, str], default: str | None) -> Iterator[tuple[str, str]]:
    yield from ((f"`{name}`", f"`{right}`") for name, right in table.items())
    if default:
        yield "any other", f"`{default}`"


def _right(right: str | None) -> str:
    return f"`{right}`" if right else "none"
