import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.ai.text_recognition import Box, bounding_box, text_regions


@pytest.mark.parametrize(("x", "meets"), [(0, True), (4, True), (9, True), (10, False), (30, False)])
def test_boxes_overlap_if_the_centre_of_one_is_in_the_other(x, meets):
    one = Box(np.array([(0, 0), (10, 0), (10, 4), (0, 4)], float))
    other = Box(np.array([(x + 2, -1), (x + 2, 5), (x - 1, 5), (x - 1, -1)], float))
    wide = Box(np.array([(-5, -5), (40, -5), (40, 9), (-5, 9)], float))
    assert one.overlaps(other) == other.overlaps(one) == meets
    assert wide.overlaps(one) and one.overlaps(wide)


def test_regions_that_touch_by_a_side_are_one():
    mask = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]], bool)
    found = sorted(sorted(map(tuple, one.tolist())) for one in text_regions(mask))
    assert found == [[(0, 0), (0, 1), (1, 1)], [(1, 3), (2, 3)]]


def test_a_mask_of_nothing_has_no_regions():
    assert list(text_regions(np.zeros((3, 4), bool))) == []


def test_a_level_block_gives_its_own_edges():
    pixels = np.stack(np.mgrid[10:14, 20:50], -1).reshape(-1, 2)
    found = bounding_box(pixels)
    assert found.corners.tolist() == [[20, 10], [50, 10], [50, 14], [20, 14]]
    assert (found.width, found.height) == (30, 4)


def test_one_pixel_is_a_box():
    assert bounding_box(np.array([[3, 5]])).corners.tolist() == [[5, 3], [6, 3], [6, 4], [5, 4]]


@given(st.floats(-44, 44), st.floats(20, 60), st.floats(6, 18))
@settings(max_examples=40, deadline=None)
def test_the_box_of_a_rotated_block_is_rotated(degrees, wide, high):
    angle = np.radians(degrees)
    along, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    y, x = np.mgrid[:120, :120]
    places = np.stack([x + 0.5, y + 0.5], -1) - 60
    inside = (np.abs(places @ along) < wide / 2) & (np.abs(places @ down) < high / 2)
    pixels = np.argwhere(inside)
    found = bounding_box(pixels)
    # No larger than the block with a pixel more on each side, and around all of it.
    assert found.width * found.height <= (wide + 2) * (high + 2)
    corners = pixels[:, ::-1] + 0.5 - found.corners[0]
    for axis, length in ((found.corners[1] - found.corners[0], found.width),
                         (found.corners[3] - found.corners[0], found.height)):  # fmt: skip
        reach = corners @ axis / length
        assert reach.min() >= -1e-6 and reach.max() <= length + 1e-6


def test_the_first_side_is_the_one_nearest_to_level():
    for degrees in range(-44, 45, 11):
        angle = np.radians(degrees)
        y, x = np.mgrid[:100, :100] - 50
        inside = (np.abs(x * np.cos(angle) + y * np.sin(angle)) < 40) & (
            np.abs(y * np.cos(angle) - x * np.sin(angle)) < 8
        )
        side = bounding_box(np.argwhere(inside)).corners
        first = side[1] - side[0]
        assert np.degrees(np.arctan2(first[1], first[0])) == pytest.approx(degrees, abs=3)


def test_boxes_grow_scale_and_turn():
    box = Box(np.array([(10, 20), (30, 20), (30, 24), (10, 24)], float))
    assert box.expand(2).corners.tolist() == [[8, 18], [32, 18], [32, 26], [8, 26]]
    assert box.scale(2, 0.5).corners.tolist() == [[20, 10], [60, 10], [60, 12], [20, 12]]
    assert box.rotate(1).corners.tolist() == [[30, 20], [30, 24], [10, 24], [10, 20]]
