import struct

import numpy as np
import pytest

from accel.image.codecs import gpu_layouts
from accel.workload import WorkloadError
from tests.accel.image.files import dds, picture

RED, GREEN, BLUE, ALPHA = 0xFF0000, 0xFF00, 0xFF, 0xFF000000


@pytest.mark.parametrize(
    ("flags", "bits", "masks", "data", "pixel", "model"),
    [
        (0x41, 32, (RED, GREEN, BLUE, ALPHA), b"\3\2\1\4", [1, 2, 3, 4], "rgb"),
        (0x41, 32, (BLUE, GREEN, RED, ALPHA), b"\1\2\3\4", [1, 2, 3, 4], "rgb"),
        (0x40, 32, (RED, GREEN, BLUE, 0), b"\3\2\1\4", [1, 2, 3], "rgb"),
        (0x40, 24, (RED, GREEN, BLUE, 0), b"\3\2\1", [1, 2, 3], "rgb"),
        (0x40, 24, (BLUE, RED, GREEN, 0), b"\1\3\2", [1, 2, 3], "rgb"),
        (0x40, 16, (0xF800, 0x7E0, 0x1F, 0), b"\0\xf8", [255, 0, 0], "rgb"),
        (0x41, 16, (0xF00, 0xF0, 0xF, 0xF000), b"\x23\xf1", [17, 34, 51, 255], "rgb"),
        (0x41, 32, (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000), b"\xff\3\0\xc0", [65535, 0, 0, 65535], "rgb"),
        (0x20000, 8, (0xFF, 0, 0, 0), b"\7", [7], "grey"),
        (0x20000, 8, (ALPHA, ALPHA, ALPHA, 0), b"\7", [7], "grey"),
        (0x20001, 16, (0xFF, 0, 0, 0xFF00), b"\7\x09", [7, 9], "grey"),
        (0x20001, 16, (0xFF, 0xFF, 0xFF, ALPHA), b"\7\x09", [7, 9], "grey"),
        (0x20001, 8, (0xF, 0, 0, 0xF0), b"\xf1", [17, 255], "grey"),
        (0x20000, 16, (0xFFFF, 0, 0, 0), b"\1\2", [513], "grey"),
        (0x2, 8, (0, 0, 0, 0xFF), b"\7", [0, 7], "grey"),
    ],
)
def test_bit_masks_of_old_headers_are_followed(read, flags, bits, masks, data, pixel, model):
    found = read(dds(1, 1, data, flags=flags, bits=bits, masks=masks))
    assert found.pixels.tolist() == [[pixel]]
    assert (found.format, found.compression, found.color_model) == ("dds", "", model)
    assert found.has_alpha == (len(pixel) in (2, 4))


@pytest.mark.parametrize(
    ("dxgi", "data", "pixel"),
    [
        (27, b"\1\2\3\4", [1, 2, 3, 4]), (87, b"\3\2\1\4", [1, 2, 3, 4]), (88, b"\3\2\1\4", [1, 2, 3]),
        (61, b"\7", [7]), (65, b"\7", [0, 7]), (56, b"\1\2", [513]),
        (31, b"\0\x7f\x80\0", [128, 255, 0, 128]),
        (54, struct.pack("<e", 2.5), [2.5]), (10, struct.pack("<4e", 1, 2, -3, 4), [1, 2, -3, 4]),
        (2, struct.pack("<4f", 1, 2, -3, 4), [1, 2, -3, 4]), (6, struct.pack("<3f", 1, 2, 3), [1, 2, 3]),
        (67, struct.pack("<I", 256 | 128 << 9 | 16 << 27), [1, 0.5, 0]),
        (26, struct.pack("<I", 15 << 6 | 16 << 17 | 15 << 27), [1, 2, 1]),
    ],
)  # fmt: skip
def test_formats_of_the_dx10_header_are_read(read, dxgi, data, pixel):
    assert read(dds(1, 1, data, dxgi=dxgi)).pixels.tolist() == [[pixel]]


@pytest.mark.parametrize(
    ("fourcc", "compression"),
    [(b"DXT1", "bc1"), (b"DXT3", "bc2"), (b"DXT5", "bc3"), (b"ATI1", "bc4"), (b"ATI2", "bc5")],
)
def test_old_names_of_compressions_are_known(read, fourcc, compression):
    found = read(dds(5, 3, bytes(32), fourcc))
    assert found.compression == compression and found.pixels.shape[:2] == (3, 5)


