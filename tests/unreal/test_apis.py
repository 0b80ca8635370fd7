"""docs/reference/unreal-apis.md lists what the plugin uses of Unreal's Python API."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unreal.conftest import PLUGIN

PAGE = Path(__file__).parents[2] / "docs/reference/unreal-apis.md"
MODULE = "unreal"


def used() -> set[str]:
    """Returns what the plugin's sources take from the module, as `X` and `X.y`."""
    sources = [path.read_text(encoding="utf-8") for path in Path(PLUGIN).rglob("*.py")]
    return {name for source in sources for name in names_in(source)}


def names_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            parts = [node.attr]
            inner = node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id == MODULE:
                yield ".".join(reversed(parts[-2:]))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
            first, second = node.args[:2]
            is_module = isinstance(first, ast.Name) and first.id == MODULE
            if node.func.id in ("getattr", "hasattr") and is_module and isinstance(second, ast.Constant):
                yield str(second.value)
        elif isinstance(node, ast.ImportFrom) and node.module == MODULE:
            yield from (alias.name for alias in node.names)


def listed(page: str) -> set[str]:
    """Returns the names in the first column of the page's tables, with the types of their members."""
    names: set[str] = set()
    for line in page.splitlines():
        owner = ""
        for name in re.findall(r"`([\w.]+)`", line.split("|")[1]) if line.startswith("| `") else ():
            before, point, _ = name.partition(".")
            owner = before if point else owner
            # A name without a point is a member of the type before it, or of the module.
            names |= {name, owner} if point else {f"{owner}.{name}"} if owner else {name}
    return names


def test_the_page_lists_what_the_plugin_uses() -> None:
    missing = used() - listed(PAGE.read_text(encoding="utf-8"))
    assert not missing, f"add to {PAGE.name}, with where it was read: {sorted(missing)}"


@pytest.mark.parametrize("name", ["load_object", "EditorDialog.show_message", "ScopedEditorTransaction"])
def test_what_is_taken_from_the_page_is_missed(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert name in used() <= listed(page)
    assert name not in listed(page.replace(f"`{name}`", "``"))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import unreal\nunreal.A.b.c()", {"A.b", "A"}),
        ("unreal.log('x')", {"log"}),
        ("getattr(unreal, 'B', None)", {"B"}),
        ("hasattr(unreal, name)", set()),
        ("from unreal import C", {"C"}),
        ("other.D", set()),
    ],
)
def test_names_are_found_however_they_are_taken(source: str, names: set[str]) -> None:
    assert {*names_in(source)} == names
