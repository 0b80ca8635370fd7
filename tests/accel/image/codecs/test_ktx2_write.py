import numpy as np
import pytest

from accel.image.block_encoders import FORMATS
from accel.image.codecs import ktx2
from accel.image.codecs.gpu_formats import Texture
from accel.image.codecs.gpu_layouts import uncompressed
from accel.image.encode import save
from accel.image.operation import Writing
from tests.accel.image import containers
from tests.accel.image.textures import SIZES, raster, smooth

ONE, MINUS_ONE, FULL = 0x3F800000, 0xBF800000, 0xFFFFFFFF
RGB, SRGB, LINEAR = 1, 2, 1


def written(image, bits: str = "same") -> bytes:
    (file,), facts = save("out", image, Writing(format="ktx2", bits=bits))
    assert (file.media_type, facts.format, facts.size) == ("image/ktx2", "ktx2", len(file.data))
    return file.data


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES[:3])
def test_every_pixel_comes_back(read, size, channels, dtype):
    pixels = smooth(*size, channels, dtype, alpha="some")
    found = read(written(raster(pixels), "32" if dtype == "float32" else "same"))
    wide = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
    assert found.pixels.dtype == pixels.dtype and (found.pixels[..., : wide.shape[2]] == wide).all()


def samples(count: int, bits: int, lower: int, upper: int, qualifiers: int = 0, alpha: int = 0):
    """Red, green, blue and alpha (15), one after the other."""
    return [
        (channel | qualifiers | (alpha if channel == 15 else 0), index * bits, bits, lower, upper)
        for index, channel in enumerate((0, 1, 2, 15)[:count])
    ]


@pytest.mark.parametrize(
    ("channels", "dtype", "transfer", "vulkan", "size", "described"),
    [
        (1, "uint8", "linear", 9, 1, samples(1, 8, 0, 255)),
        (4, "uint8", "linear", 37, 1, samples(4, 8, 0, 255)),
        # Alpha is linear where colours aren't.
        (3, "uint8", "srgb", 43, 1, samples(4, 8, 0, 255, alpha=0x10)),
        (1, "uint16", "linear", 70, 2, samples(1, 16, 0, 65535)),
        (4, "uint16", "srgb", 91, 2, samples(4, 16, 0, 65535, alpha=0x10)),
        (1, "float16", "linear", 76, 2, samples(1, 16, MINUS_ONE, ONE, 0xC0)),
        (3, "float16", "linear", 97, 2, samples(4, 16, MINUS_ONE, ONE, 0xC0)),
        (1, "float32", "linear", 100, 4, samples(1, 32, MINUS_ONE, ONE, 0xC0)),
        (4, "float32", "linear", 109, 4, samples(4, 32, MINUS_ONE, ONE, 0xC0)),
    ],
)
def test_the_descriptor_says_what_the_format_is(channels, dtype, transfer, vulkan, size, described):
    pixels = smooth(13, 7, channels, dtype)
    bits = "32" if dtype == "float32" else "same"
    pixels = pixels.astype(np.float32) if dtype == "float16" else pixels
    found = containers.ktx2(written(raster(pixels, transfer, mips=True), bits))
    assert (found.vulkan, found.type_size, found.samples) == (vulkan, size, described)
    assert (found.model, found.primaries, found.block) == (RGB, 1, (1, 1))
    assert found.transfer == (SRGB if transfer == "srgb" else LINEAR)
    assert found.bytes == sum(bits for _, _, bits, _, _ in described) // 8
    assert (found.width, found.height, len(found.levels)) == (7, 13, 4)


