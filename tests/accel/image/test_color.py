import numpy as np
import pytest

from accel.image import color as module
from accel.image.color import encode_srgb, from_linear, to_linear
from accel.image.pixel_coding import at_depth
from accel.image.raster import Raster
from tests.accel.image.rasters import CHANNELS, DEPTHS, raster

# IEC 61966-2-1, 5.2 and 5.3, in doubles: code of 8 bits, light.
CODES = [(0, 0.0), (10, 0.0030352698), (11, 0.0033465358), (55, 0.0382043685), (128, 0.2158605001),
         (188, 0.5028864580), (254, 0.9911020971), (255, 1.0)]  # fmt: skip


@pytest.mark.parametrize(("code", "light"), CODES)
def test_known_codes_are_known_light_and_back(code, light):
    pixels = np.uint8([[[code]]])
    found = to_linear(pixels, 1, "srgb")
    assert found.dtype == np.float32 and found[0, 0, 0] == pytest.approx(light, rel=1e-6)
    assert from_linear(np.float32([[[light]]]), 1, "srgb", np.uint8)[0, 0, 0] == code


@pytest.mark.parametrize(
    ("light", "code"), [(0.0, 0.0), (0.0031308, 0.04045), (0.2140411, 0.5), (0.5, 0.7353570), (1.0, 1.0)]
)
def test_the_curve_has_its_known_points(light, code):
    assert encode_srgb(np.float32([light]))[0] == pytest.approx(code, abs=2e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("transfer", ["srgb", "linear"])
def test_every_code_comes_back_from_light(dtype, transfer, monkeypatch):
    monkeypatch.setattr(module, "_STRIP", 1000)
    codes = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(16, -1, 1)
    assert np.array_equal(from_linear(to_linear(codes, 1, transfer), 1, transfer, dtype), codes)


def test_alpha_is_always_linear():
    found = to_linear(np.uint8([[[128, 128]]]), 1, "srgb")[0, 0]
    assert found.tolist() == pytest.approx([0.2158605, 128 / 255])
    assert from_linear(found[None, None], 1, "srgb", np.uint8).tolist() == [[[128, 128]]]


def test_values_beyond_full_scale_are_clipped():
    light = np.float32([[[-1, 0.5, 7]]])
    assert from_linear(light, 3, "linear", np.uint8).tolist() == [[[0, 128, 255]]]
    assert from_linear(light, 3, "linear", np.float32) is light


@pytest.mark.parametrize(
    ("deep", "eight"),
    [
        (0, 0),
        (128, 0),
        (129, 1),
        (257, 1),
        (32767, 127),
        (32896, 128),
        (65406, 254),
        (65407, 255),
        (65535, 255),
    ],
)
def test_16_bits_become_the_nearest_of_8(deep, eight):
    image = raster(3, "uint16").with_pixels(np.full((1, 1, 3), deep, np.uint16))
    assert at_depth(image, "uint8").pixels[0, 0].tolist() == [eight] * 3


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("data", [True, False])
def test_8_bits_survive_the_way_through_every_depth(channels, data):
    image = raster(channels, "uint8", data=data)
    deep = at_depth(image, "uint16")
    assert (
        np.array_equal(deep.pixels, image.pixels.astype(np.uint16) * 257) and deep.transfer == image.transfer
    )
    for way in (["uint16"], ["float32"], ["uint16", "float32", "uint16"]):
        there = image
        for dtype in way:
            there = at_depth(there, dtype)
        back = at_depth(there, "uint8")
        assert np.array_equal(back.pixels, image.pixels) and back.transfer == image.transfer


@pytest.mark.parametrize("channels", CHANNELS)
def test_floats_of_three_colours_become_srgb_and_grey_and_data_keep_their_proportion(channels):
    image = raster(channels, "float32").with_pixels(np.full((2, 2, channels), 0.5, np.float32))
    colors, alpha = (3 if channels > 2 else 1), channels in (2, 4)
    coded = at_depth(image, "uint8")
    assert coded.pixels[0, 0].tolist() == [188 if colors == 3 else 128] * colors + [128] * alpha
    assert coded.transfer == ("srgb" if colors == 3 else "linear")
    plain = at_depth(image.with_pixels(image.pixels, data=True), "uint8")
    assert (plain.pixels == 128).all() and plain.transfer == "linear"


@pytest.mark.parametrize("dtype", DEPTHS)
def test_the_same_depth_is_the_same_image(dtype):
    image = raster(4, dtype)
    assert at_depth(image, dtype) is image


@pytest.mark.parametrize(
    "way", [("uint8", "uint16"), ("uint16", "uint8"), ("uint8", "float32"), ("float32", "uint8")]
)
def test_smaller_levels_come_along(way):
    image = raster(3, way[0])
    image = image.with_pixels(image.pixels, mips=(image.pixels[::2, ::2], image.pixels[:1, :1]))
    made = at_depth(image, way[1])
    assert [level.dtype.name for level in made.mips] == [way[1]] * 2
    assert [level.shape for level in made.mips] == [level.shape for level in image.mips]
    assert np.array_equal(made.mips[1], made.pixels[:1, :1])


@pytest.mark.parametrize(("kind", "first"), [("normal", [51, 128, 230]), ("data", [0, 0, 204])])
def test_vectors_of_a_normal_map_become_0_to_full_scale_in_all_levels(kind, first):
    vectors = np.full((2, 2, 4), (-0.6, 0, 0.8, 0.2), np.float32)
    image = Raster("a", vectors, True, "linear", "exr", (vectors[:1, :1],), data=True, kind=kind)
    made = at_depth(image, np.uint8)
    assert [level[0, 0].tolist() for level in (made.pixels, *made.mips)] == [[*first, 51]] * 2
