"""How old files are, while somebody sets the clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.store.blobs import CLOCK_SLACK_S, BlobClock


class Clocks:
    """A wall clock that can be set, and one that can't."""

    def __init__(self) -> None:
        self.wall = 1e9
        self.steady = 50.0
        self.ages = BlobClock(lambda: self.wall, lambda: self.steady)

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_time_passes() -> None:
    clocks = Clocks()
    clocks.go(10)
    assert clocks.ages.now() == 1e9 + 10


def test_a_clock_that_is_put_forward_makes_no_file_old() -> None:
    clocks = Clocks()
    clocks.wall += 86_400
    assert clocks.ages.now() == 1e9


def test_a_clock_that_is_put_back_makes_files_younger() -> None:
    clocks = Clocks()
    clocks.wall -= 3600
    assert clocks.ages.now() == 1e9 - 3600


PASSES = st.floats(0, 1000)


@given(PASSES, PASSES, PASSES, st.floats(-1e6, 1e6), st.booleans())
def test_what_was_written_after_a_moment_isnt_dated_before_it_though_the_clock_is_set(
    first: float, second: float, third: float, put: float, set_before: bool
) -> None:
    clocks = Clocks()
    mark = clocks.ages.mark()
    clocks.go(first)
    if set_before:
        clocks.wall += put
    clocks.go(second)
    written = clocks.wall
    if not set_before:
        clocks.wall += put
    clocks.go(third)
    assert clocks.ages.since(mark) <= written - CLOCK_SLACK_S + 1e-3
