import numpy as np
import pytest

from accel.image.normal_maps import LEAST_SQUARES, variance, wave_levels, wave_sums


@pytest.mark.parametrize(
    ("side", "steps"), [(1024, [4, 8, 16, 32, 64]), (512, [2, 4, 8, 16, 32]), (200, [2, 4, 8, 16]), (24, [2])]
)
def test_waves_are_means_over_squares_of_the_whole_image(side, steps):
    picture = np.random.default_rng(1).integers(0, 256, (side, side, 4), np.uint8)
    levels = list(wave_levels(picture))
    assert len(levels) == len(steps)
    for level, step in zip(levels, steps, strict=True):
        count = side // step
        texels = picture[: count * step, : count * step, :3].reshape(count, step, count, step, 3)
        # Rows and columns are rounded one after the other.
        inside = level[:count, :count]
        assert inside == pytest.approx(texels.mean((1, 3)) / 255, abs=1.1 / 255)


@pytest.mark.parametrize("shape", [(5, 300), (4, 4), (23, 23), (30, 4000)])
def test_thin_and_small_images_have_none(shape):
    assert min(shape) < 2 * LEAST_SQUARES or max(shape) > 256 * min(shape) / LEAST_SQUARES
    assert list(wave_levels(np.zeros((*shape, 3), np.uint8))) == []


def test_too_few_squares_for_a_band_say_nothing():
    assert wave_sums(np.zeros((3, 3, 3), np.float32)).shape == (0, 3)


def test_the_variance_is_that_of_the_slopes():
    slopes = np.random.default_rng(1).normal(0, 0.2, (50, 60, 2))
    picture = np.concatenate([slopes, np.ones((50, 60, 1))], -1) * 0.4 + 0.5
    assert variance(picture.astype(np.float32)) == pytest.approx(slopes.var((0, 1)).sum(), rel=1e-3)
