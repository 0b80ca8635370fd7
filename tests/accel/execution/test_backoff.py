import pytest

from accel.execution.backoff import DEVICES, Backoff, KeyedBackoff

FIRST_S, MOST_S = DEVICES.first_s, DEVICES.most_s


@pytest.mark.parametrize(
    ("backoff", "pauses"),
    [
        (Backoff(1.0, 5.0), [1, 2, 4, 5, 5]),
        (Backoff(0.1, 5.0, factor=4), [0.1, 0.4, 1.6, 5, 5]),
        (Backoff(3.0, 2.0), [2, 2]),
    ],
)
def test_pauses_grow_up_to_the_longest(backoff, pauses):
    assert [backoff.pause_s(tries) for tries in range(len(pauses))] == pytest.approx(pauses)
    assert backoff.pause_s(10**6) == backoff.most_s and backoff.pause_s(3, least_s=7.0) == 7.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def retries(clock):
    return KeyedBackoff(clock)


def test_what_failed_is_tried_again_after_a_while(retries, clock):
    assert retries.left_s("gpu") == 0 and retries.reason("gpu") == ""
    assert retries.failed("gpu", "full") == FIRST_S
    clock.now += FIRST_S - 1
    assert retries.left_s("gpu") == pytest.approx(1) and retries.reason("gpu") == "full"
    clock.now += 1
    assert retries.left_s("gpu") == 0


def test_what_keeps_failing_is_tried_less_and_less_often_but_never_given_up(retries, clock):
    waits = []
    for _ in range(8):
        waits.append(retries.failed("gpu"))
        clock.now += waits[-1]
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S] and waits[-1] == MOST_S


def test_many_failures_at_the_same_time_count_as_one(retries, clock):
    assert [retries.failed("gpu") for _ in range(5)] == [FIRST_S] * 5
    clock.now += FIRST_S
    assert retries.failed("gpu") == 2 * FIRST_S


def test_a_success_forgets_what_was_before(retries, clock):
    retries.failed("gpu")
    clock.now += FIRST_S
    assert retries.worked("gpu") and not retries.worked("gpu")
    assert retries.left_s("gpu") == 0 and retries.failed("gpu") == FIRST_S


def test_one_device_s_failure_is_not_another_s(retries):
    retries.failed("gpu")
    assert retries.left_s("other") == 0
