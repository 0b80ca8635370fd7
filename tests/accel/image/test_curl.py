"""What real normal maps are like: through JPEG, noisy, turned by hand, of two makers' layers."""

import io

import numpy as np
import pytest
from PIL import Image

from accel.image.curl import Curl, curl
from accel.image.normals import CLEAR
from accel.image.sampling import sample
from tests.accel.image.test_normals import heights, normal_map

SIGNS = {"opengl": 1, "directx": -1}


def judge(pixels) -> Curl:
    pixels = np.ascontiguousarray(pixels)
    return curl(pixels, sample(pixels))


def through_jpeg(pixels, quality: int):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(pixels, deviation: float):
    noise = np.random.default_rng(7).normal(0, deviation, pixels.shape)
    return np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8)


def smooth(size: int, length: float, slope: float):
    """Heights that change within `length` texels, with this standard deviation of slopes."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    noise = np.random.default_rng(5).normal(size=(size, size))
    field = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency * length) ** 2))).real
    return field * slope / np.gradient(field, axis=1).std()


def layered(waves: float, grain: float, size: int = 512):
    """Coarse waves whose green points up, and grain on them whose green points down; given are deviations."""
    up = normal_map(smooth(size, size / 6, waves), "opengl")
    down = normal_map(smooth(size, 8, grain), "directx")
    slopes = sum((one[..., :2] - 127.5) / (one[..., 2:] - 127.5) for one in (up, down))
    vectors = np.concatenate([slopes, np.ones_like(slopes[..., :1])], -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.round((vectors + 1) * 127.5).astype(np.uint8)


@pytest.mark.parametrize("convention", SIGNS)
@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize(
    ("amplitude", "spoil"),
    [
        (0.3, lambda pixels: through_jpeg(pixels, 90)),
        (0.7, lambda pixels: through_jpeg(pixels, 75)),
        (0.9, lambda pixels: noisy(pixels, 4)),
    ],
    ids=["faint, JPEG 90", "JPEG 75", "noise"],
)
def test_what_jpeg_and_noise_leave_is_told_from_means(convention, seed, amplitude, spoil):
    found = judge(spoil(normal_map(heights(256, amplitude, seed), convention)))
    assert found.sure >= CLEAR and found.sign * SIGNS[convention] > 0


@pytest.mark.parametrize("convention", SIGNS)
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize(("size", "amplitude"), [(64, 8), (256, 8), (512, 8), (512, 60)])
def test_a_picture_turned_without_its_vectors_is_of_neither_convention(convention, turns, size, amplitude):
    found = judge(np.rot90(normal_map(heights(size, amplitude), convention), turns))
    # Its slopes read as the other convention's, and inverting green would heal nothing.
    assert found.turned and found.sure == 0 and found.sign * SIGNS[convention] < 0


@pytest.mark.parametrize("convention", SIGNS)
def test_neither_is_one_whose_red_and_green_are_exchanged(convention):
    assert judge(normal_map(heights(256), convention)[..., [1, 0, 2]]).turned


@pytest.mark.parametrize("convention", SIGNS)
def test_half_a_turn_changes_no_convention(convention):
    found = judge(normal_map(heights(256), convention)[::-1, ::-1])
    assert not found.turned and found.sure >= CLEAR and found.sign * SIGNS[convention] > 0


@pytest.mark.parametrize("waves", [0.3, 0.6, 1.0])
def test_grain_isnt_told_where_the_waves_below_it_say_the_opposite(waves):
    found = judge(layered(waves, 0.2))
    assert found.sign < -0.4 and found.sure == 0


def test_grain_is_told_where_waves_are_slight():
    found = judge(layered(0.005, 0.2))
    assert found.sign < 0 and found.sure >= CLEAR


@pytest.mark.parametrize("size", [(512, 96), (96, 512), (300, 200), (17, 9), (5, 400)])
def test_sizes_of_any_proportion_are_told(size):
    height, width = size
    found = judge(normal_map(heights(512), "directx")[:height, :width])
    assert found.sign < 0 and not found.turned


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 50, 3), (50, 2, 3), (3, 3, 3), (5, 5, 4)])
def test_too_few_texels_tell_nothing(shape):
    assert judge(np.full(shape, 128, np.uint8)) == (0, 0, False)
