import numpy as np
import pytest

from accel.image.normal_maps import measure_waves, variance, wave_sums


@pytest.mark.parametrize("steps", [(1, 1), (1, 2), (2, 1)])
def test_waves_are_means_over_squares_of_the_image(steps):
    picture = np.random.default_rng(1).random((24, 26, 3)).astype(np.float32)
    down, right = (4 * max(steps) // step for step in steps)
    rows, columns = 24 // down, 26 // right
    texels = picture[: rows * down, : columns * right].reshape(rows, down, columns, right, 3)
    assert measure_waves(picture, steps) == pytest.approx(texels.mean((1, 3)), abs=1e-6)


@pytest.mark.parametrize(("shape", "steps"), [((256, 10), (400, 1)), ((11, 256), (1, 1)), ((5, 5), (1, 1))])
def test_there_are_none_where_no_three_squares_fit(shape, steps):
    found = measure_waves(np.zeros((*shape, 3), np.float32), steps)
    assert found.size == 0 and wave_sums(found, steps).shape == (0, 3)


def test_both_slopes_change_alike_though_rows_lie_farther_apart_than_columns():
    # h = x y / 100 in steps of 3 rows and 2 columns: p = y / 100, q = x / 100; green points up.
    y, x = np.mgrid[:40, :40] * np.array([3, 2]).reshape(2, 1, 1) - 50.0
    slopes = np.stack([-y / 200, x / 200, np.ones_like(x)], -1) * 0.25
    product, twists, _ = wave_sums((slopes + 0.5).astype(np.float32), (3, 2)).sum(0)
    assert 2 * product == pytest.approx(twists, rel=1e-3)


def test_the_variance_is_that_of_the_slopes():
    slopes = np.random.default_rng(1).normal(0, 0.2, (50, 60, 2))
    picture = np.concatenate([slopes, np.ones((50, 60, 1))], -1) * 0.4 + 0.5
    assert variance(picture.astype(np.float32)) == pytest.approx(slopes.var((0, 1)).sum(), rel=1e-3)
