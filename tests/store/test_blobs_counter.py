"""A blob counts once, whenever it comes, is found and is told."""

from __future__ import annotations

import pytest

from bridge.store.blobs import BlobCounter


@pytest.fixture
def tally() -> BlobCounter:
    tally = BlobCounter()
    tally.came("old", 5)
    tally.begin()
    return tally


def counts(tally: BlobCounter) -> tuple[int, int]:
    return tally.count, tally.bytes


def test_what_comes_behind_the_look_is_added(tally: BlobCounter) -> None:
    tally.came("new", 2)
    tally.counted(1, 5, set())
    assert counts(tally) == (2, 7)


def test_what_is_told_and_then_found_counts_once(tally: BlobCounter) -> None:
    tally.came("new", 2)
    tally.counted(2, 7, {"new"})
    assert counts(tally) == (2, 7)


def test_what_is_found_and_then_told_counts_once(tally: BlobCounter) -> None:
    tally.counted(2, 7, {"new"})
    tally.came("new", 2)
    assert counts(tally) == (2, 7)
    tally.came("another", 1)
    assert counts(tally) == (3, 8)


def test_what_was_found_removed_and_made_again_counts_again(tally: BlobCounter) -> None:
    tally.counted(2, 7, {"new"})
    tally.went("new", 2)
    tally.came("new", 2)
    assert counts(tally) == (2, 7)


def test_what_comes_and_goes_while_the_look_goes_on_doesnt_count(tally: BlobCounter) -> None:
    tally.came("new", 2)
    tally.went("new", 2)
    tally.counted(1, 5, set())
    assert counts(tally) == (1, 5)


def test_a_look_that_ended_early_leaves_nothing_to_the_next(tally: BlobCounter) -> None:
    tally.came("new", 2)
    tally.begin()
    tally.counted(2, 7, set())
    assert counts(tally) == (2, 7)


def test_between_looks_nothing_is_remembered() -> None:
    tally = BlobCounter()
    for number in range(3):
        tally.came(str(number), 1)
    assert counts(tally) == (3, 3) and not tally._came
