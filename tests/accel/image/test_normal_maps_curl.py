"""What real normal maps are like: through JPEG, noisy, turned by hand, of two makers' layers."""

import io

import numpy as np
import pytest
from PIL import Image

from accel.image.normal_maps import (
    FULL_SIGN,
    NAMED_CONFIDENCE,
    Curl,
    examine_normals,
    judge_curl,
    measure_curl,
)
from accel.image.statistics import sample_pixels
from tests.accel.image.test_normal_maps import heights, normal_map

SIGNS = {"opengl": 1, "directx": -1}


def judge(pixels) -> Curl:
    pixels = np.ascontiguousarray(pixels)
    return measure_curl(pixels, sample_pixels(pixels))


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


def bumps(size: int, length: float, slope: float = 0.25, seed: int = 5):
    """Heights of waves of about one length, texels, in all directions."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    noise = np.random.default_rng(seed).normal(size=(size, size))
    field = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-(((frequency * length - 1) / 0.3) ** 2))).real
    return field * slope / np.gradient(field, axis=1).std()


def vectors(slopes):
    """A normal map of such slopes."""
    made = np.concatenate([slopes, np.ones_like(slopes[..., :1])], -1)
    made /= np.linalg.norm(made, axis=-1, keepdims=True)
    return np.round((made + 1) * 127.5).astype(np.uint8)


def together(*maps):
    """A normal map of all their slopes."""
    return vectors(sum((one[..., :2] - 127.5) / (one[..., 2:] - 127.5) for one in maps))


def unrelated(shape: tuple[int, int], seed: int, smooth: bool = False):
    """Slopes at random, those in x and those in y of no surface."""
    slopes = np.random.default_rng(seed).normal(0, 0.2, (*shape, 2))
    if smooth:
        down, right = (np.fft.fftfreq(side) for side in shape)
        keep = np.exp(-((4 * np.hypot(*np.meshgrid(right, down))) ** 2))[..., None]
        slopes = np.fft.ifft2(np.fft.fft2(slopes, axes=(0, 1)) * keep, axes=(0, 1)).real
        slopes *= 0.2 / slopes.std((0, 1))
    return vectors(slopes)


def layered(waves: float, grain: float, size: int = 512):
    """Coarse waves whose green points up, and grain on them whose green points down; given are deviations."""
    up = normal_map(smooth(size, size / 6, waves), "opengl")
    down = normal_map(smooth(size, 8, grain), "directx")
    return together(up, down)


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
def test_means_show_the_convention_after_jpeg_and_noise(convention, seed, amplitude, spoil):
    found = judge(spoil(normal_map(heights(256, amplitude, seed), convention)))
    assert found.confidence >= NAMED_CONFIDENCE and found.sign * SIGNS[convention] > 0


@pytest.mark.parametrize("convention", SIGNS)
@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize(("size", "amplitude"), [(64, 8), (256, 8), (512, 8), (512, 60)])
def test_a_picture_turned_without_its_vectors_is_of_neither_convention(convention, turns, size, amplitude):
    found = judge(np.rot90(normal_map(heights(size, amplitude), convention), turns))
    # Its slopes read as the other convention's, and inverting green would heal nothing.
    assert found.rotated and found.confidence == 0 and found.sign * SIGNS[convention] < 0


@pytest.mark.parametrize("convention", SIGNS)
def test_neither_is_one_whose_red_and_green_are_exchanged(convention):
    assert judge(normal_map(heights(256), convention)[..., [1, 0, 2]]).rotated


@pytest.mark.parametrize("convention", SIGNS)
def test_half_a_turn_changes_no_convention(convention):
    found = judge(normal_map(heights(256), convention)[::-1, ::-1])
    assert not found.rotated and found.confidence >= NAMED_CONFIDENCE and found.sign * SIGNS[convention] > 0


@pytest.mark.parametrize("waves", [0.3, 0.6, 1.0])
def test_grain_is_overruled_by_waves_of_the_opposite_convention(waves):
    found = judge(layered(waves, 0.2))
    assert found.sign < -0.4 and found.confidence == 0


def test_slight_waves_dont_overrule_grain():
    found = judge(layered(0.005, 0.2))
    assert found.sign < 0 and found.confidence >= NAMED_CONFIDENCE


@pytest.mark.parametrize("shape", [(1024, 128), (128, 1024), (256, 1024), (300, 200), (200, 300)])
def test_neither_is_it_in_pictures_of_any_proportion(shape):
    height, width = shape
    found = judge(layered(0.6, 0.2, 1024)[:height, :width])
    assert found.sign < -0.4 and found.confidence == 0


@pytest.mark.parametrize("convention", SIGNS)
@pytest.mark.parametrize(("size", "length"), [(256, 6), (512, 10), (512, 12), (1024, 24)])
def test_bumps_of_one_size_are_recognised_though_the_sample_skips_texels(convention, size, length):
    found = judge(normal_map(bumps(size, length), convention))
    assert found.confidence >= NAMED_CONFIDENCE and found.sign * SIGNS[convention] > 0


def test_weak_opposite_waves_dont_overrule_grain():
    # All over the picture, but with little of green in them.
    down, right = np.gradient(bumps(512, 60, 0.5))
    waves = vectors(np.stack([-right, 0.09 * down], -1))
    found = judge(together(waves, normal_map(bumps(512, 8, 0.2, 3), "directx")))
    assert found.sign < 0 and found.confidence >= NAMED_CONFIDENCE


def test_waves_that_disagree_dont_overrule_grain():
    up, down = normal_map(bumps(512, 60, 0.35, 1), "opengl"), normal_map(bumps(512, 60, 0.25, 2), "directx")
    waves = np.concatenate([up[:, :256], down[:, 256:]], 1)
    found = judge(together(waves, normal_map(bumps(512, 8, 0.2, 3), "directx")))
    assert found.sign < 0 and found.confidence >= NAMED_CONFIDENCE


def test_no_convention_if_texels_and_their_means_contradict_each_other():
    # Bumps too small for the waves of the sample: it is the means of 2 x 2 alone that deny the grain.
    found = judge(
        together(normal_map(bumps(512, 14, 0.2), "opengl"), normal_map(bumps(512, 3, 0.3), "directx"))
    )
    assert found.sign < 0 and found.confidence == 0 and not found.rotated


@pytest.mark.parametrize("smooth", [False, True], ids=["noise", "smooth"])
@pytest.mark.parametrize(
    "shape",
    [
        (3, 3),
        (4, 16),
        (8, 8),
        (12, 12),
        (17, 17),
        (20, 16),
        (24, 24),
        (32, 16),
        (16, 64),
        (32, 32),
        (48, 48),
        (64, 64),
    ],
)
def test_random_slopes_hardly_ever_have_a_convention_at_any_size(shape, smooth):
    found = [judge(unrelated(shape, seed, smooth)) for seed in range(100)]
    assert sum(one.confidence >= NAMED_CONFIDENCE for one in found) <= 4


def test_the_smallest_pictures_arent_looked_at_as_means():
    found = [judge(unrelated((8, 8), seed, smooth=True)) for seed in range(1000, 1300)]
    assert sum(one.confidence >= NAMED_CONFIDENCE for one in found) <= 3


@pytest.mark.parametrize("size", [16, 24, 40])
def test_neither_are_they_where_all_around_is_flat(size):
    named = 0
    for seed in range(50):
        pixels = np.full((256, 256, 3), (128, 128, 255), np.uint8)
        top, left = np.random.default_rng(seed).integers(0, 256 - size, 2)
        pixels[top : top + size, left : left + size] = unrelated((size, size), seed)
        named += judge(pixels).confidence >= NAMED_CONFIDENCE
    assert named <= 2


def test_random_slopes_are_not_taken_for_a_rotated_image():
    assert sum(judge(unrelated((256, 256), seed)).rotated for seed in range(50)) <= 3


@pytest.mark.parametrize("quality", [90, 75])
def test_ridges_that_run_askew_arent_either_through_jpeg(quality):
    y, x = np.mgrid[:512, :512]
    plate = np.where(x // 64 % 2, np.sin((x + y) / 3.6), np.sin((x - y) / 3.6))
    for slope in (0.1, 0.3):
        found = judge(through_jpeg(normal_map(plate * slope * 2.5, "opengl"), quality))
        assert found.sign > 0 and not found.rotated and found.confidence >= NAMED_CONFIDENCE


@pytest.mark.parametrize("convention", SIGNS)
def test_saddles_are_recognised_though_the_edges_between_them_are_left_out(convention):
    # Of h = xy in each square only twists are left.
    y, x = np.mgrid[:256, :256] % 32 / 16.0 - 1
    slopes = np.stack([-0.8 * y, 0.8 * x * SIGNS[convention]], -1)
    found = judge(vectors(slopes + np.random.default_rng(1).normal(0, 0.03, slopes.shape)))
    assert (
        0.78 < abs(found.sign) < 0.95
        and found.confidence >= NAMED_CONFIDENCE
        and found.sign * SIGNS[convention] > 0
    )


@pytest.mark.parametrize("size", [(512, 96), (96, 512), (300, 200), (40, 24), (24, 40), (17, 9), (5, 400)])
def test_images_of_any_proportion_are_recognised(size):
    height, width = size
    found = judge(normal_map(heights(512), "directx")[:height, :width])
    assert found.sign < 0 and not found.rotated and found.confidence >= NAMED_CONFIDENCE


@pytest.mark.parametrize("size", [32, 48])
def test_small_images_are_recognised_after_jpeg(size):
    crops = [normal_map(heights(256, 0.9, seed), "opengl")[:size, :size] for seed in range(1, 13)]
    found = [judge(through_jpeg(np.ascontiguousarray(crop), 90)) for crop in crops]
    assert (
        all(one.sign > 0 for one in found) and sum(one.confidence >= NAMED_CONFIDENCE for one in found) >= 10
    )


def measured(signs, energy: float = 1.0):
    """What `sums` gives of parts that say this."""
    signs = np.asarray(signs, float)
    return np.stack([signs * energy / 2, np.full_like(signs, energy), np.full_like(signs, 2 * energy)], 1)


def test_a_slight_sign_counts_in_full_from_its_least_size_on():
    assert FULL_SIGN == 0.15 and judge_curl(measured([0.15] * 12)).confidence == pytest.approx(
        0.878, abs=0.001
    )
    assert judge_curl(measured([0.075] * 12)).confidence == pytest.approx(0.391, abs=0.001)


def test_how_sure_it_is_comes_from_the_standard_error():
    signs = np.array([0.5, 0.9, 0.2, 0.8] * 3)
    error = signs.std(ddof=1) / np.sqrt(12)
    found = judge_curl(measured(signs))
    assert found.sign == pytest.approx(0.6) and found.confidence == pytest.approx(0.6 / (0.6 + error))


def test_few_parts_are_less_sure():
    sure = [judge_curl(measured([0.7, 0.9] * half)).confidence for half in (1, 2, 3, 6)]
    assert sure == sorted(sure) and sure[0] < 0.3 and sure[-1] > 0.95
    assert judge_curl(measured([0.8])).confidence < NAMED_CONFIDENCE < judge_curl(measured([0.95])).confidence


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 50, 3), (50, 2, 3), (3, 3, 3), (5, 5, 4)])
def test_too_few_texels_tell_nothing(shape):
    assert judge(np.full(shape, 128, np.uint8)) == (0, 0, False)


@pytest.mark.parametrize("convention", SIGNS)
@pytest.mark.parametrize("size", [512, 1024, 2048])
def test_faint_grain_of_the_other_convention_doesnt_outvote_bolts(convention, size):
    other = {"opengl": "directx", "directx": "opengl"}[convention]
    y, x = np.mgrid[:size, :size]
    heads = np.clip(size / 40 - np.hypot(x % (size // 4) - size / 8, y % (size // 4) - size / 8), 0, 8)
    grain = normal_map(np.random.default_rng(1).normal(0, 0.02, (size, size)), other)
    assert judge(grain).sign * SIGNS[other] > 0
    found = judge(together(normal_map(heads, convention), grain))
    assert found.confidence < NAMED_CONFIDENCE or found.sign * SIGNS[convention] > 0


@pytest.mark.parametrize(("share", "named"), [(0.03, False), (0.5, True)])
def test_slopes_in_one_direction_alone_tell_no_convention(share: float, named: bool) -> None:
    """A cable: steep up and down, with ragged edges that are hardly any slope to the sides."""
    slopes = np.stack(np.gradient(bumps(256, 24)), -1)[..., ::-1]
    rows = np.sin(np.linspace(0, 6 * np.pi, 256))[:, None]
    pixels = vectors(np.stack([-slopes[..., 0] * share, rows * 0.8 + slopes[..., 1] * share], -1))
    mean = [float(one) for one in pixels.reshape(-1, 3).mean(0) / 255]
    found, _ = examine_normals(pixels, sample_pixels(pixels), mean)
    assert (found.convention is not None) is named
