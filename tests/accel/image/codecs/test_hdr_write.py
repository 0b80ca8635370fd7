import numpy as np
import pytest

from accel.image.codecs.hdr import shared_exponents
from tests.accel.image.rasters import raster, reopened, written
from tests.accel.image.second import decoded


@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (9, 1), (5, 7), (70, 300)])
def test_two_readers_find_the_same_texels(tmp_path, shape):
    image = raster(3, "float32", shape)
    data, facts = written(image, "hdr")
    assert (facts.format, facts.channels) == ("hdr", 3)
    found, again = decoded(data, "hdr")[0], reopened(data, tmp_path).pixels
    assert np.array_equal(found, again)
    largest = image.pixels.max(axis=2, keepdims=True)
    assert (np.abs(again - image.pixels) <= largest / 256).all()


def test_what_the_format_holds_comes_back_exactly(tmp_path):
    image = raster(3, "float32", (20, 40))
    once = reopened(written(image, "hdr")[0], tmp_path)
    assert np.array_equal(reopened(written(once, "hdr")[0], tmp_path).pixels, once.pixels)


@pytest.mark.parametrize(
    ("light", "stored"),
    [
        ((0, 0, 0), (0, 0, 0, 0)),
        ((1, 1, 1), (128, 128, 128, 129)),
        ((1, 0.5, 0.25), (128, 64, 32, 129)),
        ((0.999, 0, 0), (128, 0, 0, 129)),
        ((-1, 2, 0), (0, 128, 0, 130)),
        ((65504, 0, 0), (128, 0, 0, 145)),
        ((1e-39, 0, 0), (0, 0, 0, 0)),
        ((3e38, 0, 0), (150, 0, 0, 255)),
    ],
)
def test_colours_share_an_exponent(light, stored):
    assert shared_exponents(np.float32([[light]]))[0, 0].tolist() == list(stored)


def test_the_nearest_mantissa_is_taken():
    light = np.random.default_rng(3).random((30, 30, 3), np.float32) * 100
    rgbe = shared_exponents(light).astype(np.float64)
    step = np.exp2(rgbe[..., 3:] - 136)
    # Where the largest rounds up to a new exponent, half a step of that one.
    assert (np.abs(rgbe[..., :3] * step - light) <= step / 2).all()


def test_transparency_is_put_on_white_and_grey_becomes_colour(tmp_path):
    image = raster(2, "float32").with_pixels(np.float32([[[0.25, 0], [0.5, 1]]]))
    again = reopened(written(image, "hdr")[0], tmp_path)
    assert again.pixels[0].tolist() == [[1, 1, 1], [0.5, 0.5, 0.5]] and not again.has_alpha


def test_runs_make_flat_pictures_small():
    flat = raster(3, "float32").with_pixels(np.full((64, 512, 3), 2.0, np.float32))
    assert len(written(flat, "hdr")[0]) < 64 * (4 + 4 * 2 * 5) + 100
