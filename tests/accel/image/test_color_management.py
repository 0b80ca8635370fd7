import numpy as np
import pytest
import pyvips

from accel.image.open_raster import open_raster
from accel.workload import Input, Limits
from tests.accel.conftest import image
from tests.accel.image.icc import (
    ADOBE,
    ADOBE_GAMMA,
    DISPLAY_P3,
    curve,
    grey_profile,
    in_srgb,
    png_with,
    rgb_profile,
    swapping_profile,
    tiff_with,
)
from tests.accel.image.rasters import raster

PLAIN = {"uint8": ("b-w", "srgb"), "uint16": ("grey16", "rgb16")}
WIDE = {"P3": (DISPLAY_P3, 2.19921875), "Adobe RGB": (ADOBE, ADOBE_GAMMA)}


@pytest.fixture
def opened(tmp_path):
    """Opens pixels from a PNG or TIFF that embeds a profile."""

    def open_with(pixels, profile: bytes, transfer: str = "auto", suffix: str = "png"):
        path = tmp_path / f"a.{suffix}"
        if suffix == "png":
            model = PLAIN[pixels.dtype.name][pixels.shape[2] > 2]
            path.write_bytes(png_with(image(pixels, model).pngsave_buffer(), profile))
        else:
            path.write_bytes(tiff_with(pixels, profile))
        return open_raster(Input("a", str(path)), Limits(), transfer)

    return open_with


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", WIDE)
def test_wide_colours_become_srgb_and_alpha_stays(opened, name, channels, dtype, suffix):
    primaries, gamma = WIDE[name]
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(6).integers(0, top + 1, (40, 50, channels)).astype(dtype)
    found = opened(pixels, rgb_profile(primaries, gamma), suffix=suffix)
    wanted = in_srgb((pixels[..., :3] / top) ** gamma, primaries)
    assert found.pixels.dtype == dtype and np.abs(found.pixels[..., :3] / top - wanted).max() < 1 / 255
    assert np.array_equal(found.pixels[..., 3:], pixels[..., 3:])


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_profile_of_srgb_changes_no_pixel(opened, channels, dtype, suffix):
    pixels = raster(channels, dtype, (30, 40)).pixels
    profile = pyvips.Image.profile_load("srgb")
    assert np.array_equal(opened(pixels, profile, suffix=suffix).pixels, pixels)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_profile_is_ignored_for_data(opened, channels):
    pixels = raster(channels).pixels
    assert np.array_equal(opened(pixels, rgb_profile(DISPLAY_P3, 2.2), "linear").pixels, pixels)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2])
def test_grey_follows_its_profile_where_it_is_a_picture(opened, channels, dtype, suffix):
    top = np.iinfo(dtype).max
    pixels = raster(channels, dtype, (20, 30)).pixels
    assert np.array_equal(opened(pixels, grey_profile(1.0), suffix=suffix).pixels, pixels)
    found = opened(pixels, grey_profile(1.0), "srgb", suffix)
    assert found.transfer == "srgb" and found.pixels.shape == pixels.shape
    assert np.abs(found.pixels[..., 0] / top - curve(pixels[..., 0] / top)).max() < 0.51 / 255
    assert np.array_equal(found.pixels[..., 1:], pixels[..., 1:])


BROKEN = {
    "empty": b"", "nonsense": b"nonsense" * 40, "cut": pyvips.Image.profile_load("srgb")[:200],
    "of inks": pyvips.Image.profile_load("cmyk"), "of grey": grey_profile(1.0),
    "a table that is none": rgb_profile(DISPLAY_P3, 2.2).replace(b"rTRC", b"A2B0"),
}  # fmt: skip


@pytest.mark.parametrize("profile", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_profile_that_does_not_fit_is_ignored_as_browsers_do(opened, profile, dtype):
    pixels = raster(3, dtype).pixels
    assert np.array_equal(opened(pixels, profile).pixels, pixels)


@pytest.mark.parametrize("profile", [b"nonsense" * 40, rgb_profile(DISPLAY_P3, 2.2)], ids=["nonsense", "RGB"])
def test_a_profile_that_does_not_fit_grey_is_ignored_too(opened, profile):
    pixels = raster(1).pixels
    assert np.array_equal(opened(pixels, profile, "srgb").pixels, pixels)


def test_a_profile_that_is_a_table_is_followed(opened):
    pixels = np.uint8([[[255, 0, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]]).repeat(4, axis=0)
    found = opened(pixels, swapping_profile()).pixels
    assert np.abs(found.astype(int) - pixels[..., ::-1]).max() < 24 and not np.array_equal(found, pixels)


def test_inks_follow_their_profile_or_a_common_one(tmp_path):
    inks = np.random.default_rng(1).integers(0, 256, (20, 20, 4)).astype(np.uint8)
    plain = image(inks, "cmyk")
    tagged = plain.copy()
    tagged.set_type(pyvips.GValue.blob_type, "icc-profile-data", pyvips.Image.profile_load("cmyk"))
    found = []
    for index, one in enumerate((plain, tagged)):
        path = tmp_path / f"{index}.tif"
        path.write_bytes(one.tiffsave_buffer())
        found.append(open_raster(Input("a", str(path)), Limits()).pixels)
    assert np.array_equal(*found)
