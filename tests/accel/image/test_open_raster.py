import struct

import numpy as np
import OpenImageIO as oiio
import pytest
import pyvips

from accel.image.open_raster import as_raster, open_raster
from accel.image.operations.geometry import resize
from accel.image.pixel_coding import channel_kind
from accel.image.pixel_data import DecodedImage
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.files import dds, exr, picture, psd
from tests.accel.image.icc import ADOBE, ADOBE_GAMMA, in_srgb, rgb_profile
from tests.accel.image.operation_helpers import made
from tests.accel.image.rasters import CHANNELS, DEPTHS, raster, reopened, written

MODELS = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16"), "float32": ("b-w", "scrgb")}


@pytest.fixture
def opened(tmp_path):
    """Opens a file of some bytes."""

    def open_bytes(data: bytes, transfer: str = "auto", **limits):
        path = tmp_path / "a.bin"
        path.write_bytes(data)
        return open_raster(Input("a.bin", str(path)), Limits(**limits), transfer)

    return open_bytes


def coded(pixels, suffix: str, **options) -> bytes:
    model = MODELS[pixels.dtype.name][pixels.shape[2] > 2]
    return image(pixels, model).write_to_buffer(suffix, **options)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".png", "uint8"), (".png", "uint16"), *((".tif", dtype) for dtype in DEPTHS)]
)
def test_every_depth_and_number_of_channels_is_read_as_it_is_stored(opened, channels, suffix, dtype):
    pixels = raster(channels, dtype).pixels
    found = opened(coded(pixels, suffix))
    assert np.array_equal(found.pixels, pixels) and found.pixels.dtype == dtype
    assert found.has_alpha == (channels in (2, 4)) and found.pixels.flags.c_contiguous
    assert found.transfer == ("srgb" if channels > 2 and dtype != "float32" else "linear")


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", CHANNELS)
def test_whoever_says_how_colours_are_coded_is_believed(opened, channels, dtype):
    data = coded(raster(channels, dtype).pixels, ".tif")
    for transfer in ("srgb", "linear"):
        found = opened(data, transfer)
        assert found.transfer == ("linear" if dtype == "float32" else transfer)
        assert found.data == (transfer == "linear") and not opened(data).data


# EXIF 2.32, 4.6.4, tag Orientation: what the first row and the first column of the file are.
TURNS = {
    1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1],
    5: lambda p: p.swapaxes(0, 1), 6: lambda p: p.swapaxes(0, 1)[:, ::-1],
    7: lambda p: p[::-1, ::-1].swapaxes(0, 1), 8: lambda p: p.swapaxes(0, 1)[::-1],
}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize(("suffix", "options"), [(".png", {}), (".tif", {}), (".webp", {"lossless": True})])
def test_a_photo_stands_upright_whichever_way_the_camera_was_held(opened, orientation, suffix, options):
    pixels = raster(3, shape=(5, 9)).pixels
    turned = image(pixels).copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    found = opened(turned.write_to_buffer(suffix, **options))
    assert np.array_equal(found.pixels, TURNS[orientation](pixels)) and found.pixels.flags.c_contiguous


def test_a_large_jpeg_is_turned_too(opened):
    pixels = np.zeros((700, 900, 3), np.uint8)
    pixels[:350, :450] = 255
    turned = image(pixels).copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    found = opened(turned.jpegsave_buffer())
    assert found.pixels.shape == (900, 700, 3)
    assert found.pixels[10, -10].min() > 250 and found.pixels[10, 10].max() < 5


@pytest.mark.parametrize("interlace", [True, False])
@pytest.mark.parametrize("channels", CHANNELS)
def test_interlaced_pngs_are_read_alike(opened, channels, interlace):
    pixels = raster(channels, shape=(33, 65)).pixels
    assert np.array_equal(opened(coded(pixels, ".png", interlace=interlace)).pixels, pixels)


