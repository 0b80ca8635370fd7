import struct

import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import bmp, picture, rows

PALETTE = bytes(part for index in range(16) for part in (index, 2 * index, 3 * index, 0))


def color(index: int) -> list[int]:
    return [3 * index, 2 * index, index]


@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("bits", [24, 32])
def test_true_colour_reads_from_either_end(read, bits, upwards):
    stored = picture(5, 7, bits // 8)
    height = 5 if upwards else -5
    found = read(bmp(bits, 7, height, rows(stored if upwards else stored[::-1])))
    assert (found.pixels == stored[..., [2, 1, 0, 3][: bits // 8]]).all()
    assert (found.format, found.has_alpha) == ("bmp", bits == 32)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_of_few_bits_is_looked_up(read, bits):
    indices = np.arange(10, dtype=np.uint8) % min(1 << bits, 16)
    packed = np.packbits((indices[:, None] >> np.arange(bits - 1, -1, -1)) & 1)
    found = read(bmp(bits, 10, 1, packed.tobytes() + bytes(-len(packed) % 4), palette=PALETTE[: 4 << bits]))
    assert found.pixels[0].tolist() == [color(index) for index in indices] and found.palette


def test_a_palette_of_greys_makes_a_grey_image(read):
    found = read(bmp(1, 8, 1, b"\x0f\0\0\0", palette=b"\0\0\0\0\xff\xff\xff\0"))
    assert found.color_model == "grey" and found.pixels.ravel().tolist() == [0] * 4 + [255] * 4


def test_sixteen_bits_are_555_or_what_the_masks_say(read):
    words = struct.pack("<HH", 0x7C00, 0x001F)
    assert read(bmp(16, 2, 1, words)).pixels.tolist() == [[[255, 0, 0], [0, 0, 255]]]
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    words = struct.pack("<HH", 0xF800, 0x07E0)
    assert read(bmp(16, 2, 1, words, compression=3, masks=masks)).pixels.tolist() == [
        [[255, 0, 0], [0, 255, 0]]
    ]


@pytest.mark.parametrize("masks", [(0x5, 2, 8), (0, 2, 8), (0x1FFFF, 1, 1)])
def test_masks_that_are_none_are_an_error(read, masks):
    with pytest.raises(WorkloadError, match="bit mask"):
        read(bmp(32, 1, 1, bytes(4), compression=3, masks=struct.pack("<III", *masks)))


def test_runs_literals_jumps_and_ends_of_lines_are_followed(read):
    code = b"\3\1" + b"\0\3\2\3\4\0" + b"\0\0" + b"\0\2\2\0" + b"\2\5" + b"\0\1"
    found = read(bmp(8, 6, 2, code, compression=1, palette=PALETTE))
    low = [color(index) for index in (1, 1, 1, 2, 3, 4)]
    high = [color(index) for index in (0, 0, 5, 5, 0, 0)]
    assert found.pixels.tolist() == [high, low]


def test_runs_of_four_bits_alternate(read):
    code = b"\3\x12" + b"\0\3\x34\x50" + b"\0\1"
    found = read(bmp(4, 6, 1, code, compression=2, palette=PALETTE))
    assert found.pixels[0].tolist() == [color(index) for index in (1, 2, 1, 3, 4, 5)]


@pytest.mark.parametrize("code", [b"\3\1", b"\0\2", b"\0\5\1\2", b"\6\1\0\0\6"])
def test_runs_that_the_end_of_the_file_cuts_are_noticed(read, code):
    with pytest.raises(WorkloadError, match=r"truncated BMP .* row"):
        read(bmp(8, 6, 2, code, compression=1, palette=PALETTE))


def test_a_run_that_reaches_over_the_row_is_cut_there(read):
    found = read(bmp(8, 3, 1, b"\x09\1\0\1", compression=1, palette=PALETTE))
    assert found.pixels.tolist() == [[color(1)] * 3]


@pytest.mark.parametrize(
    ("data", "says"),
    [(bmp(5, 1, 1, bytes(4)), "5 bits"), (bmp(8, 1, -1, b"", compression=1), "8 bits")],
)
def test_a_header_that_contradicts_itself_is_refused(read, data, says):
    with pytest.raises(WorkloadError, match=says):
        read(data)


def test_the_oldest_header_is_read(read):
    found = read(bmp(1, 2, 1, b"\x40\0\0\0", core=True, palette=b"\1\2\3\4\5\6"))
    assert found.pixels.tolist() == [[[3, 2, 1], [6, 5, 4]]]


def test_a_colour_that_the_palette_lacks_is_an_error(read):
    with pytest.raises(WorkloadError, match="isn't in its palette"):
        read(bmp(8, 1, 1, b"\x63\0\0\0", palette=PALETTE))


def test_a_bitmap_that_wraps_a_jpeg_says_what_to_do(read):
    with pytest.raises(WorkloadError, match="save it as PNG"):
        read(bmp(0, 1, 1, b"", compression=4))
