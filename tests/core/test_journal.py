"""Which requests are promised, and which answers belong to their keys for good."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from bridge.core import errors
from bridge.core.messages import Error, InputRef, Request
from bridge.core.router import digest, frees_key, is_journalled

BLOB = InputRef(name="a", blob="0" * 64)
PATH = InputRef(name="a", path="x.png")


class Params(Struct):
    size: int = 256
    name: str = ""
    more: dict[str, int] = {}


@pytest.mark.parametrize(
    ("fields", "promised"),
    [
        ({}, False),
        ({"priority": "interactive"}, False),
        ({"priority": "bulk"}, True),
        ({"key": "k"}, True),
        ({"key": "k", "priority": "interactive"}, True),
    ],
)
def test_what_has_a_key_or_all_the_time_in_the_world_is_promised(
    fields: dict[str, Any], promised: bool
) -> None:
    assert is_journalled(Request(id=1, workload="w", **fields)) is promised


def test_defaults_and_the_order_of_fields_make_no_difference_to_a_key() -> None:
    one = msgspec.convert({"name": "x", "more": {"a": 1, "b": 2}}, Params)
    other = msgspec.convert({"more": {"b": 2, "a": 1}, "name": "x", "size": 256}, Params)
    assert digest("w", one, [BLOB], None) == digest("w", other, [BLOB], None)


def test_a_project_moved_elsewhere_is_another_one_only_where_its_files_are_named() -> None:
    assert digest("w", {}, [BLOB], "/one") == digest("w", {}, [BLOB], "/two")
    assert digest("w", {}, [PATH], "/one") != digest("w", {}, [PATH], "/two")


DIFFERENT = [
    ("w", {}, []),
    ("v", {}, []),
    ("w", {"a": 1}, []),
    ("w", {"a": "1"}, []),
    ("w", {}, [BLOB]),
    ("w", {}, [BLOB, BLOB]),
    ("w", {}, [InputRef(name="b", blob="0" * 64)]),
    ("w", {}, [InputRef(name="a", blob="1" * 64)]),
    ("w", {}, [PATH]),
]


def test_everything_else_that_is_asked_for_makes_one() -> None:
    assert len({digest(*asked, None) for asked in DIFFERENT}) == len(DIFFERENT)


@given(st.dictionaries(st.text(), st.integers(-(2**63), 2**64 - 1) | st.text()))
def test_equal_parameters_have_equal_digests(params: dict[str, Any]) -> None:
    turned = dict(reversed(params.items()))
    assert digest("w", params, [], None) == digest("w", turned, [], None)


@pytest.mark.parametrize("code", errors.ERROR_CODES, ids=lambda code: code.name)
def test_what_may_work_later_frees_its_key_and_the_rest_is_the_keys_answer(code: errors.ErrorCode) -> None:
    error = Error(id=1, code=code.name, message="", retryable=code.retryable)
    expected = code.retryable or code.name in ("cancelled", "worker_crashed")
    assert frees_key(error) is expected
