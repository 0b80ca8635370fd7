import numpy as np
import pytest

from accel.image import block_selection
from tests.accel.image.textures import vectors


def flat(*values: int) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.uint8), (3, 5, len(values))).copy()


def test_equal_pixels_have_the_best_figure():
    assert block_selection.color_error(flat(1, 2, 3), flat(1, 2, 3), False) == block_selection.BEST == 100


def test_it_is_the_peak_over_the_mean_squared_error():
    # Errors of 2, 0, 4: (4 + 0 + 16) / 3.
    assert block_selection.color_error(flat(10, 20, 30), flat(12, 20, 26), False) == pytest.approx(
        10 * np.log10(255**2 / (20 / 3))
    )


def test_colours_that_are_transparent_dont_count():
    before, after = flat(10, 20, 30, 0), flat(200, 0, 255, 0)
    assert block_selection.color_error(before, after, True) == block_selection.BEST


def test_colours_count_as_much_as_they_are_opaque():
    before, after = flat(10, 10, 10, 51), flat(20, 10, 10, 53)
    expected = (0.2 * 100 + 4) / (0.2 * 3 + 1)
    assert block_selection.color_error(before, after, True) == pytest.approx(10 * np.log10(255**2 / expected))


def test_data_counts_whatever_alpha_is():
    before, after = flat(10, 10, 10, 0), flat(20, 10, 10, 0)
    assert block_selection.color_error(before, after, True, data=True) == pytest.approx(
        10 * np.log10(255**2 / 25)
    )


def test_grey_is_compared_with_each_colour_made_of_it():
    assert block_selection.color_error(flat(10), flat(10, 13, 10, 255), False) == pytest.approx(
        10 * np.log10(255**2 / 3)
    )
    assert block_selection.color_error(flat(10, 255), flat(10, 10, 10, 252), True) == pytest.approx(
        10 * np.log10(255**2 / (9 / 4))
    )


def test_what_a_format_doesnt_hold_isnt_compared():
    assert block_selection.color_error(flat(10, 20, 30), flat(10), False) == block_selection.BEST
    assert block_selection.color_error(flat(10, 20, 30), flat(10, 22), False) == pytest.approx(
        10 * np.log10(255**2 / 2)
    )


def test_vectors_are_compared_by_their_direction():
    before = flat(128, 128, 255)
    assert block_selection.vector_error(before, flat(128, 128, 128 + 64)) > 55
    # 90 degrees apart: squares of 1, 0 and 1 by 3 components.
    assert block_selection.vector_error(before, flat(255, 128, 128)) == pytest.approx(
        10 * np.log10(4 / (2 / 3)), abs=0.1
    )


def test_of_two_channels_the_third_is_rebuilt():
    before = vectors(20, 20)
    assert block_selection.vector_error(before, np.ascontiguousarray(before[..., :2])) > 45


def test_light_is_compared_at_many_exposures():
    before = np.full((4, 4, 3), 0.5, np.float32)
    assert block_selection.light_error(before, before) == block_selection.BEST
    small, large = (
        block_selection.light_error(before, before * 1.01),
        block_selection.light_error(before, before * 1.1),
    )
    assert 30 < large < small < 70
    # A relative error weighs as much in the dark and in the sun, within the exposures that are looked at.
    assert block_selection.light_error(before * 8, before * 8.8) == pytest.approx(large, abs=1.5)
