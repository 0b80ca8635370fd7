import numpy as np
import pytest

from accel.image.raster import Raster
from tests.accel.image.rasters import CHANNELS, DEPTHS, raster, reopened, written
from tests.accel.image.second import decoded


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (9, 1), (1, 1), (3, 300)])
def test_two_readers_find_the_same_texels(tmp_path, channels, shape):
    image = raster(channels, shape=shape)
    data, facts = written(image, "tga")
    assert (facts.format, facts.bit_depth, facts.channels) == ("tga", 8, 4 if channels == 2 else channels)
    expected = image.pixels[..., [0, 0, 0, 1]] if channels == 2 else image.pixels
    again = reopened(data, tmp_path)
    assert (again.format, again.has_alpha) == ("tga", image.has_alpha)
    assert np.array_equal(again.pixels, expected) and np.array_equal(decoded(data, "tga")[0], expected)


@pytest.mark.parametrize("dtype", DEPTHS[1:])
def test_deeper_channels_become_8_bit(tmp_path, dtype):
    data, facts = written(raster(3, dtype), "tga")
    assert facts.bit_depth == 8 and reopened(data, tmp_path).pixels.dtype == np.uint8


def test_runs_are_used_where_they_are_smaller(tmp_path):
    flat = Raster("a", np.full((64, 64, 4), 9, np.uint8), True, "srgb", "tga")
    noise = flat.with_pixels(np.random.default_rng(1).integers(0, 256, (64, 64, 4)).astype(np.uint8))
    small, large = written(flat, "tga")[0], written(noise, "tga")[0]
    assert small[2] == 10 and len(small) < 500
    assert large[2] == 2 and len(large) == 18 + 64 * 64 * 4 + 26


def test_the_header_tells_of_alpha_and_the_footer_of_version_2():
    data, _ = written(raster(4), "tga")
    assert (data[16], data[17]) == (32, 8) and data.endswith(b"TRUEVISION-XFILE.\0")
    assert written(raster(3), "tga")[0][16:18] == bytes([24, 0])
    assert written(raster(1), "tga")[0][16:18] == bytes([8, 0])


def test_a_picture_that_is_transparent_throughout_stays_so(tmp_path):
    image = raster(4).with_pixels(np.zeros((4, 4, 4), np.uint8))
    assert reopened(written(image, "tga")[0], tmp_path).has_alpha
