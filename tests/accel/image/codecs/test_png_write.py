import zlib

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from accel.image.codecs.png import FAST, MAX_FILTERED, THOROUGH, USUAL, channels_differ, write_png
from tests.accel.image.files import picture
from tests.accel.image.rasters import raster, written

MODELS = {("uint8", 1): "b-w", ("uint8", 3): "srgb", ("uint16", 1): "grey16", ("uint16", 3): "rgb16"}


def reopened(data):
    image = pyvips.Image.new_from_buffer(data, "", fail_on="error")
    return image, image.numpy().reshape(image.height, image.width, image.bands)


@given(
    st.sampled_from(["uint8", "uint16"]), st.integers(1, 4), st.integers(1, 70), st.integers(1, 70),
    st.sampled_from([FAST, USUAL, THOROUGH]),
)  # fmt: skip
def test_every_pixel_is_written_as_libvips_reads_it(dtype, channels, height, width, level):
    pixels = picture(height, width, channels).astype(dtype)
    if dtype == "uint16":
        pixels = pixels * 251
    image, found = reopened(write_png(pixels, level))
    assert found.dtype == dtype and (found == pixels).all()
    assert image.hasalpha() == (channels in (2, 4))
    assert image.interpretation == MODELS[dtype, 3 if channels > 2 else 1]


def smooth(dtype="uint8"):
    y, x = np.mgrid[:300, :400]
    noise = np.random.default_rng(4).normal(0, 2, (300, 400, 3))
    waves = 128 + 100 * np.stack([np.sin(x / 60), np.sin(y / 50), np.cos((x + y) / 70)], -1) + noise
    return (waves / 255 * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_photographs_are_written_as_differences_and_read_again(dtype):
    pixels = smooth(dtype)
    data = write_png(pixels, USUAL)
    assert channels_differ(pixels)
    assert (reopened(data)[1] == pixels).all()
    inflated = zlib.decompress(data[data.index(b"IDAT") + 4 : -16])
    assert set(inflated[:: 1 + pixels[0].nbytes]) == {2}


def test_noise_is_written_as_it_is():
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)
    assert not channels_differ(noise)
    assert (reopened(write_png(noise, USUAL))[1] == noise).all()


def test_drawings_are_deflated_with_more_effort():
    y, x = np.mgrid[:256, :256]
    board = np.where((x // 32 + y // 32) % 2, 200, 30).astype(np.uint8)[..., None].repeat(4, 2)
    assert len(write_png(board, USUAL)) == len(write_png(board, THOROUGH))
    assert (reopened(write_png(board, USUAL))[1] == board).all()


def test_it_is_smaller_than_what_libvips_writes_in_more_time():
    pixels = smooth()
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    least = min(len(image.pngsave_buffer(compression=3, filter=f, keep="none")) for f in ("none", "up"))
    assert len(write_png(pixels, USUAL)) <= 1.02 * least


def test_what_is_huge_is_libvips_to_write(monkeypatch):
    image = raster(3).with_pixels(smooth())
    ours, _ = written(image, "png")
    monkeypatch.setattr("accel.image.codecs.png.MAX_FILTERED", image.pixels.nbytes - 1)
    theirs, _ = written(image, "png")
    assert MAX_FILTERED >= 4096 * 4096 * 4 and ours != theirs
    assert (reopened(theirs)[1] == image.pixels).all()
