import struct

import numpy as np
import pytest

from accel.image.codecs.gpu_formats import PLAIN, Texture
from accel.image.codecs.ktx2 import write_compressed
from accel.workload import WorkloadError
from tests.accel.image.files import dds, ktx2, picture


@pytest.mark.parametrize("packing", [0, 2, 3])
def test_packed_pixels_are_unpacked(read, packing):
    stored = picture(9, 7, 4)
    found = read(ktx2(7, 9, stored.tobytes(), 43, packing))
    assert (found.pixels == stored).all()
    assert (found.format, found.color_model, found.has_alpha, found.compression) == ("ktx2", "rgb", True, "")


@pytest.mark.parametrize("packing", [2, 3])
def test_of_layers_and_faces_the_first_is_unpacked(read, packing):
    stored = picture(4, 4, 4)
    found = read(ktx2(4, 4, stored.tobytes() + bytes(1 << 20), 37, packing))
    assert (found.pixels == stored).all()


@pytest.mark.parametrize(
    ("vulkan", "data", "pixel"),
    [
        (9, b"\7", [7]), (23, b"\1\2\3", [1, 2, 3]), (30, b"\3\2\1", [1, 2, 3]),
        (44, b"\3\2\1\4", [1, 2, 3, 4]), (97, struct.pack("<4e", 1, 2, -3, 4), [1, 2, -3, 4]),
        (109, struct.pack("<4f", 1, 2, -3, 4), [1, 2, -3, 4]), (2, b"\x4f\x12", [17, 34, 68, 255]),
        (123, struct.pack("<I", 256 | 128 << 9 | 16 << 27), [1, 0.5, 0]),
    ],
)  # fmt: skip
def test_formats_of_vulkan_are_read(read, vulkan, data, pixel):
    assert read(ktx2(1, 1, data, vulkan)).pixels.tolist() == [[pixel]]


@pytest.mark.parametrize(
    ("vulkan", "dxgi", "size"),
    [(131, 71, 8), (135, 74, 16), (138, 78, 16), (139, 80, 8), (141, 83, 16), (143, 95, 16), (145, 98, 16)],
)
def test_blocks_are_those_of_dds(read, vulkan, dxgi, size):
    data = np.random.default_rng(4).bytes(4 * size)
    one, other = read(ktx2(7, 6, data, vulkan)), read(dds(7, 6, data, dxgi=dxgi))
    assert (one.pixels == other.pixels).all() and one.compression == other.compression != ""


def test_a_descriptor_that_isnt_whole_says_nothing(read):
    stored = ktx2(1, 1, b"\1\2\3\4", 37)
    linear = struct.pack("<IIHH4B", 28, 0, 2, 24, 1, 1, 1, 0)
    for place, size, said in ((104, 16, True), (104, 15, False), (0, 16, False), (116, 16, False)):
        file = stored[:48] + struct.pack("<2I", place, size) + stored[56:80]
        file += struct.pack("<3Q", 120, 4, 4) + linear + stored[-4:]
        found = read(file)
        assert found.pixels.tolist() == [[[1, 2, 3, 4]]] and found.data == said


def test_a_texture_of_one_row_has_no_height(read):
    assert read(ktx2(3, 0, b"\1\2\3", 9)).pixels.shape == (1, 3, 1)


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (ktx2(8, 8, bytes(64), 0), "unsupported", "Basis Universal.*`ktx transcode`"),
        (ktx2(8, 8, bytes(64), 37, 1), "unsupported", "Basis Universal"),
        (ktx2(8, 8, bytes(64), 37, 9), "unsupported", "packing 9"),
        (ktx2(8, 8, bytes(64), 1000066000), "unsupported", "Vulkan format 1000066000"),
        (ktx2(8, 8, bytes(64), 37), "bad_input", "truncated KTX2"),
        (ktx2(8, 8, bytes(64), 37, 2), "bad_input", "64 of 256 bytes"),
        (ktx2(8, 8, bytes(256), 37, 3)[:-9], "bad_input", "truncated KTX2"),
        (ktx2(70_000, 70_000, b"", 37), "too_large", "70000 x 70000"),
        (
            ktx2(8, 8, bytes(256), 37, 2).replace(b"\x28\xb5\x2f\xfd", b"\0\0\0\0"),
            "bad_input",
            "packed pixels",
        ),
    ],
)
def test_what_is_wrong_is_said(read, data, code, says):
    with pytest.raises(WorkloadError, match=says) as caught:
        read(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("vulkan", "transfer", "flags", "alpha"),
    [
        (37, 1, 0, "straight"), (37, 1, 1, "multiplied"), (43, 2, 0, "straight"),
        (43, 2, 1, "multiplied as light"), (43, 2, 3, "multiplied as light"), (22, 2, 1, "straight"),
    ],
)  # fmt: skip
def test_the_descriptor_says_whether_colours_are_multiplied_by_alpha(read, vulkan, transfer, flags, alpha):
    said = struct.pack("<IIHH4B", 28, 0, 2, 24, 1, 1, transfer, flags)
    stored = ktx2(1, 1, b"\1\2\3\4", vulkan)
    file = stored[:48] + struct.pack("<2I", 104, 16) + stored[56:80] + struct.pack("<3Q", 120, 4, 4) + said
    assert read(file + stored[-4:]).alpha == alpha