def test_a_palette_is_looked_up(opened):
    pixels = np.zeros((16, 16, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:8, :, 0], pixels[:, :8, 1], pixels[:4, :4, 3] = 255, 255, 0
    data = coded(pixels, ".png", palette=True, Q=100, dither=0)
    assert data[25] == 3, "isn't a palette"
    found = opened(data)
    assert np.array_equal(found.pixels[..., 3], pixels[..., 3])
    assert np.array_equal(found.pixels[4:], pixels[4:])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_few_bits_are_spread_over_the_full_scale(opened, bits, suffix):
    levels = np.arange(1 << bits) * (255 // ((1 << bits) - 1))
    pixels = np.resize(levels, (4, 10, 1)).astype(np.uint8)
    found = opened(coded(pixels, suffix, bitdepth=bits))
    assert np.array_equal(found.pixels, pixels) and found.channels == 1


def test_a_tiff_in_which_white_is_0_is_not_negative(opened):
    pixels = np.resize([0, 255, 255], (4, 10, 1)).astype(np.uint8)
    assert np.array_equal(opened(coded(pixels, ".tif", bitdepth=1, miniswhite=True)).pixels, pixels)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_of_an_animation_the_first_frame_is_read(opened, suffix):
    frames = [np.full((32, 32, 3), shade, np.uint8) for shade in (10, 100, 200)]
    joined = image(np.concatenate(frames)).copy()
    joined.set_type(pyvips.GValue.gint_type, "page-height", 32)
    options = {"lossless": True} if suffix == ".webp" else {}
    found = opened(joined.write_to_buffer(suffix, **options))
    assert found.pixels.shape[:2] == (32, 32) and (found.pixels[..., :3] == 10).all()


@pytest.mark.parametrize("bits", [10, 12])
def test_white_of_10_and_12_bits_is_white(opened, bits):
    white = np.full((16, 16, 3), 65535, np.uint16)
    data = image(white, "rgb16").heifsave_buffer(compression="av1", bitdepth=bits, lossless=True)
    found = opened(data)
    assert found.pixels.dtype == np.uint16 and (found.pixels == 65535).all()


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_inks_without_a_profile_become_srgb(opened, suffix):
    inks = np.zeros((16, 64, 4), np.uint8)
    for index in range(4):
        inks[:, 16 * index : 16 * index + 16, index] = 255
    options = {"Q": 100} if suffix == ".jpg" else {}
    found = opened(image(inks, "cmyk").write_to_buffer(suffix, **options))
    assert found.channels == 3 and not found.has_alpha and found.transfer == "srgb"
    cyan, magenta, yellow, black = (found.pixels[8, at].astype(int) for at in (8, 24, 40, 56))
    assert cyan[0] < 60 and cyan[2] > 200 and magenta[1] < 60 and magenta[0] > 200
    assert yellow[2] < 60 and yellow[:2].min() > 200 and black.max() < 60


def test_bare_paper_is_white_and_deep_inks_stay_deep(opened):
    paper = np.zeros((8, 8, 4), np.uint16)
    found = opened(image(paper, "cmyk").tiffsave_buffer())
    assert found.pixels.dtype == np.uint16 and found.pixels.min() > 65000


def test_inks_of_a_photoshop_document_are_converted_too(opened):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0] = 255
    stored = 255 - inks.transpose(2, 0, 1)
    found = opened(psd(np.ascontiguousarray(stored), 4))
    as_tiff = opened(image(inks, "cmyk").tiffsave_buffer())
    assert found.format == "psd" and np.array_equal(found.pixels, as_tiff.pixels)


def test_inks_with_a_broken_profile_are_taken_for_common_ones(opened):
    planes = picture(8, 8, 4).transpose(2, 0, 1).copy()
    plain = opened(document(b"", planes, mode=4)).pixels
    assert np.array_equal(opened(document(b"", planes, b"broken" * 30, mode=4)).pixels, plain)


def test_inks_on_white_are_what_they_are_where_they_are_seen(opened):
    planes = np.full((5, 4, 4), 255 - 51, np.uint8)
    planes[4] = 51
    # A fifth of the full ink, on paper that shows through by four fifths: all ink.
    found = opened(document(layers(-1), planes, mode=4))
    solid = np.zeros((5, 4, 4), np.uint8)
    solid[4] = 51
    assert found.has_alpha and np.array_equal(found.pixels, opened(document(b"", solid, mode=4)).pixels)


@pytest.mark.parametrize("kind", ["lab", "labs"])
def test_lab_becomes_srgb(opened, kind):
    # CIE L*a*b* of white D65: mid grey, and a strong red.
    lab = np.float32([[[53.585, 0, 0], [53.2408, 80.0925, 67.2032]]]).repeat(4, axis=0)
    data = image(lab, "lab").colourspace(kind).tiffsave_buffer()
    found = opened(data)
    assert found.pixels.dtype == np.uint16 and found.transfer == "srgb"
    assert np.abs(found.pixels[0] / 257 - [[128, 128, 128], [255, 0, 0]]).max() < 2.5


def test_large_numbers_of_32_bits_are_a_share_of_the_full_scale(opened):
    made = image(np.zeros((4, 4, 1), np.float32), "b-w") + 2.0**31
    found = opened(made.cast("uint").tiffsave_buffer())
    assert found.pixels.dtype == np.float32 and np.allclose(found.pixels, 0.5)


@pytest.mark.parametrize("kind", ["short", "int"])
def test_other_numbers_are_given_as_floats(opened, kind):
    heights = np.float32([[[-120], [0], [8848]]]).repeat(4, axis=0)
    found = opened(image(heights, "b-w").cast(kind).tiffsave_buffer())
    assert found.pixels.dtype == np.float32 and np.array_equal(found.pixels, heights)


def test_doubles_are_refused_as_a_kind_of_tiff_and_not_as_damage(opened):
    with pytest.raises(WorkloadError, match="of a kind that isn't opened here") as caught:
        opened(image(np.zeros((4, 4, 1), np.float32), "b-w").cast("double").tiffsave_buffer())
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("data", [True, False])
def test_a_ktx2_says_whether_its_numbers_are_linear_and_without_alpha_data(tmp_path, dtype, channels, data):
    image = raster(channels, dtype, data=data)
    stored, _ = written(image, "ktx2")
    again = reopened(stored, tmp_path)
    colors = channels > 2 and not data
    assert again.transfer == ("srgb" if colors and dtype != "float32" else "linear")
    assert again.data == (dtype != "float32" and not colors and not again.has_alpha)
    assert not reopened(stored, tmp_path, "srgb").data
    assert reopened(written(again, "ktx2")[0], tmp_path).transfer == again.transfer


def test_hidden_colours_of_a_ktx2_stay_hidden_although_it_says_that_it_is_linear(opened):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0], pixels[2:6, 3:5] = 255, (0, 255, 0, 255)
    found = opened(written(raster(4).with_pixels(pixels, transfer="linear"), "ktx2")[0])
    assert (found.transfer, found.data, channel_kind(found)) == ("linear", False, "color")
    assert opened(written(found, "jpeg")[0]).pixels[0, 0].min() > 250
    half = made(resize, found, width=4, height=4)
    assert half.pixels[1, 1, 0] == 0 < half.pixels[1, 1, 3] and half.transfer == "linear"


