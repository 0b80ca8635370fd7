"""Parameters as they are typed."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from msgspec import Struct

from bridge.commands.run.values import value_of


class Params(Struct):
    number: int = 0
    choice: Literal["8", "16"] = "8"
    text: str = ""
    either: int | str = 0
    many: list[int] = []


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("number", "8", 8),
        ("choice", "8", "8"),
        ("text", "true", "true"),
        ("text", '"quoted"', "quoted"),
        ("text", "plain words", "plain words"),
        ("either", "8", 8),
        ("many", "[1, 2]", [1, 2]),
        ("number", "many", "many"),
        ("number", "[1]", [1]),
        ("unknown", "[1]", [1]),
    ],
)
def test_json_is_read_as_json_unless_text_is_wanted(name: str, typed: str, value: Any) -> None:
    assert value_of(Params, name, typed) == value
