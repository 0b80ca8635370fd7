import struct

import numpy as np
import pytest

from tests.accel.image.files import dds, ktx2

RED, BLUE = 0xF800, 0x001F


def first(found) -> list[int]:
    return found.pixels[0, 0].tolist()


def test_bc1_has_four_colours_or_three_and_none(read):
    found = read(dds(4, 1, struct.pack("<HHI", RED, BLUE, 0b11_10_01_00), b"DXT1"))
    assert found.pixels[0].tolist() == [[255, 0, 0], [0, 0, 255], [170, 0, 85], [85, 0, 170]]
    found = read(dds(4, 1, struct.pack("<HHI", BLUE, RED, 0b11_10_01_00), b"DXT1"))
    assert found.has_alpha
    assert found.pixels[0].tolist() == [[0, 0, 255, 255], [255, 0, 0, 255], [128, 0, 128, 255], [0, 0, 0, 0]]


def test_the_colours_of_bc2_and_bc3_are_four_in_any_order(read):
    for fourcc, alpha in ((b"DXT3", b"\x0f" + bytes(7)), (b"DXT5", b"\xff\0" + bytes(6))):
        found = read(dds(4, 1, alpha + struct.pack("<HHI", BLUE, RED, 0b11_10_01_00), fourcc))
        assert [pixel[:3] for pixel in found.pixels[0].tolist()][2:] == [[85, 0, 170], [170, 0, 85]]
        assert first(found)[3] == 255


def test_bc4_has_eight_values_or_six_and_the_extremes(read):
    indices = sum(value << 3 * value for value in range(4)).to_bytes(6, "little")
    assert read(dds(4, 1, b"\xff\0" + indices, b"ATI1")).pixels.ravel().tolist() == [255, 0, 219, 182]
    assert read(dds(4, 1, b"\0\xff" + indices, b"ATI1")).pixels.ravel().tolist() == [0, 255, 51, 102]
    extremes = (0b111_110).to_bytes(6, "little")
    assert read(dds(2, 1, b"\x40\x80" + extremes, b"ATI1")).pixels.ravel().tolist() == [0, 255]


def test_signed_values_have_their_zero_in_the_middle(read):
    assert first(read(dds(1, 1, b"\x7f\x80" + bytes(6), b"BC4S"))) == [255]
    assert first(read(dds(1, 1, b"\x00\x80" + bytes(6), b"BC4S"))) == [128]


def test_two_channels_get_the_blue_of_a_normal_only_if_they_can_be_one(read):
    flat, slope = b"\x80\x80" + bytes(6), b"\xc0\xc0" + bytes(6)
    assert first(read(dds(1, 1, flat + flat, b"ATI2"))) == [128, 128, 255]
    x = 0xC0 / 127.5 - 1
    assert first(read(dds(1, 1, slope + flat, b"ATI2")))[2] == pytest.approx(
        (1 + (1 - x * x) ** 0.5) * 127.5, abs=1
    )
    assert first(read(dds(1, 1, (b"\xff\xff" + bytes(6)) * 2, b"ATI2"))) == [255, 255, 0]


def test_bc6h_keeps_what_is_brighter_than_white(read):
    # Mode 11: two colours of 10 bits as they are, unsigned.
    red = 3 | 0x3C0 << 5
    found = read(dds(4, 4, red.to_bytes(16, "little"), dxgi=95))
    assert found.pixels.dtype == np.float32 and found.compression == "bc6h"
    assert first(found)[0] > 1 and first(found)[1:] == [0, 0]


def test_bc7_of_one_colour(read):
    # Mode 5 with end points of 7 bits and alpha of 8, all indices 0.
    value = 1 << 5 | 127 << 8 | 127 << 15 | 255 << 50 | 255 << 58
    found = read(dds(4, 4, value.to_bytes(16, "little"), dxgi=98))
    assert first(found) == [255, 0, 0] and not found.has_alpha


def test_etc2_of_one_colour(read):
    # Individual mode: base colours of 4 bits, red twice; the smallest steps are +2.
    found = read(ktx2(4, 4, bytes([0xFF, 0, 0, 0]) + bytes(4), 147))
    assert first(found) == [255, 2, 2] and found.compression == "etc2"


def test_eac_values_are_where_their_base_is(read):
    assert abs(first(read(ktx2(4, 4, bytes([200, 0]) + bytes(6), 153)))[0] - 200) <= 2
    assert abs(first(read(ktx2(4, 4, bytes([0, 0]) + bytes(6), 154)))[0] - 128) <= 2


@pytest.mark.parametrize("index", range(14))
def test_astc_of_every_block_size_and_one_colour(read, index):
    width, height = (
        (4, 4), (5, 4), (5, 5), (6, 5), (6, 6), (8, 5), (8, 6), (8, 8), (10, 5), (10, 6), (10, 8), (10, 10),
        (12, 10), (12, 12),
    )[index]  # fmt: skip
    # A void extent: one colour of 16 bits a channel.
    block = bytes([0xFC, 0xFD, 255, 255, 255, 255, 255, 255]) + struct.pack("<4H", 0xFFFF, 0x8080, 0, 0xFFFF)
    found = read(ktx2(width + 1, height, block * 2, 157 + 2 * index))
    assert found.pixels.shape == (height, width + 1, 3) and found.compression == "astc"
    assert (found.pixels == [255, 128, 0]).all()