COLOR, ALPHA = 2, 15
BLOCKS = {
    # Vulkan's number, sRGB's, colour model, bytes, samples of channel and bits.
    "bc1": (131, 132, 128, 8, [(0, 64)]), "bc3": (137, 138, 130, 16, [(ALPHA, 64), (0, 64)]),
    "bc4": (139, 0, 131, 8, [(0, 64)]), "bc5": (141, 0, 132, 16, [(0, 64), (1, 64)]),
    "bc7": (145, 146, 134, 16, [(0, 128)]), "etc2_rgb": (147, 148, 161, 8, [(COLOR, 64)]),
    "etc2_rgba": (151, 152, 161, 16, [(ALPHA, 64), (COLOR, 64)]), "eac_r11": (153, 0, 161, 8, [(0, 64)]),
    "eac_rg11": (155, 0, 161, 16, [(0, 64), (1, 64)]), "astc_4x4": (157, 158, 162, 16, [(0, 128)]),
    "astc_5x4": (159, 160, 162, 16, [(0, 128)]), "astc_5x5": (161, 162, 162, 16, [(0, 128)]),
    "astc_6x5": (163, 164, 162, 16, [(0, 128)]), "astc_6x6": (165, 166, 162, 16, [(0, 128)]),
    "astc_8x5": (167, 168, 162, 16, [(0, 128)]), "astc_8x6": (169, 170, 162, 16, [(0, 128)]),
    "astc_8x8": (171, 172, 162, 16, [(0, 128)]), "astc_10x5": (173, 174, 162, 16, [(0, 128)]),
    "astc_10x6": (175, 176, 162, 16, [(0, 128)]), "astc_10x8": (177, 178, 162, 16, [(0, 128)]),
    "astc_10x10": (179, 180, 162, 16, [(0, 128)]), "astc_12x10": (181, 182, 162, 16, [(0, 128)]),
    "astc_12x12": (183, 184, 162, 16, [(0, 128)]),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("srgb", [False, True])
def test_blocks_are_described(name, srgb):
    linear, coded, model, size, parts = BLOCKS[name]
    format = FORMATS[name].srgb if srgb else FORMATS[name].linear
    if srgb and not coded:
        assert format is None
        return
    across, down = map(int, name[5:].split("x")) if name.startswith("astc") else (4, 4)
    data = bytes(-(-13 // across) * -(-7 // down) * size)
    found = containers.ktx2(ktx2.write_compressed(Texture(format, 13, 7, [data])))
    described, at = [], 0
    for channel, bits in parts:
        described.append((channel | (0x10 if srgb and channel == ALPHA else 0), at, bits, 0, FULL))
        at += bits
    assert (found.vulkan, found.model, found.bytes) == (coded if srgb else linear, model, size)
    assert (found.block, found.type_size, found.samples) == ((across, down), 1, described)
    assert found.transfer == (SRGB if srgb else LINEAR)


def test_light_in_blocks_is_described_as_floats_without_a_sign():
    found = containers.ktx2(ktx2.write_compressed(Texture(FORMATS["bc6h"].linear, 4, 4, [bytes(16)])))
    assert (found.vulkan, found.model, found.samples) == (143, 133, [(0x80, 0, 128, 0, ONE)])


def test_the_tables_of_this_test_are_complete():
    assert {*BLOCKS, "bc6h"} == set(FORMATS)


@pytest.mark.parametrize("zstd", [0, 1, 19])
def test_levels_are_whole_packed_or_not(zstd):
    image = raster(smooth(40, 24, 3, "uint8"), mips=True)
    texture = uncompressed(image, Writing())
    found = containers.ktx2(ktx2.write_compressed(texture, zstd))
    assert found.scheme == (2 if zstd else 0) and found.levels == list(texture.levels)


def test_packing_makes_it_smaller():
    texture = uncompressed(raster(smooth(64, 64, 3), mips=True), Writing())
    assert len(ktx2.write_compressed(texture, 3)) < 0.9 * len(ktx2.write_compressed(texture))


def test_who_wrote_it_and_how_grey_is_meant_is_said():
    found = containers.ktx2(written(raster(smooth(5, 5, 1))))
    assert found.said == {"KTXorientation": "rd", "KTXswizzle": "rrr1", "KTXwriter": "PopBridge"}
    assert "KTXswizzle" not in containers.ktx2(written(raster(smooth(5, 5, 3)))).said
