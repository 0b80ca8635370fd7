from fractions import Fraction

import numpy as np
import pytest

from accel.image.color import decode_table, encode_srgb
from accel.image.decode import decode_image
from accel.image.encode import fit_to_format, save
from accel.image.operations.geometry import Premultiply, premultiply
from accel.image.operations.textures import Compress, compress
from accel.image.pixel_coding import at_depth
from accel.workload import Input, Limits
from tests.accel.image.files import exr
from tests.accel.image.operation_helpers import KINDS, made, noise, raster
from tests.accel.image.rasters import reopened
from tests.accel.image.second import decoded


def every(kind=np.uint8):
    """Each code (across) with each alpha (down)."""
    alpha, code = np.mgrid[:256, :256]
    return np.stack([code, code, code, alpha], -1).astype(kind)


def test_codes_of_8_bit_are_rounded_to_the_nearest():
    pixels = every()
    got = made(premultiply, raster(pixels), linear_light=False).pixels
    for code, alpha in ((255, 128), (1, 127), (1, 128), (3, 85), (254, 254), (77, 200)):
        assert got[alpha, code, 0] == int(Fraction(code * alpha, 255) + Fraction(1, 2))
    assert np.abs(got[..., 0] - pixels[..., 0] * (pixels[..., 3] / 255)).max() <= 0.5 + 1e-9
    assert (got[..., 3] == pixels[..., 3]).all()
    assert (got[255] == pixels[255]).all() and (got[0] == 0).all()


