import numpy as np
import pytest

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
