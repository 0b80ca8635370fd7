"""When to ask again: by what is ahead, what it takes, and how many workers do it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.router import DEFAULT_RUN_S, MAX_RETRY_MS, MIN_RETRY_MS, PRIORITIES, RETRY_SHARE, Load


def busy(load: Load, count: int, priority: str = "normal", name: str = "image.resize") -> None:
    for _ in range(count):
        load.enter(object(), name, priority)


def test_twice_the_work_ahead_is_twice_the_wait_and_twice_the_workers_half_of_it() -> None:
    one, two = Load(workers=1), Load(workers=2)
    for load in (one, two):
        load.ran("image.resize", 1.0)
        busy(load, 4)
    assert one.wait_s("normal") == 4.0
    assert two.wait_s("normal") == 2.0
    assert one.retry_after_ms("normal") == 4000 * RETRY_SHARE
    busy(one, 4)
    assert one.retry_after_ms("normal") == 8000 * RETRY_SHARE


def test_only_what_goes_first_counts() -> None:
    load = Load(workers=1)
    load.ran("image.resize", 1.0)
    busy(load, 10, "bulk")
    busy(load, 3, "normal")
    assert [load.wait_s(each) for each in PRIORITIES] == [0.0, 3.0, 13.0]
    assert load.retry_after_ms("interactive") == MIN_RETRY_MS


def test_what_runs_took_lately_counts_more_than_what_they_took_before() -> None:
    load = Load(workers=1)
    load.ran("ai.upscale", 10.0)
    for _ in range(30):
        load.ran("ai.upscale", 1.0)
    assert load.means["ai.upscale"] == pytest.approx(1.0, abs=0.05)
    busy(load, 1, name="ai.upscale")
    assert 1.0 <= load.wait_s("normal") < 1.05


def test_what_was_never_measured_has_a_guess() -> None:
    load = Load(workers=1)
    busy(load, 5)
    assert load.wait_s("normal") == pytest.approx(5 * DEFAULT_RUN_S)
    assert not load.means


@pytest.mark.parametrize("run_s", [0.0, 3600.0])
def test_nobody_is_sent_away_for_no_time_or_for_ever(run_s: float) -> None:
    load = Load(workers=1)
    load.ran("image.resize", run_s)
    busy(load, 100)
    assert load.retry_after_ms("bulk") == (MAX_RETRY_MS if run_s else MIN_RETRY_MS)


@given(st.lists(st.tuples(st.sampled_from(PRIORITIES), st.floats(0, 1e6)), max_size=50))
def test_when_all_is_answered_nothing_is_ahead(runs: list[tuple[str, float]]) -> None:
    load = Load(workers=3)
    for key, (priority, run_s) in enumerate(runs):
        load.ran("w", run_s)
        load.enter(key, "w", priority)
        assert load.wait_s("bulk") >= 0
    for key in range(len(runs)):
        load.leave(key)
        load.leave(key)
    assert load.wait_s("bulk") == 0.0
