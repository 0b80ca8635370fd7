"""Godot's literals become Python's values and come back as Godot writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_godot.config_file import Raw, Value, parse, render


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("true", True), ("false", False), ("null", None), ("0", 0), ("-12", -12), ("0.7", 0.7),
        ("1.0", 1.0), ("1e-05", 1e-05), ('""', ""), ('"a \\"b\\" \\\\ \\n"', 'a "b" \\ \n'),
        ('"\\u00e9"', "é"), ("inf", math.inf), ("-inf", -math.inf),
    ],
)  # fmt: skip
def test_a_literal_is_its_value(literal: str, value: Value) -> None:
    parsed = parse(literal)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "literal",
    [
        "[1, 2]", "{}", "Color(1, 0, 0, 1)", '&"name"', '"a" + "b"', "1.2.3", "9223372036854775808",
        "-9223372036854775809", "9" * 5000,
    ],
)  # fmt: skip
def test_a_type_that_is_not_known_stays_text(literal: str) -> None:
    assert isinstance(parse(literal), Raw)
    assert render(parse(literal)) == literal


@given(st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.none())
def test_every_value_comes_back(value: Value) -> None:
    parsed = parse(render(value))
    assert parsed == value
    assert type(parsed) is type(value)


def test_what_no_option_can_be_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        render([1])  # type: ignore[arg-type]