@pytest.mark.parametrize("zstd", [0, 3])
def test_smaller_levels_are_read_where_they_are_wanted(read, zstd):
    levels = [picture(side, 2 * side, 4) for side in (4, 2, 1)]
    texels = PLAIN["u1", 4, False]
    file = write_compressed(Texture(texels, 8, 4, [level.tobytes() for level in levels]), zstd)
    found = read(file, mips=True)
    assert found.levels == 3
    assert all(
        np.array_equal(one, other) for one, other in zip((found.pixels, *found.mips), levels, strict=True)
    )
    assert read(file).mips == ()


def test_levels_that_arent_there_whole_are_left_out(read):
    levels = [picture(2, 2, 4), picture(1, 1, 4)]
    file = write_compressed(Texture(PLAIN["u1", 4, False], 2, 2, [level.tobytes() for level in levels]))
    beyond = file[:104] + struct.pack("<3Q", len(file) - 3, 4, 4) + file[128:]
    found = read(beyond, mips=True)
    assert (found.levels, found.mips) == (2, ()) and np.array_equal(found.pixels, levels[0])


def damaged(begin=None, packed_size=None, *, zstd=0):
    """Two levels, of which the entry of the second is replaced; and what the first holds."""
    levels = [picture(2, 2, 4), picture(1, 1, 4)]
    file = write_compressed(Texture(PLAIN["u1", 4, False], 2, 2, [level.tobytes() for level in levels]), zstd)
    first, size, raw = struct.unpack("<3Q", file[104:128])
    entry = (first if begin is None else begin, size if packed_size is None else packed_size, raw)
    return file[:104] + struct.pack("<3Q", *entry) + file[128:], levels[0]


@pytest.mark.parametrize("zstd", [0, 3])
@pytest.mark.parametrize("begin", [0, 103, 120, 2**45, 2**62, 2**63, 2**64 - 1])
def test_a_smaller_level_that_begins_where_none_can_be_is_left_out(read, begin, zstd):
    file, first = damaged(begin, zstd=zstd)
    found = read(file, mips=True)
    assert (found.levels, found.mips) == (2, ()) and np.array_equal(found.pixels, first)


@pytest.mark.parametrize("size", [0, 3, 2**45, 2**62, 2**63, 2**64 - 1])
def test_a_smaller_level_whose_packed_size_is_wrong_is_left_out(read, size):
    file, first = damaged(packed_size=size, zstd=3)
    found = read(file, mips=True)
    assert (found.levels, found.mips) == (2, ()) and np.array_equal(found.pixels, first)


def test_a_smaller_level_that_cant_be_unpacked_is_left_out(read):
    file, first = damaged(zstd=3)
    begin, size = struct.unpack("<2Q", file[104:120])
    found = read(file[:begin] + b"\xff" * size + file[begin + size :], mips=True)
    assert found.mips == () and np.array_equal(found.pixels, first)


def test_a_file_may_end_within_the_index_of_its_levels(read):
    stored = ktx2(2, 2, bytes(8), 131)
    head = stored[:40] + struct.pack("<I", 2) + stored[44:80]
    found = read(head + struct.pack("<3Q", 104, 8, 8) + bytes(8), mips=True)
    assert (found.levels, found.mips) == (2, ())


@pytest.mark.parametrize("faces", [2, 5, 7, 2**32 - 1])
def test_a_number_of_faces_that_no_texture_has_is_refused(read, faces):
    file = ktx2(2, 2, bytes(4096), 37)
    with pytest.raises(WorkloadError, match=f"corrupt KTX2 .{faces:,} faces, not 1 or 6") as caught:
        read(file[:36] + struct.pack("<I", faces) + file[40:])
    assert caught.value.code == "bad_input"


def test_no_number_of_images_is_too_large_to_be_told(read):
    file = ktx2(2, 2, bytes(4096), 37)
    counted = file[:28] + struct.pack("<3I", 2, 2**32 - 1, 6) + file[40:]
    assert read(counted).images == 2**32 - 1


def test_faces_layers_and_slices_are_counted(read):
    file = ktx2(2, 2, bytes(4096), 37)
    for depth, layers, faces, images in ((0, 0, 6, 6), (0, 3, 6, 18), (5, 0, 1, 5), (0, 4, 1, 4)):
        counted = file[:28] + struct.pack("<3I", depth, layers, faces) + file[40:]
        assert read(counted, mips=True).images == images


@pytest.mark.parametrize("vulkan", [16, 77, 141, 155])
def test_two_channels_are_data_which_no_curve_codes(read, vulkan):
    assert read(ktx2(4, 4, bytes(range(64)), vulkan)).data


@pytest.mark.parametrize(("transfer", "data"), [(0, True), (1, True), (2, False)])
def test_two_channels_are_no_data_where_they_are_said_to_be_srgb(read, transfer, data):
    said = struct.pack("<IIHH4B", 28, 0, 2, 24, 1, 1, transfer, 0)
    stored = ktx2(1, 1, b"\1\2", 22)
    file = stored[:48] + struct.pack("<2I", 104, 16) + stored[56:80] + struct.pack("<3Q", 120, 2, 2) + said
    assert read(file + stored[-2:]).data == data


def test_faces_that_arent_compressed_are_held_once(read):
    stored = picture(64, 64, 4)
    file = ktx2(64, 64, stored.tobytes() * 6, 37)
    file = file[:36] + struct.pack("<I", 6) + file[40:]
    found = read(file, layers=True)
    images = [found.pixels, *(levels[0] for levels in found.others)]
    assert found.cube and all((image == stored).all() for image in images)
    assert len({id(_owner(image)) for image in images}) == 1


def _owner(image):
    """What holds the bytes that an array is a view of."""
    while isinstance(image, np.ndarray) and image.base is not None:
        image = image.base
    return image.obj if isinstance(image, memoryview) else image
