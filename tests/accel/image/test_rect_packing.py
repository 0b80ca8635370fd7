import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image.compiled import maxrects as loops
from accel.image.compiled.constants import Heuristic
from accel.image.rect_packing import FIXED_STRATEGIES, by_area, growing_strategies, pack, sort_indices

SIDES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=40)
PAGE = st.tuples(st.integers(20, 200), st.integers(20, 200))


def boxes(widths, heights, found):
    """Left, top, right and bottom of all that were placed."""
    x, y, turned = found.T
    right, bottom = x + np.where(turned, heights, widths), y + np.where(turned, widths, heights)
    return np.stack([x, y, right, bottom], 1)[x >= 0]


def overlaps(placed):
    left, top, right, bottom = placed.T
    meet = (
        (left[:, None] < right) & (left < right[:, None]) & (top[:, None] < bottom) & (top < bottom[:, None])
    )
    return np.triu(meet, 1).any()


@settings(deadline=None)
@given(SIDES, PAGE, st.sampled_from(Heuristic), st.booleans())
def test_nothing_overlaps_or_leaves_the_page_and_compiled_loops_agree(sides, page, rule, rotate):
    widths, heights = np.array(sides, np.int64).T.copy()
    found = pack(widths, heights, *page, rule, rotate, fast=False)
    placed = boxes(widths, heights, found)
    assert not overlaps(placed)
    assert (placed[:, :2] >= 0).all() and (placed[:, 2:] <= page).all()
    assert rotate or not found[:, 2].any()
    assert (loops.pack(widths, heights, *page, int(rule), rotate) == found).all()


@pytest.mark.parametrize("rule", Heuristic)
def test_many_rectangles_are_packed_alike_with_and_without_compiled_loops(rule):
    random = np.random.default_rng(5)
    widths, heights = random.integers(3, 60, (2, 250))
    slow = pack(widths, heights, 300, 400, rule, True, fast=False)
    assert (pack(widths, heights, 300, 400, rule, True) == slow).all()
    assert 0 < (slow[:, 0] >= 0).sum() < 250


def test_what_tiles_a_page_exactly_fills_it():
    widths, heights = np.full(16, 8), np.full(16, 8)
    for rule in Heuristic:
        found = pack(widths, heights, 32, 32, rule, False)
        assert (found[:, 0] >= 0).all() and not overlaps(boxes(widths, heights, found))


def test_what_fits_only_when_turned_is_turned():
    wide = np.array([30]), np.array([10])
    assert pack(*wide, 10, 30, Heuristic.AREA, True).tolist() == [[0, 0, 1]]
    assert pack(*wide, 10, 30, Heuristic.AREA, False).tolist() == [[-1, -1, 0]]


def test_each_rule_chooses_as_the_paper_says():
    # A 4 x 6 rectangle in the corner of 10 x 10 leaves 6 x 10 on its right and 10 x 4 after it.
    for rule, place in {
        Heuristic.SHORT_SIDE: [0, 6, 0], Heuristic.LONG_SIDE: [4, 0, 0], Heuristic.AREA: [0, 6, 0],
        Heuristic.BOTTOM_LEFT: [4, 0, 0], Heuristic.GROWTH: [4, 0, 0], Heuristic.CONTACT: [0, 6, 0],
        Heuristic.GUILLOTINE: [0, 6, 0],
    }.items():  # fmt: skip
        widths, heights = np.array([4, 3]), np.array([6, 4])
        assert pack(widths, heights, 10, 10, rule, False)[1].tolist() == place, rule


def test_a_guillotine_never_uses_space_across_a_cut():
    widths, heights = np.array([4, 5]), np.array([6, 4])
    assert pack(widths, heights, 10, 10, Heuristic.SHORT_SIDE, False)[1].tolist() == [0, 6, 0]
    assert pack(widths, heights, 10, 10, Heuristic.GUILLOTINE, False)[1].tolist() == [4, 0, 0]


def test_the_largest_come_first_and_equals_stay_in_their_order():
    assert sort_indices(by_area, np.array([2, 4, 1, 4]), np.array([2, 4, 1, 4])).tolist() == [1, 3, 0, 2]


def test_no_way_is_tried_twice():
    for ways in (FIXED_STRATEGIES, growing_strategies(True), growing_strategies(False)):
        assert len(set(ways)) == len(ways)
