import numpy as np
import pytest

from accel.workload import WorkloadError
from tests.accel.image.files import picture, tga


@pytest.mark.parametrize("kind", [2, 10])
@pytest.mark.parametrize("bits", [24, 32])
@pytest.mark.parametrize("corner", [0, 16, 32, 48])
def test_true_colour_reads_from_every_corner(read, kind, bits, corner):
    stored = picture(7, 11, bits // 8)
    found = read(tga(stored, kind, bits, corner | (8 if bits == 32 else 0)))
    assert (found.pixels == stored[..., [2, 1, 0, 3][: bits // 8]]).all()
    assert (found.format, found.color_model, found.has_alpha) == ("tga", "rgb", bits == 32)


@pytest.mark.parametrize("kind", [3, 11])
def test_grey_has_one_channel_and_sixteen_bits_are_grey_with_alpha(read, kind):
    stored = picture(5, 6, 1)
    assert (read(tga(stored, kind, 8)).pixels == stored).all()
    both = picture(5, 6, 2)
    found = read(tga(both, kind, 16))
    assert (found.pixels == both).all() and found.has_alpha and found.color_model == "grey"


def test_five_bits_a_channel_reach_full_range(read):
    stored = np.array([[0x7FFF, 0xFC00, 0x0000, 0x801F]], "<u2").view(np.uint8).reshape(1, 4, 2)
    found = read(tga(stored, 2, 16, 33))
    assert found.pixels.tolist() == [[[255, 255, 255, 0], [255, 0, 0, 255], [0, 0, 0, 0], [0, 0, 255, 255]]]
    assert not read(tga(stored, 2, 16, 32)).has_alpha


@pytest.mark.parametrize(("kind", "map_bits"), [(1, 24), (9, 24), (1, 32), (1, 16)])
def test_a_palette_is_looked_up(read, kind, map_bits):
    colors = {24: b"\1\2\3\4\5\6", 32: b"\1\2\3\4\5\6\7\x08", 16: b"\x00\x7c\x1f\x00"}[map_bits]
    stored = np.array([[[5], [6], [5]]], np.uint8)
    found = read(tga(stored, kind, 8, palette=colors, map_bits=map_bits, first=5))
    expected = {24: [[3, 2, 1], [6, 5, 4]], 32: [[3, 2, 1, 4], [7, 6, 5, 8]], 16: [[255, 0, 0], [0, 0, 255]]}
    one, other = expected[map_bits]
    assert found.pixels[0].tolist() == [one, other, one] and found.palette


def test_a_colour_that_the_palette_lacks_is_an_error(read):
    with pytest.raises(WorkloadError, match="isn't in its palette"):
        read(tga(np.array([[[9]]], np.uint8), 1, 8, palette=b"\1\2\3", map_bits=24))
    with pytest.raises(WorkloadError, match="palette is missing"):
        read(tga(np.array([[[9]]], np.uint8), 1, 8))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tga(np.zeros((1, 1, 4), np.uint8), 1, 32), "32 bits"),
        (
            tga(np.zeros((1, 1, 1), np.uint8), 1, 8, palette=b"\1", map_bits=8),
            "palette of 1 colours of 8 bits",
        ),
        (tga(np.zeros((1, 0, 3), np.uint8), 2, 24), "0 x 1 pixels"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(read, data, says):
    with pytest.raises(WorkloadError, match=says):
        read(data)


def test_a_palette_that_true_colour_carries_along_is_passed_over(read):
    stored = picture(2, 2, 3)
    found = read(tga(stored, 2, 24, palette=b"\1\2\3", map_bits=24))
    assert (found.pixels == stored[..., ::-1]).all()


def test_a_fourth_byte_that_is_only_filler_is_no_alpha(read):
    stored = picture(4, 4, 4)
    stored[..., 3] = 0
    assert not read(tga(stored, 2, 32, 32)).has_alpha
    assert read(tga(stored, 2, 32, 40)).has_alpha


def test_a_packet_that_the_end_of_the_file_cuts_is_noticed(read):
    whole = tga(picture(9, 9, 3), 10, 24)
    for end in range(25, len(whole), 7):
        with pytest.raises(WorkloadError, match="truncated TGA"):
            read(whole[:end])
