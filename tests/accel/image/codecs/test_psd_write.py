import struct

import numpy as np
import pytest

from accel.image.alpha import mix_with_white
from tests.accel.image.rasters import CHANNELS, opaque, raster, reopened, written
from tests.accel.image.second import decoded

SHAPES = [(7, 11), (1, 9), (9, 1), (5, 300)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_two_readers_find_the_same_texels(tmp_path, channels, dtype, shape):
    image = raster(channels, dtype, shape)
    data, facts = written(image, "psd")
    assert (facts.format, facts.bit_depth, facts.channels) == ("psd", image.bit_depth, channels)
    assert np.array_equal(reopened(data, tmp_path).pixels, image.pixels)
    assert np.array_equal(decoded(data, "psd")[0], image.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_transparency_leaves_what_is_seen_as_it_was(tmp_path, channels, dtype, shape):
    image = raster(channels, dtype, shape)
    again = reopened(written(image, "psd")[0], tmp_path)
    assert again.has_alpha and again.pixels.dtype == dtype
    assert np.array_equal(again.pixels[..., -1], image.pixels[..., -1])
    seen = [mix_with_white(one.pixels, "on white").astype(int) for one in (image, again)]
    assert np.abs(seen[0] - seen[1]).max() <= 1
    # Integers of 8 bits that were blended with white can't say more than half a step of what was opaque.
    share = image.pixels[..., -1:] / np.iinfo(dtype).max
    colors = np.abs(image.pixels[..., :-1].astype(int) - again.pixels[..., :-1]) * share
    assert colors.max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [2, 4])
def test_an_opaque_picture_with_alpha_stays_exact(tmp_path, channels, dtype):
    image = opaque(raster(channels, dtype))
    assert np.array_equal(reopened(written(image, "psd")[0], tmp_path).pixels, image.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_layer_holds_the_very_texels(dtype):
    image = raster(4, dtype)
    pixels, names = decoded(written(image, "psd")[0], "psd", subimage=1)
    assert names == ("R", "G", "B", "A") and np.array_equal(pixels, image.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_merged_picture_is_found_transparent_by_others(dtype):
    image = raster(4, dtype)
    pixels, names = decoded(written(image, "psd")[0], "psd")
    assert names == ("R", "G", "B", "A") and np.array_equal(pixels[..., 3], image.pixels[..., 3])
    seen = [mix_with_white(one, "on white").astype(int) for one in (pixels, image.pixels)]
    assert np.abs(seen[0] - seen[1]).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_data_keep_every_number_whatever_their_alpha(tmp_path, channels, dtype):
    image = raster(channels, dtype, data=True)
    data, _ = written(image, "psd")
    assert np.array_equal(reopened(data, tmp_path, "linear").pixels, image.pixels)
    assert np.array_equal(reopened(data, tmp_path).pixels, image.pixels)
    # Others read a stored channel or leave it, and never mix it with the colours.
    assert np.array_equal(decoded(data, "psd")[0][..., : image.colors], image.pixels[..., : image.colors])


def test_floats_become_16_bit():
    assert written(raster(3, "float32"), "psd")[1].bit_depth == 16


def test_sections_have_the_sizes_that_they_say(tmp_path):
    """Photoshop goes by these: header, palette, resources, layers, then the merged picture to the end."""
    for dtype in ("uint8", "uint16"):
        image = raster(4, dtype, (3, 5))
        data, _ = written(image, "psd")
        at = 26
        for _ in range(3):
            at += 4 + struct.unpack_from(">I", data, at)[0]
        assert struct.unpack_from(">H", data, at) == (1,)
        rows = struct.unpack_from(">12H", data, at + 2)
        assert at + 2 + 24 + sum(rows) == len(data)
