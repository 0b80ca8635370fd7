import numpy as np
import pytest

from tests.accel.image.operation_helpers import raster as raster_of
from tests.accel.image.rasters import CHANNELS, DEPTHS, raster


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
def test_an_image_knows_its_shape(channels, dtype):
    image = raster(channels, dtype, (3, 5))
    bits = {"uint8": 8, "uint16": 16, "float32": 32}[dtype]
    assert (image.width, image.height, image.channels, image.bit_depth) == (5, 3, channels, bits)
    assert image.colors == (1 if channels < 3 else 3) and image.has_alpha == (channels in (2, 4))


def test_other_pixels_leave_the_smaller_levels_behind_unless_they_are_given():
    image = raster(3)
    pixels = np.zeros((4, 4, 3), np.uint8)
    leveled = image.with_pixels(pixels, mips=(pixels[::2, ::2],))
    assert len(leveled.mips) == 1 and leveled.with_pixels(pixels).mips == ()
    assert (leveled.name, leveled.format, leveled.transfer) == (image.name, image.format, image.transfer)
    assert leveled.with_pixels(pixels, transfer="linear").transfer == "linear"


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", CHANNELS)
def test_light_there_and_back_is_the_same_image(kind, channels):
    image = raster(channels, kind)
    light = image.as_light()
    assert (light.dtype, light.shape) == (np.float32, image.pixels.shape)
    assert np.array_equal(image.with_light(light).pixels, image.pixels)


def test_light_is_in_proportion_to_what_is_seen_and_alpha_to_itself():
    image = raster_of(np.full((1, 1, 4), 188, np.uint8))
    assert image.as_light()[0, 0].round(2).tolist() == pytest.approx([0.5, 0.5, 0.5, 0.74], abs=0.01)


def test_light_may_change_what_its_channels_are():
    image = raster_of(np.full((2, 2, 4), 188, np.uint8))
    grey = image.with_light(np.full((2, 2, 1), 0.5), has_alpha=False, transfer="linear", data=True)
    assert (grey.channels, grey.data, int(grey.pixels[0, 0, 0])) == (1, True, 128)


def test_floats_are_light_already():
    image = raster_of(np.full((2, 2, 3), 7.5, np.float32))
    assert image.as_light() is image.pixels
    assert image.with_light(image.as_light() * 2).pixels.max() == 15
