import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.ai.matting import box_filter, refine_mask, resize_linear
from accel.ai.preprocessing import resize_planes


def means(values, radius):
    """By the definition of a mean over a window."""
    high, wide = values.shape
    return np.array(
        [[values[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1].mean()
          for x in range(wide)] for y in range(high)]
    )  # fmt: skip


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_windows_are_averaged_up_to_the_border(high, wide, radius, seed):
    values = np.random.default_rng(seed).random((high, wide, 2), np.float32)
    made = box_filter(values, radius)
    for channel in (0, 1):
        assert made[..., channel] == pytest.approx(means(values[..., channel], radius), abs=1e-6)


FRONT, BACK = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.4, 0.8])


def scene(opacity):
    return (opacity[..., None] * FRONT + (1 - opacity[..., None]) * BACK).astype(np.float32)


def test_a_soft_mask_takes_the_sharp_edge_of_its_image():
    wanted = np.zeros((240, 300), np.float32)
    wanted[:, 150:] = 1
    # As a network sees it: 32 pixels wide, half a pixel off and four pixels soft.
    mask = np.clip((np.arange(32) - 13.5) / 4, 0, 1).astype(np.float32)[None].repeat(24, 0)
    soft = resize_planes(mask[..., None], 300, 240)[..., 0]
    sharp = refine_mask(mask, scene(wanted), radius=20)
    assert np.abs(sharp - wanted).mean() < np.abs(soft - wanted).mean() / 4


def test_what_is_half_transparent_in_the_image_is_so_in_the_mask():
    wanted = np.clip((np.arange(200) - 90) / 20, 0, 1).astype(np.float32)[None].repeat(160, 0)
    mask = resize_planes((wanted > 0.5).astype(np.float32)[..., None], 40, 32)[..., 0]
    made = refine_mask(mask, scene(wanted), radius=20)
    assert np.abs(made - wanted).max() < 0.12


def test_where_the_image_has_no_edge_the_mask_stays():
    mask = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(64, 0)
    assert refine_mask(mask, np.full((64, 64, 3), 0.5, np.float32), 4) == pytest.approx(mask, abs=1e-4)


def test_away_from_edges_nothing_changes_whatever_the_picture_shows():
    mask = np.zeros((100, 100), np.float32)
    mask[:, 50:] = 1
    noise = np.random.default_rng(1).random((100, 100, 3), np.float32)
    made = refine_mask(mask, noise, radius=5)
    assert made[:, :40].max() < 0.01 and made[:, 60:].min() > 0.99


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (3, 2000), (2100, 2)])
def test_any_size_is_refined_to_the_size_of_the_image(shape):
    made = refine_mask(
        np.ones((4, 4), np.float32), np.random.default_rng(1).random((*shape, 3), np.float32), 3
    )
    assert made.shape == shape
    assert made.min() > 0.99 and made.max() <= 1


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_straight_line_stays_one_when_resized(length):
    line = np.arange(length, dtype=np.float32).reshape(1, -1, 1)
    wanted = np.clip((np.arange(length * 3) + 0.5) / 3 - 0.5, 0, length - 1)
    assert resize_linear(line, length * 3, 1)[0, :, 0] == pytest.approx(wanted, abs=1e-5)
    assert resize_linear(line[0], length * 3, 0, slice(1, 2))[:, 0] == pytest.approx(wanted[1:2], abs=1e-5)
