"""Which parts of a blob are sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.server.blobs import satisfiable_ranges


@pytest.mark.parametrize(
    ("header", "becomes"),
    [
        ("bytes=2-4", "bytes=2-4"),
        ("bytes=2-", "bytes=2-"),
        ("bytes=-3", "bytes=-3"),
        ("bytes=-300", "bytes=-300"),
        ("bytes=5-500", "bytes=5-500"),
        ("Bytes= 0-0 , ,9-9", "bytes=0-0,9-9"),
        # What isn't there is left out, unless nothing is left.
        ("bytes=0-1,10-12", "bytes=0-1"),
        ("bytes=10-12,-0", "bytes=10-12,-0"),
        ("bytes=10-", "bytes=10-"),
        # Not ours, or not valid.
        ("lines=2-4", None),
        ("bytes", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=4-2", None),
        ("bytes=a-b", None),
        ("bytes=1-2,x", None),
        ("bytes=²-3", None),
        ("bytes=0-" + "9" * 5000, None),
        ("", None),
    ],
)
def test_what_is_there_is_sent_and_what_cant_be_read_is_passed_over(header: str, becomes: str | None) -> None:
    assert satisfiable_ranges(header, 10) == becomes


def test_of_nothing_no_part_can_be_sent() -> None:
    assert satisfiable_ranges("bytes=-5,0-", 0) == "bytes=-5,0-"


@given(st.text(alphabet="bytes=-,0123456789 ²x"), st.integers(0, 100))
def test_whatever_comes_is_read_or_passed_over(header: str, size: int) -> None:
    found = satisfiable_ranges("bytes=" + header, size)
    assert found is None or found.startswith("bytes=")