def test_numbers_of_direct3d_9_are_known(read):
    found = read(dds(1, 1, struct.pack("<4e", 1, 2, 3, 0.5), struct.pack("<I", 113)))
    assert found.pixels.tolist() == [[[1, 2, 3, 0.5]]] and found.has_alpha


def test_typeless_and_srgb_variants_hold_the_same_blocks(read):
    data = np.random.default_rng(1).bytes(64)
    for group in ((70, 71, 72), (76, 77, 78), (97, 98, 99)):
        first, *others = (read(dds(8, 8, data, dxgi=dxgi)).pixels for dxgi in group)
        assert all((first == other).all() for other in others)


def test_of_a_cube_map_and_its_mips_the_first_image_is_read(read):
    stored = picture(4, 4, 4)
    assert (read(dds(4, 4, stored.tobytes() + bytes(500), dxgi=28)).pixels == stored).all()


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (dds(8, 8, bytes(31), b"DXT1"), "bad_input", "truncated DDS .*32 bytes, has 31"),
        (dds(8, 8, bytes(99), b"UYVY"), "unsupported", "UYVY; save it as BC7 or RGBA"),
        (dds(8, 8, bytes(99), dxgi=100), "unsupported", "DXGI format 100"),
        (dds(8, 8, bytes(99), flags=0x40, bits=32, masks=(5, 2, 8, 0)), "unsupported", "bit masks"),
        (dds(8, 8, bytes(99), flags=0x200, bits=32), "unsupported", "without colours"),
        (dds(0, 8, b"", b"DXT1"), "bad_input", "0 x 8 pixels"),
        (dds(65_535, 65_535, b"", b"DXT1"), "too_large", "65535 x 65535"),
    ],
)
def test_what_is_wrong_is_said(read, data, code, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        read(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("more", "alpha"),
    [
        ({"dxgi": 28}, "straight"), ({"dxgi": 28, "alpha_mode": 1}, "straight"),
        ({"dxgi": 28, "alpha_mode": 2}, "multiplied"), ({"dxgi": 29, "alpha_mode": 2}, "multiplied as light"),
        ({"dxgi": 28, "alpha_mode": 3}, "straight"), ({"dxgi": 28, "alpha_mode": 4}, "straight"),
        ({"dxgi": 88, "alpha_mode": 2}, "straight"), ({"dxgi": 78, "alpha_mode": 2}, "multiplied as light"),
    ],
)  # fmt: skip
def test_the_extended_header_says_whether_colours_are_multiplied_by_alpha(read, more, alpha):
    assert read(dds(4, 4, bytes(64), **more)).alpha == alpha


@pytest.mark.parametrize(
    ("fourcc", "alpha"),
    [(b"DXT2", "multiplied"), (b"DXT3", "straight"), (b"DXT4", "multiplied"), (b"DXT5", "straight")],
)
def test_two_old_names_say_that_colours_are_multiplied_by_alpha(read, fourcc, alpha):
    assert read(dds(4, 4, bytes(16), fourcc)).alpha == alpha


def levels_of(*shapes, seed=3):
    return [np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8) for shape in shapes]


def test_smaller_levels_are_read_where_they_are_wanted(read):
    stored = levels_of((3, 6, 4), (1, 3, 4), (1, 1, 4))
    file = dds(6, 3, b"".join(level.tobytes() for level in stored), dxgi=28, levels=3)
    found = read(file, mips=True)
    assert found.levels == 3 and len(found.mips) == 2
    assert all(np.array_equal(one, other) for one, other in zip(found.mips, stored[1:], strict=True))
    assert read(file).mips == () and read(file).levels == 3


@pytest.mark.parametrize(("left", "whole"), [(0, 2), (1, 1), (5, 0)])
def test_levels_that_a_header_promises_and_a_file_lacks_are_left_out(read, left, whole):
    stored = levels_of((2, 4, 4), (1, 2, 4), (1, 1, 4))
    data = b"".join(level.tobytes() for level in stored)
    found = read(dds(4, 2, data[: len(data) - left], dxgi=28, levels=9), mips=True)
    assert len(found.mips) == whole and np.array_equal(found.pixels, stored[0])


