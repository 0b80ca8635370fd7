import struct
import zlib

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st

from accel.image.inflate import LEAST, inflated
from accel.image.load import decode_image
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.broken import chunk


def noise(bands: int, kind=np.uint8, size: int = 300):
    top = np.iinfo(kind).max
    return np.random.default_rng(3).integers(0, top, (size, size, bands)).astype(kind)


def pixels(data: bytes):
    made = pyvips.Image.pngload_buffer(data)
    return made.numpy(), made.interpretation


@pytest.mark.parametrize(
    ("bands", "kind", "model", "options"),
    [
        (1, np.uint8, "b-w", {}), (2, np.uint8, "b-w", {}), (3, np.uint8, "srgb", {}),
        (4, np.uint8, "srgb", {"filter": "all"}), (1, np.uint16, "grey16", {}), (4, np.uint16, "rgb16", {}),
        (3, np.uint8, "srgb", {"palette": True}), (1, np.uint8, "b-w", {"bitdepth": 1}),
    ],
)  # fmt: skip
def test_an_inflated_file_holds_the_same_picture(bands, kind, model, options):
    data = image(noise(bands, kind), model).pngsave_buffer(**options)
    stored = inflated(data)
    assert stored is not None and len(stored) > len(data) * 0.9
    (one, how), (other, again) = pixels(data), pixels(stored)
    assert (one == other).all() and how == again


def test_an_interlaced_file_is_left_to_libvips():
    assert inflated(image(noise(3)).pngsave_buffer(interlace=True)) is None


def test_what_is_damaged_is_left_to_libvips_that_it_says_so(tmp_path):
    data = image(noise(3)).pngsave_buffer()
    assert len(data) > LEAST
    for number, broken in enumerate((data[:-900], data[: len(data) // 2], data[:5000] + b"?" + data[5001:])):
        assert inflated(broken) is None
        path = tmp_path / f"{number}.png"
        path.write_bytes(broken)
        with pytest.raises(WorkloadError, match="truncated or corrupt PNG"):
            decode_image(Input(path.name, str(path)), Limits())


@pytest.mark.parametrize(
    "packed", [b"no zlib", zlib.compress(bytes(90_300))[:-4], zlib.compress(bytes(90_000))]
)
def test_data_that_cant_be_inflated_to_the_pixels_is_left_to_libvips(packed):
    header = struct.pack(">IIBBBBB", 300, 300, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert inflated(data) is None


def test_more_pixels_than_the_header_says_are_never_held_in_memory():
    bomb = zlib.compress(bytes(1 << 28), 9)
    header = struct.pack(">IIBBBBB", 300, 300, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bomb) + chunk(b"IEND", b"")
    assert inflated(data) is None


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_no_bytes_make_it_fail(at, change):
    data = image(noise(3, size=20)).pngsave_buffer()
    inflated(data[:at] + change + data[at + len(change) :])
    inflated(data[:at] + change)
