"""AVIF whose colours are multiplied by alpha, and grey of limited range, as libavif writes them."""

import io
import struct

import numpy as np
import PIL.features
import pytest
import pyvips
from PIL import Image, ImageCms

from accel.image.codecs import vips_repairs
from accel.image.codecs.vips_repairs import HeifProperties, heif_properties, repair_heif
from accel.image.inspect import thumbnail_file
from accel.workload import Input, Limits

pytestmark = pytest.mark.skipif(not PIL.features.check("avif"), reason="this Pillow writes no AVIF")

RAMP = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (16, 1))


def avif(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "AVIF", quality=100, **options)
    return file.getvalue()


def translucent() -> np.ndarray:
    pixels = np.empty((16, 64, 4), np.uint8)
    pixels[...] = (200, 100, 0, 0)
    pixels[..., 3] = RAMP
    return pixels


def shown(data: bytes) -> np.ndarray:
    """As libavif itself decodes it."""
    return np.array(Image.open(io.BytesIO(data))).astype(int)


def test_multiplied_colours_are_divided_by_alpha(read):
    stored = translucent()
    data = avif(stored, subsampling="4:4:4", alpha_premultiplied=True)
    found = read(data, "a.avif")
    seen = RAMP > 32
    assert heif_properties(io.BytesIO(data)) == HeifProperties(multiplied=True)
    assert (found.has_alpha, found.alpha, found.format) == (True, "straight", "avif")
    assert np.abs(found.pixels.astype(int) - shown(data))[seen].max() <= 5
    assert np.abs(found.pixels.astype(int) - stored)[RAMP > 128].max() <= 2


def test_straight_colours_stay(read):
    data = avif(translucent(), subsampling="4:4:4")
    assert heif_properties(io.BytesIO(data)) == HeifProperties()
    assert np.abs(read(data, "a.avif").pixels.astype(int) - translucent())[RAMP > 32].max() <= 2


@pytest.mark.parametrize("range", ["full", "limited"])
def test_grey_of_either_range_goes_from_black_to_white(read, range):
    data = avif(RAMP, subsampling="4:0:0", range=range)
    assert heif_properties(io.BytesIO(data)).limited_grey == (range == "limited")
    found = read(data, "a.avif").pixels
    assert (found[..., 0] == shown(data)).all() and (found[0, [0, -1]] == [[0] * 3, [255] * 3]).all()


def test_colours_of_limited_range_are_left_to_libvips(read):
    data = avif(np.repeat(RAMP[..., None], 3, 2), subsampling="4:4:4", range="limited")
    assert heif_properties(io.BytesIO(data)) == HeifProperties()
    assert np.abs(read(data, "a.avif").pixels.astype(int) - shown(data)).max() <= 2


def test_both_at_once_and_larger_files_are_read_the_same(read, monkeypatch):
    stored = translucent()
    stored[..., :3] = 100
    data = avif(stored, subsampling="4:0:0", range="limited", alpha_premultiplied=True)
    assert heif_properties(io.BytesIO(data)) == HeifProperties(multiplied=True, limited_grey=True)
    found = read(data, "a.avif")
    assert np.abs(found.pixels.astype(int) - stored)[RAMP > 128].max() <= 2
    monkeypatch.setattr("accel.image.decode.MAX_BUFFERED", 0)
    assert (read(data, "a.avif").pixels == found.pixels).all()


@pytest.mark.parametrize("size", [8, 40, 64])
@pytest.mark.parametrize("profile", [b"", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_thumbnails_are_of_what_is_shown(tmp_path, size, profile):
    def seen(pixels, **options):
        path = tmp_path / "a.avif"
        path.write_bytes(avif(pixels, icc_profile=profile, **options))
        data, *_ = thumbnail_file(Input("a.avif", str(path)), size, "png", Limits())
        return np.array(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)

    grey = seen(RAMP, subsampling="4:0:0", range="limited")
    assert np.abs(grey - seen(RAMP, subsampling="4:0:0", range="full")).max() <= 3
    straight = seen(translucent(), subsampling="4:4:4")
    divided = seen(translucent(), subsampling="4:4:4", alpha_premultiplied=True)
    assert np.abs(divided - straight)[straight[..., 3] > 128].max() <= 4


def test_ten_bits_become_all_of_their_codes():
    stored = pyvips.Image.new_from_array(np.array([[0, 4096, 30000, 60160, 65472]], np.uint16))
    stored = stored.copy(interpretation="grey16")
    stored.set_type(pyvips.GValue.gint_type, "bits-per-sample", 10)
    limited = io.BytesIO(avif(RAMP, subsampling="4:0:0", range="limited"))
    made = repair_heif(stored, limited).numpy().ravel()
    assert made.dtype == np.uint16 and (made % 64 == 0).all()
    assert made[[0, 1, 3, 4]].tolist() == [0, 0, 65472, 65472]
    assert abs(made[2] / 64 - (30000 / 64 - 64) * 1023 / 876) <= 1


def test_what_a_later_libvips_does_itself_isnt_done_again(monkeypatch):
    data = avif(RAMP, subsampling="4:0:0", range="limited")
    image = pyvips.Image.heifload_buffer(data)
    monkeypatch.setattr(vips_repairs, "_ignored_properties", HeifProperties)
    assert repair_heif(image, io.BytesIO(data)) is image


def test_a_file_that_says_nothing_of_it_costs_no_probe(monkeypatch):
    monkeypatch.setattr(vips_repairs, "_ignored_properties", None)
    data = avif(translucent(), subsampling="4:4:4")
    image = pyvips.Image.heifload_buffer(data)
    assert repair_heif(image, io.BytesIO(data)) is image


def test_boxes_that_cant_be_followed_say_nothing(tmp_path):
    data = avif(translucent(), alpha_premultiplied=True)
    for end in range(0, len(data) - 60, 7):
        assert heif_properties(io.BytesIO(data[:end])) in (HeifProperties(), HeifProperties(multiplied=True))
    place = data.index(b"ipma")
    broken = data[: place + 8] + struct.pack(">I", 2**32 - 1) + data[place + 12 :]
    assert heif_properties(io.BytesIO(broken)) == HeifProperties()
    for size in (0, 2**62, 2**63, 2**64 - 1):
        (tmp_path / "a.avif").write_bytes(struct.pack(">I4sQ", 1, b"ftyp", size))
        with (tmp_path / "a.avif").open("rb") as file:
            assert heif_properties(file) == HeifProperties()


def test_a_box_of_64_bits_and_one_to_the_end_are_followed():
    data = avif(translucent(), alpha_premultiplied=True)
    place = data.index(b"meta") - 4
    (size,) = struct.unpack_from(">I", data, place)
    long = struct.pack(">I4sQ", 1, b"meta", size + 8) + data[place + 8 : place + size]
    assert heif_properties(io.BytesIO(data[:place] + long)) == HeifProperties(multiplied=True)
    last = struct.pack(">I4s", 0, b"meta") + data[place + 8 : place + size]
    assert heif_properties(io.BytesIO(data[:place] + last)) == HeifProperties(multiplied=True)