def test_a_smaller_level_has_the_channels_of_the_largest_whatever_its_own_texels_say(read):
    seen, hidden = bytes(4) + bytes(4), struct.pack("<2H", 1, 2) + b"\xff" * 4
    clear = read(dds(8, 8, hidden * 4 + seen, b"DXT1", levels=2), mips=True)
    assert clear.pixels.shape[2] == clear.mips[0].shape[2] == 4
    solid = struct.pack("<2H", 2, 1) + bytes(4)
    opaque = read(dds(8, 8, solid * 4 + hidden, b"DXT1", levels=2), mips=True)
    assert opaque.pixels.shape[2] == opaque.mips[0].shape[2] == 3


@pytest.mark.parametrize(("red", "rebuilt"), [(128, True), (255, False)])
def test_the_blue_of_two_channels_is_rebuilt_in_all_levels_or_in_none(read, red, rebuilt):
    large = np.full((4, 4, 2), (red, 255 if red == 255 else 128), np.uint8)
    small = np.full((2, 2, 2), (128, 128) if red == 255 else (255, 255), np.uint8)
    found = read(dds(4, 4, large.tobytes() + small.tobytes(), dxgi=49, levels=2), mips=True)
    assert [bool(level[..., 2].any()) for level in (found.pixels, *found.mips)] == [rebuilt, rebuilt]


def test_blue_that_all_levels_rebuild_is_built_once(read, monkeypatch):
    def again(*_):
        raise AssertionError

    # Blocks get it where they are unpacked.
    monkeypatch.setattr(gpu_layouts, "with_blue", again)
    found = read(dds(8, 8, bytes(80), dxgi=83, levels=2), mips=True)
    assert [level.shape for level in (found.pixels, *found.mips)] == [(8, 8, 3), (4, 4, 3)]


@pytest.mark.parametrize(
    ("more", "images"),
    [
        ({"caps2": 0xFE00}, 6), ({"caps2": 0x200 | 0x400}, 1), ({"caps2": 0x200000, "depth": 5}, 5),
        ({"dxgi": 28, "misc": 4, "count": 2}, 12), ({"dxgi": 28, "count": 3}, 3),
        ({"dxgi": 28, "dimension": 4, "depth": 7}, 7), ({"dxgi": 28, "count": 0}, 1),
    ],
)  # fmt: skip
def test_faces_layers_and_slices_are_counted(read, more, images):
    old = {} if "dxgi" in more else {"flags": 0x41, "bits": 32, "masks": (RED, GREEN, BLUE, ALPHA)}
    file = dds(2, 2, bytes(range(240)), levels=2, **old, **more)
    found = read(file, mips=True)
    assert (found.images, found.levels) == (images, 2)
    # The next bytes of a volume are its next slice.
    assert len(found.mips) == (0 if "depth" in more else 1)


CUBE = {"caps2": 0xFE00}
PLAIN = {"flags": 0x41, "bits": 32, "masks": (BLUE, GREEN, RED, ALPHA)}


@pytest.mark.parametrize("stored", [1, 2])
@pytest.mark.parametrize(
    ("more", "named"),
    [
        (PLAIN | CUBE, 6), ({"dxgi": 28, "misc": 4}, 6), ({"dxgi": 28, "count": 6}, 6),
        # Six faces, which are said in the old way alone, or counted for cubes.
        ({"dxgi": 28} | CUBE, 6), ({"dxgi": 28, "misc": 4, "count": 6}, 6),
        ({"dxgi": 28, "misc": 4, "count": 12}, 12),
    ],
)  # fmt: skip
def test_headers_of_several_images_that_contradict_themselves_are_read_by_what_is_there(
    read, more, named, stored
):
    """What they hold is one level of two that they name, or both."""
    levels = [levels_of((2, 2, 4), (1, 1, 4), seed=seed)[:stored] for seed in range(named)]
    data = b"".join(level.tobytes() for image in levels for level in image)
    found = read(dds(2, 2, data, levels=2, **more), mips=True, layers=True)
    images = [(found.pixels, *found.mips), *found.others]
    assert found.images == len(images) == named and found.cube == (more != {"dxgi": 28, "count": 6})
    for image, wanted in zip(images, levels, strict=True):
        assert len(image) == stored and all(map(np.array_equal, image, wanted))


def test_as_many_cubes_as_a_header_names_stay_so_many(read):
    found = read(dds(2, 2, bytes(36 * 16), dxgi=28, misc=4, count=6), layers=True)
    assert found.images == 1 + len(found.others) == 36 and found.cube


def test_a_single_image_is_no_cube_because_the_old_flags_say_so(read):
    found = read(dds(2, 2, bytes(16), dxgi=28, caps2=0xFE00), layers=True)
    assert (found.images, found.others) == (1, ())
