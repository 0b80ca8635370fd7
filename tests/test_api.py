"""A plugin's author finds everything in bridge.api: nothing else has to be imported."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
import typing
from collections import abc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import api

PUBLIC = [what for name in api.__all__ if inspect.isclass(what := getattr(api, name))]
KNOWN = {*dir(builtins), *abc.__all__, *typing.__all__, Path.__name__, "NDArray"}
WIRE = {"UnsetType", "Meta"}
"""msgspec's own."""


def annotations(cls: type) -> Iterator[ast.expr]:
    """Those of the public attributes, and of the parameters and values of the public methods."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            yield node.annotation
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name[0] != "_":
            given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            yield from (argument.annotation for argument in given if argument.annotation)
            if node.returns:
                yield node.returns


def names(annotation: ast.expr) -> Iterator[str]:
    literals = (n for n in ast.walk(annotation) if isinstance(n, ast.Name))
    yield from (node.id for node in literals)


def is_wire_part(cls: type) -> bool:
    return cls.__module__ in ("bridge.core.messages", "bridge.core.messages")


@pytest.mark.parametrize("cls", [c for c in PUBLIC if not is_wire_part(c) and c is not api.Version])
def test_every_name_in_a_public_signature_can_be_imported_from_the_api(cls: type) -> None:
    used = {name for annotation in annotations(cls) for name in names(annotation)}
    assert used - KNOWN - WIRE - set(api.__all__) == set()


def test_what_is_offered_is_there() -> None:
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
    assert len(set(api.__all__)) == len(api.__all__)
