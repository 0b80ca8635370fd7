"""Average rates with bursts."""

from __future__ import annotations

from bridge.core.rate_limit import TokenBucket


def test_a_burst_passes_and_then_the_rate() -> None:
    bucket = TokenBucket(2, 3, now=10.0)
    assert [bucket.spend(1, 10.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.spend(1, 10.0) == 0.5
    assert bucket.spend(1, 10.0) == 0.5
    assert bucket.spend(1, 10.5) == 0
    assert bucket.spend(1, 10.75) == 0.25


def test_a_burst_is_ten_seconds_of_the_rate_and_no_more_after_a_rest() -> None:
    bucket = TokenBucket(5)
    assert bucket.spend(50, 0) == 0
    assert bucket.spend(50, 1e6) == 0
    assert bucket.spend(1, 1e6) > 0


def test_what_is_charged_afterwards_leaves_a_debt() -> None:
    bucket = TokenBucket(10, 10)
    assert bucket.charge(30, 0) == 2.0
    assert bucket.wait_s(1.0) == 1.0
    assert bucket.wait_s(2.0) == 0
    assert not bucket.is_full(2.0)
    assert bucket.is_full(3.0)


def test_a_refund_fills_at_most_to_the_burst() -> None:
    bucket = TokenBucket(1, 2)
    bucket.charge(1, 0)
    bucket.refund(5)
    assert bucket.spend(2, 0) == 0
    assert bucket.spend(1, 0) == 1.0


def test_a_rate_of_zero_limits_nothing() -> None:
    bucket = TokenBucket(0)
    assert all(bucket.spend(1e9, 0) == 0 for _ in range(10))
    bucket.refund(1)
    assert bucket.is_full(0) and bucket.wait_s(0) == 0