def test_a_compression_that_nobody_unpacks_here_is_no_damage(opened):
    plain = image(np.zeros((4, 4, 1), np.uint8), "b-w").tiffsave_buffer(compression="none")
    # The tag of the compression, a short: 1 is none, 50000 Zstandard.
    none, zstandard = (struct.pack("<HHIHH", 259, 3, 1, kind, 0) for kind in (1, 50_000))
    assert plain.count(none) == 1
    with pytest.raises(WorkloadError, match=r"save it as PNG .*ZSTD") as caught:
        opened(plain.replace(none, zstandard))
    assert caught.value.code == "unsupported"


def test_nan_and_infinity_are_finite_when_they_come_in(opened):
    stored = np.full((4, 4, 3), 0.5, np.float32)
    stored[0, :3, 0] = np.nan, np.inf, -np.inf
    for data in (exr(stored, ("R", "G", "B"), "float"), coded(stored, ".tif")):
        found = opened(data).pixels
        assert found[0, :3, 0].tolist() == [0, 65504, -65504] and (found[1:] == 0.5).all()


def test_colours_multiplied_by_alpha_are_straight_unless_they_are_data(opened):
    stored = np.full((4, 4, 4), 0.25, np.float32)
    stored[..., 3] = 0.5
    stored[0, 0] = 0.25, 0.25, 0.25, 0
    data = exr(stored, ("R", "G", "B", "A"))
    found = opened(data).pixels
    assert found[1, 1].tolist() == [0.5, 0.5, 0.5, 0.5] and found[0, 0].tolist() == [0.25, 0.25, 0.25, 0]
    assert np.array_equal(opened(data, "linear").pixels, stored)


@pytest.mark.parametrize(
    ("dxgi", "stored", "wanted"),
    [(28, (100, 50, 0, 128), (199, 100, 0, 128)), (29, (146, 67, 0, 128), (199, 94, 0, 128))],
)
def test_textures_multiplied_by_alpha_are_straight_unless_they_are_data(opened, dxgi, stored, wanted):
    """Where a GPU decodes sRGB before it blends, light is what was multiplied."""
    data = dds(1, 1, bytes(stored), dxgi=dxgi, alpha_mode=2)
    assert opened(data).pixels.tolist() == [[list(wanted)]]
    assert opened(data, "linear").pixels.tolist() == [[list(stored)]]
    assert opened(dds(1, 1, bytes((7, 7, 7, 0)), dxgi=28, alpha_mode=2)).pixels[0, 0, 3] == 0


def test_a_tiff_with_multiplied_alpha_is_straight_too(opened, tmp_path):
    spec = oiio.ImageSpec(4, 4, 4, "uint8")
    path = tmp_path / "multiplied.tif"
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec) and file.write_image(np.uint8([[[64, 64, 64, 128]] * 4] * 4))
    file.close()
    assert opened(path.read_bytes()).pixels[0, 0].tolist() in ([127] * 3 + [128], [128] * 4)


