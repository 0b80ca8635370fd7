"""What a class says of itself in its source: attributes with the texts below them, methods, docstrings."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from msgspec import Struct

from accel.text import Text
from tools.generators import _markdown


class Attribute(Struct, frozen=True):
    """One annotated name in a class's body."""

    name: str
    type: str
    default: str
    says: str


class Method(Struct, frozen=True):
    """One public function in a class's body, or a function of its own."""

    signature: str
    says: str


@cache
def _body(cls: type) -> ast.ClassDef:
    node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)
    return node


def attributes(cls: type) -> Iterator[Attribute]:
    """Public annotated attributes and properties, with the string below an attribute as what it says."""
    body = _body(cls).body
    for node, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            default = ast.unparse(node.value) if node.value else ""
            yield Attribute(node.target.id, ast.unparse(node.annotation), default, _text(below))
        elif isinstance(node, ast.FunctionDef) and _is_property(node) and node.name[0] != "_":
            returns = ast.unparse(node.returns) if node.returns else ""
            yield Attribute(node.name, returns, "", ast.get_docstring(node) or "")


def aliases(module: ModuleType) -> Iterator[Attribute]:
    """The module's names for types, with the string below each as what it says."""
    body = ast.parse(inspect.getsource(module)).body
    for node, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield Attribute(node.targets[0].id, ast.unparse(node.value), "", _text(below))


def constructor(cls: type) -> Iterator[str]:
    """How an instance is made, where the class says so itself."""
    for node in _body(cls).body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield f"{cls.__name__}({ast.unparse(node.args).removeprefix('self, ')})"
            return


def methods(cls: type) -> Iterator[Method]:
    functions = (n for n in _body(cls).body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    yield from (_method(node) for node in functions if node.name[0] != "_" and not _is_property(node))


def function(source: object) -> Method:
    """A function by itself."""
    node = ast.parse(textwrap.dedent(inspect.getsource(source))).body[0]  # type: ignore[arg-type]
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return _method(node)


def attribute_table(cls: type) -> str:
    """The class's attributes as a table; empty where it has none."""
    rows = [
        (f"`{a.name}`", f"`{a.type}`", f"`{a.default}`" if a.default else "", a.says) for a in attributes(cls)
    ]
    return _markdown.table(("name", "type", "default", "meaning"), rows) if rows else ""


def within(cls: type) -> Iterator[type]:
    """The structs that the class's attributes name, each followed by those within it; not sentences."""
    module = sys.modules[cls.__module__]
    for attribute in attributes(cls):
        for node in ast.walk(ast.parse(attribute.type, mode="eval")):
            named = getattr(module, node.id, None) if isinstance(node, ast.Name) else None
            if isinstance(named, type) and issubclass(named, Struct) and named not in (Struct, Text):
                yield named
                yield from within(named)


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Method:
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return Method(f"{word} {node.name}({ast.unparse(node.args)}){returns}", ast.get_docstring(node) or "")


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)


def _text(node: ast.AST) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""
