import math

from accel.execution.batching import MIN_LIMIT_S, REMEMBERED_RUNS, BatchTimeout


def test_there_is_no_time_limit_before_the_first_run():
    pace = BatchTimeout()
    assert pace.limit_s("", 1) == math.inf and pace.longest_s == MIN_LIMIT_S


def test_batches_of_known_size_are_limited_to_three_times_the_longest_run():
    pace = BatchTimeout(1.0)
    pace.learn(4.0, "x", 8)
    pace.learn(2.0, "x", 4)
    assert [pace.limit_s("x", rows) for rows in (1, 8, 9)] == [12.0, 12.0, math.inf]
    assert pace.longest_s == 4.0


def test_fast_workloads_have_the_least_limit():
    pace = BatchTimeout(1.0)
    pace.learn(0.01, "x", 8)
    assert pace.limit_s("x", 8) == pace.longest_s == 1.0


def test_runs_of_one_bucket_do_not_limit_batches_of_another():
    pace = BatchTimeout(1.0)
    pace.learn(4.0, "x", 8)
    assert pace.limit_s("y", 1) == math.inf
    pace.learn(0.1, "y", 2)
    assert pace.limit_s("y", 2) == 12.0
    pace.learn(9.0)
    assert pace.limit_s("y", 2) == 27.0 and pace.limit_s("", 1) == math.inf


def test_an_old_slow_run_is_forgotten():
    pace = BatchTimeout(1.0)
    pace.learn(60.0)
    for _ in range(REMEMBERED_RUNS):
        pace.learn(0.5, "x", 8)
    assert pace.limit_s("x", 8) == 1.5
