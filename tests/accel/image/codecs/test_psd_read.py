import struct

import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import picture, psd


def planes(channels: int, kind=np.uint8) -> np.ndarray:
    made = np.ascontiguousarray(picture(6, 10, channels).transpose(2, 0, 1))
    return made.astype(kind) * kind(257) if kind is np.uint16 else made.astype(kind) / kind(1)


@pytest.mark.parametrize("compression", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("version", [1, 2])
def test_every_depth_and_compression_holds_the_same_picture(read, compression, kind, version):
    stored = planes(4, np.float32) / np.float32(64) if kind is np.float32 else planes(4, kind).astype(kind)
    depth = stored.itemsize * 8
    found = read(psd(stored, 3, compression, depth, version=version))
    assert found.pixels.dtype == kind and (found.pixels == stored.transpose(1, 2, 0)).all()
    assert (found.format, found.color_model, found.has_alpha) == ("psd", "rgb", True)


@pytest.mark.parametrize(
    ("mode", "channels", "expected"),
    [
        (1, 1, ("grey", 1, False)), (1, 2, ("grey", 2, True)), (8, 1, ("grey", 1, False)),
        (3, 3, ("rgb", 3, False)), (3, 6, ("rgb", 4, True)), (4, 4, ("cmyk", 4, False)),
        (4, 5, ("cmyk", 5, True)),
    ],
)  # fmt: skip
def test_each_mode_has_its_channels(read, mode, channels, expected):
    found = read(psd(planes(channels).astype(np.uint8), mode))
    assert (found.color_model, found.pixels.shape[2], found.has_alpha) == expected


def test_inks_are_given_as_what_is_printed(read):
    stored = planes(4).astype(np.uint8)
    assert (read(psd(stored, 4)).pixels == 255 - stored.transpose(1, 2, 0)).all()


def test_a_palette_is_looked_up(read):
    palette = np.arange(768, dtype=np.uint16).astype(np.uint8)
    stored = planes(1).astype(np.uint8)
    found = read(psd(stored, 2, palette=palette.tobytes()))
    assert (found.pixels == palette.reshape(3, 256).T[stored[0]]).all() and found.palette


def test_one_bit_is_black_where_it_is_set(read):
    found = read(psd(np.array([[[0b10100000]]], np.uint8), 0, depth=1, width=3))
    assert found.pixels.ravel().tolist() == [0, 255, 0]


def test_channels_that_are_zipped_one_by_one_are_read(read):
    import zlib

    stored = planes(3).astype(np.uint8)
    whole = psd(stored, 3, 2)
    one_by_one = whole[: -len(zlib.compress(stored.tobytes()))]
    one_by_one += b"".join(zlib.compress(plane.tobytes()) for plane in stored)
    assert (read(one_by_one).pixels == stored.transpose(1, 2, 0)).all()


def test_packets_of_one_literal_each_are_no_damage(read):
    stored = planes(1).astype(np.uint8)
    rows = [b"".join(b"\0" + bytes([value]) for value in row) + b"\x80" * 7 for row in stored[0]]
    whole = psd(stored, 1, 1)
    lengths = struct.pack(f">{len(rows)}H", *map(len, rows))
    found = read(whole[: whole.index(b"layers\0\1") + 8] + lengths + b"".join(rows))
    assert (found.pixels[..., 0] == stored[0]).all()


def test_a_document_without_a_merged_picture_says_how_to_save_one(read):
    def resource(number: int, data: bytes) -> bytes:
        return b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + b"\0" * (len(data) % 2)

    stored = planes(3).astype(np.uint8)
    others = resource(1005, b"odd") + resource(1057, b"\0\0\0\1\1more")
    assert read(psd(stored, 3, resources=others)).color_model == "rgb"
    with pytest.raises(WorkloadError, match="Maximize Compatibility") as caught:
        read(psd(stored, 3, resources=resource(1005, b"odd") + resource(1057, b"\0\0\0\1\0more")))
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (psd(planes(3).astype(np.uint8), 9), "convert it to RGB"),
        (psd(planes(2).astype(np.uint8), 3), "2 channels for rgb"),
        (psd(planes(3).astype(np.uint8), 3, depth=7), "7 bits"),
        (psd(planes(1).astype(np.uint8), 2), "palette is missing"),
        (psd(planes(3).astype(np.uint8), 3)[:-1], "truncated"),
        (psd(planes(3).astype(np.uint8), 3, 1)[:-1], "truncated"),
        (psd(planes(3).astype(np.uint8), 3, 2)[:-9], "truncated"),
    ],
)
def test_what_is_wrong_is_said(read, data, says):
    with pytest.raises(WorkloadError, match=says):
        read(data)
