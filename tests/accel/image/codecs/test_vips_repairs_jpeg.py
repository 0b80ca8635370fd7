"""The end marker alone may be missing: whatever else is cut off takes pixels with it."""

import struct

import numpy as np
import pytest
import pyvips

from accel.image.codecs.vips_repairs import END, repair_jpeg, repaired_jpeg
from accel.workload import WorkloadError
from tests.accel.conftest import image
from tests.accel.image.broken import encoded
from tests.accel.image.operation_helpers import random

OPTIONS = {
    "baseline": {},
    "whole colours": {"subsample_mode": "off"},
    "own codes": {"optimize_coding": True},
    "progressive": {"interlace": True},
    "restarts": {"restart_interval": 3},
    "restarts of whole colours": {"restart_interval": 2, "subsample_mode": "off"},
}


def pixels_of(data: bytes) -> bytes:
    return bytes(pyvips.Image.jpegload_buffer(data).write_to_memory())


def noise(options: dict, channels: int = 3) -> bytes:
    model = "srgb" if channels == 3 else "b-w"
    return image(random(40, 28, channels), model).write_to_buffer(".jpg", keep="none", **options)


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def options(request):
    return request.param


@pytest.mark.parametrize("channels", [1, 3])
def test_an_end_is_put_only_where_no_pixel_is_missing(options, channels):
    whole = noise(options, channels)
    assert repair_jpeg(whole[:-2]) == repair_jpeg(whole[:-1]) == whole
    header = whole.index(b"\xff\xda")
    cut = [whole[:length] for length in range(header, len(whole) - 2)]
    # What pads the last byte isn't needed.
    taken = [made for data in cut if (made := repair_jpeg(data))]
    assert all(pixels_of(made) == pixels_of(whole) for made in taken) and len(taken) <= 1


def test_what_has_an_end_is_left_as_it_is(options):
    whole = noise(options)
    assert not repair_jpeg(whole) and not repair_jpeg(whole + b"more")


def test_a_file_is_read_whole_only_where_it_ends_otherwise(tmp_path):
    whole = noise({})
    for name, data in (("whole", whole), ("endless", whole[:-2]), ("more", whole + b"\0"), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
    found = {path.name: repaired_jpeg(path) for path in tmp_path.iterdir()}
    assert found == {"whole": b"", "endless": whole, "more": b"", "empty": b""}


@pytest.mark.parametrize("code", [0xC3, 0xC9, 0xCA])
def test_of_codes_whose_decoder_wouldnt_warn_no_end_is_put(code):
    data = encoded(".jpg")[:-2]
    assert repair_jpeg(data) and not repair_jpeg(data.replace(b"\xff\xc0", bytes([0xFF, code])))


def test_a_part_without_samples_is_no_jpeg():
    data = bytearray(noise({"restart_interval": 3})[:-2])
    frame = data.index(b"\xff\xc0")
    for part in range(3):
        data[frame + 11 + 3 * part] = 0
    assert not repair_jpeg(bytes(data))


def test_a_small_file_of_giant_sides_is_refused_before_it_is_decoded(read):
    data = bytearray(encoded(".jpg")[:-2])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(WorkloadError, match="65000 x 65000") as caught:
        read(bytes(data))
    assert caught.value.code == "too_large"


def test_what_is_told_of_the_file_is_of_the_file_as_it_is(read):
    data = encoded(".jpg")
    found = read(data[:-2])
    assert (found.contents, found.size) == (data[:-2], len(data) - len(END))
    assert found.pixels.tobytes() == pixels_of(data)


@pytest.mark.parametrize("side", [16, 33, 41])
@pytest.mark.parametrize("subsampling", ["on", "off"])
def test_of_a_block_that_hardly_shows_no_bit_is_missed(side, subsampling):
    y, x = np.mgrid[:side, : side + 17]
    for seed in range(12):
        waves = [128 + 100 * np.sin(x / (3 + band) + y / 5 + seed) for band in range(3)]
        image = pyvips.Image.new_from_array(np.stack(waves, -1).clip(0, 255).astype(np.uint8))
        whole = image.copy(interpretation="srgb").jpegsave_buffer(Q=90, subsample_mode=subsampling)
        assert repair_jpeg(whole[:-2])
        for missing in range(1, 16):
            found = repair_jpeg(whole[: -2 - missing])
            assert not found or pixels_of(found) == pixels_of(whole)


def test_of_tiny_pictures_no_end_is_put():
    tiny = pyvips.Image.black(15, 40).jpegsave_buffer()
    assert not repair_jpeg(tiny[:-2])
