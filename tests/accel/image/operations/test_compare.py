import math

import msgspec
import numpy as np
import pytest

from accel.image.color import to_linear
from accel.image.operations.analysis import Compare, compare
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.files import dds as stored
from tests.accel.image.operation_helpers import operate, random, raster


def done(one, other, **params):
    images = [image if hasattr(image, "pixels") else raster(image) for image in (one, other)]
    return operate(compare, Compare(**params), *images)


def value(one, other, **params):
    return done(one, other, **params).value


def slow_ssim(x, y, full):
    """By the definition: each window's weighted means, variances and covariance, in double precision."""
    x, y = x.astype(float), y.astype(float)
    distance = np.arange(11) - 5
    window = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * full) ** 2, (0.03 * full) ** 2
    found = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (p[top : top + 11, left : left + 11] for p in (x, y))
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            found.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(found))


def pair(*shape: int, kind="uint8"):
    """A picture and a noisy copy."""
    one = random(*shape, kind=kind)
    one[: shape[0] // 2] //= 3
    full = np.iinfo(kind).max
    noise = np.random.default_rng(8).normal(0, full / 12, shape)
    return one, np.clip(one + noise, 0, full).astype(kind)


def test_noise_of_one_step_has_a_psnr_of_48_13_decibels():
    one = random(50, 40, 3) // 2 + 50
    other = one + np.random.default_rng(1).choice([-1, 1], one.shape).astype(np.int8)
    found = value(one, other.astype(np.uint8))
    assert found.psnr == pytest.approx(48.1308, abs=1e-4)
    assert [c.psnr for c in found.channels] == pytest.approx([48.1308] * 3, abs=1e-4)
    assert found.max_error == 1 / 255 and found.mean_error == pytest.approx(1 / 255)
    assert found.differing == 1 and not found.identical


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (11, 11, 3), (100, 45, 4), (12, 70, 2)])
def test_identical_images_have_no_error_and_a_similarity_of_one(kind, shape):
    pixels = random(*shape, kind=kind)
    found = value(pixels, pixels.copy())
    assert (
        found.identical and found.psnr is None and found.max_error == found.mean_error == found.differing == 0
    )
    expected = None if shape[0] < 11 else 1
    assert found.ssim == found.ssim_channels == expected
    assert [c.ssim for c in found.channels] == [expected] * shape[2]
    text = msgspec.json.encode(found)
    assert b"null" in text and b"nan" not in text.lower()


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_structural_similarity_is_that_of_the_definition(kind):
    one, other = pair(47, 30, 3, kind=kind)
    full = np.iinfo(kind).max
    found = value(one, other)
    each = [slow_ssim(one[..., index], other[..., index], full) for index in range(3)]
    assert [c.ssim for c in found.channels] == pytest.approx(each, abs=2e-6)
    assert found.ssim_channels == pytest.approx(np.mean(each), abs=2e-6)
    luma = [pixels @ np.array([0.2126, 0.7152, 0.0722]) for pixels in (one, other)]
    assert found.ssim == pytest.approx(slow_ssim(*luma, full), abs=2e-6)
    assert 0.1 < found.ssim < 0.95


def test_structural_similarity_of_floats_is_that_of_the_definition_far_beyond_1_too():
    one, other = (random(20, 20, 1, kind="float32", seed=seed) * 3000 for seed in (1, 2))
    assert value(one, other).ssim == pytest.approx(slow_ssim(one[..., 0], other[..., 0], 1), abs=1e-6)


def test_a_picture_and_its_negative_are_dissimilar():
    one = random(30, 30, 1)
    assert value(one, 255 - one).ssim < -0.5


def test_errors_are_exact_for_each_channel():
    one = random(70, 33, 4, kind="uint16")
    other = random(70, 33, 4, kind="uint16", seed=9)
    found = value(one, other)
    errors = np.abs(one.astype(np.int64) - other) / 65535
    for index, name in enumerate("rgba"):
        channel = found.channels[index]
        assert channel.name == name
        assert channel.psnr == pytest.approx(-10 * math.log10((errors[..., index] ** 2).mean()), rel=1e-9)
        assert channel.max_error == pytest.approx(errors[..., index].max(), rel=1e-12)
        assert channel.mean_error == pytest.approx(errors[..., index].mean(), rel=1e-9)
    assert found.psnr == pytest.approx(-10 * math.log10((errors**2).mean()), rel=1e-9)


