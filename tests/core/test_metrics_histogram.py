"""Durations in buckets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.metrics import BOUNDS_S, Histogram

durations = st.floats(0, 120)


def of(*seconds: float) -> Histogram:
    made = Histogram()
    for each in seconds:
        made.add(each)
    return made


@given(st.lists(durations))
def test_each_duration_counts_below_every_bound_that_it_doesnt_pass(seconds: list[float]) -> None:
    counts = dict(of(*seconds).cumulative())
    assert counts["+Inf"] == len(seconds)
    for bound in BOUNDS_S:
        assert counts[repr(bound)] == sum(each <= bound for each in seconds)


@given(st.lists(st.floats(0, BOUNDS_S[-1]), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_of_the_real_one(seconds: list[float], part: float) -> None:
    real = sorted(seconds)[max(0, math.ceil(part * len(seconds)) - 1)]
    found = of(*seconds).quantile(part)
    low = max([0.0, *(bound for bound in BOUNDS_S if bound < real)])
    assert found is not None and low <= found <= min(bound for bound in BOUNDS_S if bound >= real)


def test_of_nothing_there_is_no_quantile() -> None:
    assert of().quantile(0.5) is None


def test_what_took_longer_than_all_bounds_is_said_to_have_taken_the_last() -> None:
    assert of(1e6).quantile(0.5) == BOUNDS_S[-1]


def test_durations_are_spread_evenly_within_their_bucket() -> None:
    assert of(*[0.3] * 100).quantile(0.5) == pytest.approx(0.375)
    assert of(0.3, 0.3).sum == 0.6
