import numpy as np
import pytest

from accel.image.operations.analysis import CountValues, Histogram, histogram
from accel.workload import Limits, WorkloadError
from tests.accel.image.operation_helpers import operate, random, raster


def done(pixels, **params):
    return operate(histogram, CountValues(**params), raster(pixels))


def count(pixels, **params) -> Histogram:
    return done(pixels, **params).value


def test_each_value_of_8_bit_has_its_own_bin():
    pixels = random(40, 30, 3)
    found = count(pixels)
    assert found.pixels == 1200
    for index, channel in enumerate(found.channels[:3]):
        assert channel.name == "rgb"[index] and (channel.low, channel.high) == (0, 1)
        assert channel.counts == np.bincount(pixels[..., index].ravel(), minlength=256).tolist()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 50, 2), (30, 40, 3), (41, 7, 4)])
def test_statistics_and_percentiles_are_exact(kind, shape):
    pixels = random(*shape, kind=kind)
    wanted = [0.0, 0.1, 5.0, 50.0, 95.0, 100.0]
    found = count(pixels, percentiles=wanted)
    full = 1 if kind == "float32" else np.iinfo(kind).max
    for index in range(shape[2]):
        channel, values = found.channels[index], pixels[..., index].astype(float) / full
        assert sum(channel.counts) == found.pixels and len(channel.counts) == 256
        assert (channel.min, channel.max) == pytest.approx((values.min(), values.max()))
        assert (channel.mean, channel.std) == pytest.approx((values.mean(), values.std()), abs=1e-6)
        assert channel.percentiles == pytest.approx(
            np.percentile(values, wanted, method="inverted_cdf").tolist()
        )


def test_16_bit_are_counted_in_bins_of_256_values():
    pixels = random(64, 64, 1, kind="uint16")
    assert count(pixels).channels[0].counts == np.bincount(pixels.ravel() >> 8, minlength=256).tolist()


def test_floats_are_counted_from_the_smallest_to_the_largest():
    pixels = np.linspace(-2, 6, 2048, dtype=np.float32).reshape(32, 64, 1)
    (channel,) = count(pixels).channels
    assert (channel.low, channel.high) == (-2, 6)
    assert channel.counts == pytest.approx([8] * 256, abs=1)
    assert sum(count(np.full((4, 4, 1), 0.5, np.float32)).channels[0].counts) == 16


def test_names_follow_the_channels():
    assert [[c.name for c in count(random(4, 4, n)).channels] for n in (1, 2, 3, 4)] == [
        ["l"], ["l", "a"], ["r", "g", "b", "luminance"], ["r", "g", "b", "a", "luminance"],
    ]  # fmt: skip


def test_luminance_weighs_green_most():
    (*_, luminance) = count(np.full((2, 2, 3), [0, 255, 0], np.uint8)).channels
    assert luminance.min == luminance.max == round(0.7152 * 255) / 255


def test_a_percentage_beyond_100_is_refused():
    with pytest.raises(WorkloadError) as caught:
        histogram.workload.parse({"percentiles": [101]})
    assert caught.value.code == "bad_params"


def test_the_picture_is_as_high_as_the_most_frequent_value():
    pixels = np.array([[[0, 255, 255], [0, 255, 255], [0, 255, 10], [0, 0, 0]]], np.uint8)
    made = done(pixels, picture=True).images["histogram"].pixels
    assert made.shape == (256, 512, 3)
    assert (made[:, :2, 0] == 255).all() and not made[:, 2:, 0].any()
    assert (made[64:, -1, 1] == 255).all() and not made[:64, -1, 1].any()
    assert (made[-64:, 20, 2] == 255).all() and not made[:-64, 20].any()
    assert done(pixels).images == {}


def test_the_logarithm_shows_rare_values_and_grey_is_drawn_white():
    pixels = np.zeros((100, 100, 1), np.uint8)
    pixels[0, 0] = 255
    linear, log = (done(pixels, picture=True, scale=s).images["histogram"].pixels for s in ("linear", "log"))
    assert (linear[:, -1, 0] > 0).sum() == 1 and 15 < (log[:, -1, 0] > 0).sum() < 30
    assert (log[..., 0] == log[..., 1]).all() and (log[..., 0] == log[..., 2]).all()


def test_a_file_gives_counts_and_a_png(save):
    result = histogram([save("a.jpg", random(16, 16, 3))], CountValues(picture=True), Limits())
    assert [file.media_type for file in result.files] == ["image/png"]
    assert sum(result.value.channels[0].counts) == result.value.pixels == 256