def test_the_share_of_differing_pixels_counts_each_pixel_once_and_allows_a_tolerance():
    one = np.zeros((10, 10, 3), np.uint8)
    other = one.copy()
    other[0, :5] = 2, 0, 0
    other[1, :3] = 9, 9, 9
    assert value(one, other).differing == 0.08
    assert value(one, other, tolerance=2 / 255).differing == 0.03
    assert value(one, other, tolerance=1.0).differing == 0


def test_other_sizes_are_an_error_that_names_both():
    with pytest.raises(
        WorkloadError, match=r"is 5 x 4, but a.png 4 x 4; only images of the same size"
    ) as caught:
        value(random(4, 4, 3), raster(random(4, 5, 3), name="b.png"))
    assert (caught.value.code, caught.value.name) == ("bad_params", "b.png")


def test_grey_is_compared_with_colours_and_a_missing_alpha_is_full():
    grey = random(20, 20, 1)
    colored = np.concatenate([np.repeat(grey, 3, axis=2), np.full_like(grey, 255)], axis=2)
    for found in (value(grey, colored), value(colored, grey)):
        assert found.identical and [c.name for c in found.channels] == ["r", "g", "b", "a"]


def test_8_bit_are_compared_with_16_and_integers_with_floats():
    pixels = random(20, 20, 3)
    found = value(pixels, pixels.astype(np.uint16) * 257)
    assert found.identical and found.bit_depth == 16
    found = value(to_linear(pixels, 3, "srgb"), pixels)
    assert found.identical and found.bit_depth == 32


def test_the_picture_of_differences_is_amplified_and_cut_off():
    one = np.full((3, 2, 3), 100, np.uint8)
    other = one.copy()
    other[0, 0], other[1, 0], other[2, 1] = (103, 100, 100), (100, 98, 100), (100, 100, 200)
    made = done(one, other, difference=True, amplify=10).images["difference"]
    assert made.pixels[:, :, :].tolist() == [
        [[30, 0, 0], [0, 0, 0]], [[0, 20, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 255]],
    ]  # fmt: skip
    assert done(one, other).images == {}


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_differences_of_alpha_are_seen_in_all_colours_and_deep_ones_in_16_bit(kind):
    one = np.zeros((70, 2, 4), kind)
    other = one.copy()
    full = 1 if kind == "float32" else 65535
    other[68, 1, 3] = full * 0.2
    made = done(one, other, difference=True, amplify=2).images["difference"]
    assert made.pixels.dtype == np.uint16 and made.channels == 3 and not made.has_alpha
    assert made.pixels[68, 1].tolist() == pytest.approx([26214] * 3, abs=1)
    assert made.pixels.astype(int).sum() == made.pixels[68, 1].astype(int).sum()


def test_files_are_compared_and_the_picture_written_beside_the_value(save):
    one, other = pair(30, 30, 3)
    result = compare([save("a.png", one), save("b.png", other)], Compare(difference=True), Limits())
    assert [file.name for file in result.files] == ["difference"]
    assert result.value.psnr == value(one, other).psnr


@pytest.mark.parametrize(("count", "said"), [(3, 3), (1, None)])
def test_only_the_first_of_several_images_is_compared(tmp_path, count, said):
    for name, last in (("a.dds", b"x"), ("b.dds", b"x" if count == 1 else b"y")):
        (tmp_path / name).write_bytes(stored(4, 4, bytes(64 * count - 1) + last, dxgi=28, count=count))
    sources = [Input(name, str(tmp_path / name)) for name in ("a.dds", "b.dds")]
    value = compare(sources, compare.workload.parse({}), Limits()).value
    assert (value.identical, value.first_of) == (True, said)
