import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.image.resample import axis, nearest

SIDES = st.integers(1, 200)
KERNELS = st.sampled_from(["lanczos", "kaiser", "cubic", "linear", "area", "nearest"])


def dense(old: int, new: int, kernel: str, edge: str = "clamp"):
    """All weights as one matrix: new x old."""
    made = axis(old, new, kernel, edge)
    matrix = np.zeros((new, old))
    for block in made.blocks():
        places = made.inside(np.arange(block.low, block.high))
        for row, weights in enumerate(block.matrix):
            np.add.at(matrix[block.begin + row], places, weights)
    return matrix


@given(SIDES, SIDES, KERNELS, st.sampled_from(["clamp", "wrap"]))
def test_weights_of_every_kernel_add_up_to_one(old, new, kernel, edge):
    assert dense(old, new, kernel, edge).sum(axis=1) == pytest.approx(1, abs=1e-5)


@given(SIDES, SIDES)
def test_area_lets_every_texel_count_as_much_as_any_other(old, new):
    matrix = dense(old, new, "area")
    assert matrix.sum(axis=0) == pytest.approx(new / old, rel=1e-4)
    assert matrix.min() >= 0


def test_area_of_five_texels_in_two_splits_the_middle_one():
    assert dense(5, 2, "area") == pytest.approx(np.array([[2, 2, 1, 0, 0], [0, 0, 1, 2, 2]]) / 5)


def test_linear_makes_the_known_quarters():
    assert dense(2, 4, "linear") == pytest.approx(np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]))


def test_cubic_takes_a_halfway_sample_by_nine_and_one_sixteenths():
    # Catmull-Rom: -1/16, 9/16, 9/16, -1/16, to be found where the scale is 1 and the shift a half.
    middle = dense(4, 3, "cubic", "wrap")
    assert middle[1].sum() == pytest.approx(1)
    assert middle[1, 1] == pytest.approx(middle[1, 2]) and middle[1, 0] < 0


@pytest.mark.parametrize("kernel", ["lanczos", "kaiser", "cubic", "linear", "area", "nearest"])
def test_the_same_number_of_texels_leaves_them_as_they_are(kernel):
    assert dense(7, 7, kernel) == pytest.approx(np.eye(7), abs=1e-6)


@pytest.mark.parametrize("kernel", ["lanczos", "kaiser", "cubic", "linear", "area"])
@pytest.mark.parametrize(("old", "new"), [(12, 5), (5, 12), (64, 3)])
def test_a_mirrored_line_gives_the_mirrored_result(kernel, old, new):
    matrix = dense(old, new, kernel)
    assert matrix == pytest.approx(matrix[::-1, ::-1], abs=1e-5)


def test_nearest_takes_the_texel_in_which_the_centre_lies():
    assert nearest(4, 2).tolist() == [1, 3]
    assert nearest(2, 4).tolist() == [0, 0, 1, 1]
    assert nearest(5, 3).tolist() == [0, 2, 4]
