import math

from accel.execution.batching import MIN_LIMIT_S, REMEMBERED_RUNS, BatchTimeout


def test_nothing_hangs_of_which_nothing_is_known():
    pace = BatchTimeout()
    assert pace.limit_s("", 1) == math.inf and pace.longest_s == MIN_LIMIT_S


def test_three_times_the_longest_is_too_long_for_what_is_no_larger():
    pace = BatchTimeout(1.0)
    pace.learn(4.0, "x", 8)
    pace.learn(2.0, "x", 4)
    assert [pace.limit_s("x", rows) for rows in (1, 8, 9)] == [12.0, 12.0, math.inf]
    assert pace.longest_s == 4.0


def test_what_is_fast_has_the_least_all_the_same():
    pace = BatchTimeout(1.0)
    pace.learn(0.01, "x", 8)
    assert pace.limit_s("x", 8) == pace.longest_s == 1.0


def test_what_one_bucket_took_is_time_enough_for_another_that_says_nothing_of_its_batches():
    pace = BatchTimeout(1.0)
    pace.learn(4.0, "x", 8)
    assert pace.limit_s("y", 1) == math.inf
    pace.learn(0.1, "y", 2)
    assert pace.limit_s("y", 2) == 12.0
    pace.learn(9.0)
    assert pace.limit_s("y", 2) == 27.0 and pace.limit_s("", 1) == math.inf


def test_what_was_slow_for_once_is_forgotten():
    pace = BatchTimeout(1.0)
    pace.learn(60.0)
    for _ in range(REMEMBERED_RUNS):
        pace.learn(0.5, "x", 8)
    assert pace.limit_s("x", 8) == 1.5
