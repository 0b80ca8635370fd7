import numpy as np
import OpenImageIO as oiio
import pytest

from accel.image.alpha import mix_with_white
from accel.image.codecs.exr import write_exr
from accel.workload import WorkloadError
from tests.accel.image.rasters import CHANNELS, opaque, raster, reopened, written
from tests.accel.image.second import decoded

NAMES = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (9, 1), (40, 3)])
@pytest.mark.parametrize("data", [True, False])
def test_two_readers_find_the_same_texels(tmp_path, channels, shape, data):
    image = raster(channels, "float32", shape, data=data)
    image = image if data or not image.has_alpha else opaque(image)
    made, facts = written(image, "exr")
    assert (facts.format, facts.bit_depth, facts.channels) == ("exr", 16, channels)
    found, names = decoded(made, "exr")
    assert names == NAMES[channels] and found.dtype == np.float16 and np.array_equal(found, image.pixels)
    again = reopened(made, tmp_path, "linear" if data else "auto")
    assert again.has_alpha == image.has_alpha and np.array_equal(again.pixels, image.pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_are_multiplied_by_alpha_in_the_file_and_straight_again_when_read(tmp_path, channels):
    image = raster(channels, "float32")
    made, _ = written(image, "exr")
    assert np.allclose(decoded(made, "exr")[0], mix_with_white(image.pixels, "multiplied"), rtol=2**-11)
    again, seen = reopened(made, tmp_path).pixels, image.pixels[..., -1] > 0
    assert np.allclose(again[seen], image.pixels[seen], rtol=2**-10)
    assert (again[~seen] == 0).all()


@pytest.mark.parametrize(
    ("channels", "value", "bits"),
    [(3, 0.1, 16), (3, 65504.0, 16), (3, 65505.0, 32), (3, -70000.0, 32), (1, 0.5, 16), (1, 1000.3, 32)],
    ids=["a colour", "the brightest half", "a brighter one", "a darker one", "a mask", "a height"],
)
def test_single_floats_are_taken_where_half_would_lose_data(channels, value, bits):
    image = raster(channels, "float32").with_pixels(np.full((2, 2, channels), value, np.float32))
    made, facts = written(image, "exr")
    assert facts.bit_depth == bits
    found = decoded(made, "exr")[0]
    assert found.dtype == {16: np.float16, 32: np.float32}[bits]
    assert np.allclose(found.astype(np.float64), value, rtol=2**-11 if bits == 16 else 0, atol=1e-4)


def test_whoever_asks_for_bits_gets_them():
    image = raster(3, "float32")
    assert [written(image, "exr", bits=bits)[1].bit_depth for bits in ("8", "16", "32")] == [16, 16, 32]


def test_what_half_floats_cannot_hold_is_their_largest_where_they_are_asked_for():
    image = raster(3, "float32").with_pixels(np.float32([[[1e6, -1e6, 1]]]))
    assert decoded(written(image, "exr", bits="16")[0], "exr")[0].ravel().tolist() == [65504, -65504, 1]


def test_three_channels_of_data_lose_nothing_while_colours_lose_what_nobody_sees():
    pixels = np.float32([[[0.1, 0.5, 60_001 / 65535]]])
    color, data = (raster(3, "float32", data=data).with_pixels(pixels) for data in (False, True))
    assert [written(image, "exr")[1].bit_depth for image in (color, data)] == [16, 32]
    assert np.array_equal(decoded(written(data, "exr")[0], "exr")[0], pixels)


def test_light_of_8_bit_colours_survives_the_way_to_half_floats_and_back(tmp_path):
    image = raster(3, shape=(16, 16))
    image = image.with_pixels(np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2))
    light = reopened(written(image, "exr")[0], tmp_path)
    assert np.array_equal(reopened(written(light, "png", bits="8")[0], tmp_path).pixels, image.pixels)


def test_the_pixels_are_zipped(tmp_path):
    path = tmp_path / "a.exr"
    path.write_bytes(written(raster(3, "float32"), "exr")[0])
    assert oiio.ImageInput.open(str(path)).spec().getattribute("compression") == "zip"


def test_the_same_pixels_make_the_same_file_at_any_time():
    assert b"capDate" not in written(raster(3, "float32"), "exr")[0]


def test_what_cannot_be_written_says_so(monkeypatch, tmp_path):
    from accel.image.operation import Writing

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("accel.image.codecs.exr.Path", lambda folder: tmp_path / "gone" / "away")
    with pytest.raises(WorkloadError, match="can't be written as EXR") as caught:
        write_exr(raster(3, "float32"), Writing())
    assert caught.value.code == "unsupported" and str(tmp_path) not in caught.value.reason