def layers(count: int, deep: bool = False) -> bytes:
    """A section "Layer and mask information" that says so many layers, and no more."""
    info = struct.pack(">h", count) + bytes(6)
    if not deep:
        return struct.pack(">I", len(info)) + info
    return bytes(8) + b"8BIMLr16" + struct.pack(">I", len(info)) + info


def document(section: bytes, planes: np.ndarray, profile: bytes = b"", mode: int = 3) -> bytes:
    resource = b"8BIM" + struct.pack(">HHI", 1039, 0, len(profile)) + profile + bytes(len(profile) % 2)
    made = psd(planes, mode, depth=8 * planes.itemsize, resources=resource if profile else b"")
    return made.replace(struct.pack(">I", 6) + b"layers", struct.pack(">I", len(section)) + section)


@pytest.mark.parametrize("deep", [True, False])
def test_white_is_taken_out_of_a_transparent_document_and_left_where_alpha_is_a_stored_channel(opened, deep):
    planes = np.empty((4, 4, 4), np.uint8)
    planes[:3], planes[3] = np.uint8([224, 244, 204])[:, None, None], 51
    assert opened(document(layers(-1, deep), planes)).pixels[0, 0].tolist() == [100, 200, 0, 51]
    assert opened(document(layers(-1, deep), planes), "linear").pixels[0, 0].tolist() == [224, 244, 204, 51]
    for section in (layers(1, deep), b"", bytes(8)):
        assert opened(document(section, planes)).pixels[0, 0].tolist() == [224, 244, 204, 51]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_profile_of_a_document_counts(opened, dtype):
    top = np.iinfo(dtype).max
    planes = np.random.default_rng(2).integers(0, top + 1, (3, 20, 20)).astype(dtype)
    found = opened(document(b"", planes, rgb_profile(ADOBE, ADOBE_GAMMA)))
    wanted = in_srgb((planes.transpose(1, 2, 0) / top) ** ADOBE_GAMMA, ADOBE)
    assert found.pixels.dtype == dtype and np.abs(found.pixels / top - wanted).max() < 1 / 255
    assert np.array_equal(opened(document(b"", planes, b"broken" * 30)).pixels, planes.transpose(1, 2, 0))


def test_grey_documents_keep_their_numbers(opened):
    planes = picture(6, 8, 1).transpose(2, 0, 1)
    made = psd(np.ascontiguousarray(planes), 1)
    assert np.array_equal(opened(made).pixels[..., 0], planes[0])


def test_two_channels_of_a_texture_become_three(opened):
    found = opened(dds(4, 4, np.arange(64, dtype=np.uint8).tobytes()[:32], dxgi=49))
    assert found.channels == 3 and not found.has_alpha


def test_two_channels_without_a_third_get_one():
    pixels = raster(2).pixels
    found = as_raster("a", DecodedImage(pixels, "multiband", False, "tiff", 9))
    assert (
        found.channels == 3
        and np.array_equal(found.pixels[..., :2], pixels)
        and not found.pixels[..., 2].any()
    )


def test_light_of_inks_is_refused(opened):
    planes = np.ones((4, 4, 4), np.float32)
    with pytest.raises(WorkloadError, match=r"has 4 channels \(cmyk\)"):
        opened(psd(planes, 4, depth=32))


def test_more_channels_than_anybody_shows_are_refused(opened, tmp_path):
    spec = oiio.ImageSpec(4, 4, 6, "uint8")
    path = tmp_path / "six.tif"
    file = oiio.ImageOutput.create(str(path))
    assert file.open(str(path), spec) and file.write_image(np.zeros((4, 4, 6), np.uint8))
    file.close()
    with pytest.raises(WorkloadError, match="has 6 channels") as caught:
        opened(path.read_bytes())
    assert (caught.value.code, caught.value.name) == ("unsupported", "a.bin")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".avif"])
def test_half_a_file_is_refused(opened, suffix):
    data = image(raster(3, shape=(64, 64)).pixels).write_to_buffer(suffix)
    with pytest.raises(WorkloadError, match="truncated or corrupt"):
        opened(data[: len(data) // 2])


def test_the_limit_of_pixels_holds(opened):
    with pytest.raises(WorkloadError, match="more than the limit"):
        opened(coded(raster(3).pixels, ".png"), max_pixels=50)


def test_smaller_levels_get_straight_colours_too(opened):
    stored = np.full((3, 4), (50, 25, 10, 128), np.uint8)
    found = opened(dds(2, 1, stored.tobytes(), dxgi=28, alpha_mode=2, levels=2))
    assert found.read_mips and [level.shape for level in (found.pixels, *found.mips)] == [
        (1, 2, 4), (1, 1, 4),
    ]  # fmt: skip
    assert found.pixels[0, 0].tolist() == found.mips[0][0, 0].tolist() == [100, 50, 20, 128]