def test_as_light_half_of_white_is_188():
    half = np.full((1, 1, 4), (255, 255, 255, 128), np.uint8)
    assert made(premultiply, raster(half)).pixels.ravel().tolist() == [188, 188, 188, 128]
    assert made(premultiply, raster(half, "linear")).pixels.ravel().tolist() == [128, 128, 128, 128]
    light = decode_table(np.uint8)[every()[..., 0]] * (every()[..., 3] / 255)
    got = made(premultiply, raster(every())).pixels[..., 0]
    assert np.abs(got - encode_srgb(light) * 255).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_the_inverse_gives_back_what_alpha_left(kind, light):
    pixels = noise(64, 64, 4, kind)
    top = np.iinfo(kind).max
    pixels[..., 3] = np.maximum(pixels[..., 3], top // 2)
    pixels[0, :, 3] = 0
    there = made(premultiply, raster(pixels), linear_light=light)
    back = made(premultiply, raster(there.pixels), linear_light=light, inverse=True).pixels
    assert (back[0, :, :3] == 0).all()
    # Half of the codes are left, or as light those above 0.7: each of them stands for two.
    assert np.abs(back[1:].astype(int) - pixels[1:]).max() <= (2 if kind == "uint8" or not light else 6)


def test_16_bit_and_floats_are_multiplied_as_exactly():
    pixels = noise(9, 7, 4, "uint16")
    got = made(premultiply, raster(pixels), linear_light=False).pixels.astype(float)
    assert np.abs(got[..., :3] - pixels[..., :3] * (pixels[..., 3:] / 65535)).max() <= 0.5 + 1e-6
    floats = noise(9, 7, 4, "float32") * np.float32([100, 100, 100, 1])
    there = made(premultiply, raster(floats)).pixels
    assert there[..., :3] == pytest.approx(floats[..., :3] * floats[..., 3:])
    assert made(premultiply, raster(there), inverse=True).pixels == pytest.approx(floats, rel=1e-5)


def test_what_is_brighter_than_its_alpha_allows_becomes_white():
    pixels = np.full((1, 1, 4), (200, 10, 10, 100), np.uint8)
    assert made(premultiply, raster(pixels), inverse=True, linear_light=False).pixels[0, 0, 0] == 255


def test_grey_with_alpha_is_multiplied_and_levels_too():
    image = raster(np.full((4, 4, 2), (200, 128), np.uint8))
    image = image.with_pixels(image.pixels, mips=(image.pixels[:2, :2].copy(),))
    got = made(premultiply, image)
    assert (got.pixels[..., 0] == 100).all() and (got.mips[0][..., 0] == 100).all()


def test_an_image_without_alpha_is_given_as_it_is():
    image = raster(noise(4, 4, 3))
    assert made(premultiply, image).pixels is image.pixels


@pytest.mark.parametrize("container", ["dds", "ktx2"])
@pytest.mark.parametrize(
    ("transfer", "params", "alpha"),
    [
        ("srgb", {}, "multiplied as light"), ("linear", {}, "multiplied"),
        ("srgb", {"linear_light": False}, "straight"), ("srgb", {"inverse": True}, "straight"),
    ],
)  # fmt: skip
def test_textures_say_that_they_are_multiplied_for_blending(tmp_path, container, transfer, params, alpha):
    path = tmp_path / "a"
    multiplied = made(premultiply, raster(noise(8, 8, 4), transfer), **params)
    files, _ = save("a", multiplied, Premultiply(format=container))
    path.write_bytes(files[0].data)
    assert decode_image(Input("a", str(path)), Limits()).alpha == alpha
    (file,) = compress.operate([multiplied], Compress(format="bc7", container=container), Limits()).files
    path.write_bytes(file.data)
    assert decode_image(Input("a", str(path)), Limits()).alpha == alpha


def test_what_a_texture_says_is_undone_when_it_is_opened(tmp_path):
    pixels = noise(8, 8, 4)
    pixels[..., 3] |= 128
    (file,), _ = save("a", made(premultiply, raster(pixels)), Premultiply(format="ktx2"))
    found = reopened(file.data, tmp_path).pixels
    assert np.abs(found.astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("params", [{}, {"linear_light": False}, {"transfer": "linear"}], ids=str)
def test_exr_holds_colours_times_alpha_once_and_is_opened_as_what_was_multiplied(tmp_path, kind, params):
    image = raster(noise(16, 16, 4, kind), params.get("transfer", "auto"))
    image.pixels[..., 3] = np.maximum(image.pixels[..., 3], KINDS[kind] / 2)
    light = at_depth(image, "float32").pixels
    multiplied = made(premultiply, image, **params)
    for bits in ("same", "32"):
        (file,), _ = save("a", multiplied, Premultiply(format="exr", bits=bits))
        assert np.allclose(decoded(file.data, "exr")[0], light * mask(light), atol=0.01)
        assert np.allclose(reopened(file.data, tmp_path).pixels, light, atol=0.02)


def mask(pixels):
    """Alpha for the colours, 1 for itself."""
    return np.concatenate([*[pixels[..., 3:]] * 3, np.ones_like(pixels[..., 3:])], axis=2)


def test_an_exr_that_is_multiplied_is_the_exr_that_it_was(tmp_path):
    stored = noise(8, 8, 4, "float32")
    stored[0, 0] = 0
    image = reopened(exr(stored, ("R", "G", "B", "A"), "float"), tmp_path)
    (file,), _ = save("a", made(premultiply, image), Premultiply())
    assert np.allclose(decoded(file.data, "exr")[0], stored, atol=1e-6)


def test_codes_that_are_multiplied_are_multiplied_light_in_floats(tmp_path):
    half = np.full((4, 4, 4), (255, 255, 255, 128), np.uint8)
    multiplied = made(premultiply, raster(half), linear_light=False)
    (file,), _ = save("a", multiplied, Premultiply(format="ktx2", bits="32"))
    (tmp_path / "a").write_bytes(file.data)
    found = decode_image(Input("a", str(tmp_path / "a")), Limits())
    assert found.alpha == "multiplied" and np.allclose(found.pixels, 128 / 255)


@pytest.mark.parametrize("format", ["jpeg", "hdr"])
@pytest.mark.parametrize("light", [True, False])
def test_without_transparency_it_is_put_on_white_as_what_was_multiplied(format, light):
    image = raster(np.full((4, 4, 4), (200, 100, 50, 128), np.uint8))
    image.pixels[:2, :, 3] = 0
    multiplied = made(premultiply, image, linear_light=light)
    shown = [fit_to_format(each, Premultiply(format=format)).pixels for each in (multiplied, image)]
    assert np.allclose(*shown, atol=1.5 if format == "jpeg" else 0.01)


@pytest.mark.parametrize("format", ["png", "tiff", "tga"])
def test_formats_that_say_nothing_hold_the_numbers(tmp_path, format):
    multiplied = made(premultiply, raster(noise(8, 8, 4)))
    (file,), _ = save("a", multiplied, Premultiply(format=format))
    assert np.array_equal(reopened(file.data, tmp_path).pixels, multiplied.pixels)


def test_without_alpha_nothing_is_said(tmp_path):
    (file,), _ = save("a", made(premultiply, raster(noise(8, 8, 3))), Premultiply(format="dds"))
    (tmp_path / "a").write_bytes(file.data)
    assert decode_image(Input("a", str(tmp_path / "a")), Limits()).alpha == "straight"
