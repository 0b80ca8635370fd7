import numpy as np
import pytest
import pyvips

from accel.image.inspect import shrink
from accel.image.operations.geometry import Thumbnail, thumbnail
from accel.image.pixel_data import DecodedImage
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import image
from tests.accel.image.files import tga
from tests.accel.image.icc import ADOBE, ADOBE_GAMMA, in_srgb, rgb_profile
from tests.accel.image.test_open_raster import document


def make(source, **params):
    output = thumbnail([source], Thumbnail(**params), Limits())
    (file,) = output.files
    assert file.name == "thumbnail"
    made = pyvips.Image.new_from_buffer(file.data, "")
    assert output.value == {"width": made.width, "height": made.height}
    return made, file.media_type


def test_the_longest_side_fits_and_the_aspect_is_kept(save, photo):
    made, media_type = make(save("a.png", photo), size=16)
    assert (made.width, made.height, media_type) == (16, 12, "image/png")


def test_a_high_image_is_bounded_by_its_height(save, photo):
    made, _ = make(save("a.png", photo.swapaxes(0, 1)), size=16)
    assert (made.width, made.height) == (12, 16)


def test_a_small_image_is_not_enlarged(save, photo):
    made, _ = make(save("a.png", photo), size=4096)
    assert (made.width, made.height) == (64, 48)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("size", [8, 16, 30])
def test_a_picture_much_larger_is_averaged(save, name, size):
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 200
    made, _ = make(save(name, stripes), size=size)
    assert (made.width, made.height) == (size, size)
    assert np.abs(made.numpy().astype(int) - 100).max() <= 6


def test_transparency_does_not_bleed_into_the_average(save):
    half = np.zeros((64, 64, 4), np.uint8)
    half[:, ::2] = (250, 250, 250, 255)
    made, _ = make(save("a.png", half), size=16)
    assert made.numpy()[..., :3].min() >= 248


def targa(pixels, tmp_path):
    """RGB or RGBA as a TGA."""
    path = tmp_path / "a.tga"
    order = [2, 1, 0, 3][: pixels.shape[2]]
    path.write_bytes(tga(pixels[..., order], 2, 8 * pixels.shape[2], 32 + (8 if len(order) == 4 else 0)))
    return Input("a.tga", str(path))


def sprite(dtype, hidden, seen):
    """A white square on what isn't seen of a colour."""
    pixels = np.full((64, 64, 4), hidden, dtype)
    pixels[1:50, 1:50] = seen
    return pixels


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_hidden_colours_of_a_sprite_stay_hidden_in_tga_too(tmp_path, format):
    made, _ = make(targa(sprite(np.uint8, (255, 0, 255, 0), 255), tmp_path), size=10, format=format)
    pixels = made.numpy()
    seen = pixels[pixels[..., 3] > 0] if format == "png" else pixels
    assert seen[..., :3].min() >= (254 if format == "png" else 240)


@pytest.mark.parametrize(
    ("dtype", "top", "hidden"), [("uint16", 65535, 65535), ("float32", 1, 1), ("float32", 1, 8)]
)
def test_hidden_colours_of_deep_textures_stay_hidden(dtype, top, hidden):
    pixels = sprite(dtype, (hidden, 0, hidden, 0), top)
    made = shrink(DecodedImage(pixels, "rgb", True, "dds", 9), 10)
    white = 65535 if dtype == "uint16" else 255
    assert made.format == ("ushort" if dtype == "uint16" else "uchar")
    seen = made.numpy()[made.numpy()[..., 3] > white // 255]
    assert len(seen) and seen[..., :3].min() >= 0.99 * white


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tga"])
@pytest.mark.parametrize(("width", "height", "size"), [(1024, 47, 32), (1500, 7, 50), (750, 34, 47)])
@pytest.mark.parametrize("turned", [False, True])
def test_every_row_of_a_thin_image_counts(save, tmp_path, name, width, height, size, turned):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 2 :] = 200
    pixels = np.ascontiguousarray(pixels.swapaxes(0, 1)) if turned else pixels
    made, _ = make(targa(pixels, tmp_path) if name == "a.tga" else save(name, pixels), size=size)
    assert (made.height if turned else made.width) == size
    assert abs(made.avg() - pixels.mean()) <= 5


def test_the_profile_of_a_document_counts(tmp_path):
    planes = np.empty((3, 40, 40), np.uint8)
    planes[:] = np.uint8([60, 200, 90])[:, None, None]
    path = tmp_path / "a.psd"
    path.write_bytes(document(b"", planes, rgb_profile(ADOBE, ADOBE_GAMMA)))
    wanted = in_srgb((np.array([60, 200, 90]) / 255) ** ADOBE_GAMMA, ADOBE) * 255
    for size in (20, 256):
        made, _ = make(Input("a.psd", str(path)), size=size)
        assert np.abs(made.numpy()[5, 5] - wanted).max() <= 2


def test_a_strip_keeps_its_one_row(save):
    made, _ = make(save("a.png", np.full((1, 400, 3), 9, np.uint8)), size=16)
    assert (made.width, made.height) == (16, 1)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_each_output_format_is_what_it_says(save, photo, format):
    made, media_type = make(save("a.png", photo), size=32, format=format)
    assert media_type == f"image/{format}"
    assert made.get("vips-loader").startswith(format)


def test_the_orientation_of_a_photo_is_honoured(save, photo, tmp_path):
    turned = image(photo).copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    source = save("a.png", photo)
    with open(source.path, "wb") as file:
        file.write(turned.jpegsave_buffer())
    made, _ = make(source, size=32)
    assert (made.width, made.height) == (24, 32)
    assert not made.get_typeof("orientation")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize(("turn", "back"), [(3, 2), (6, 1), (8, 3)])
def test_a_large_preview_of_a_turned_photo_is_upright(tmp_path, suffix, turn, back):
    y, x = np.mgrid[:1500, :2100]
    pixels = np.stack([x // 9, y // 6, (x + y) // 15], axis=2).astype(np.uint8)
    lazy = image(np.rot90(pixels, back)).copy()
    lazy.set_type(pyvips.GValue.gint_type, "orientation", turn)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(lazy.write_to_buffer(suffix))
    made, _ = make(Input(path.name, str(path)), size=777)
    assert (made.width, made.height) == (777, 555)
    wanted = image(pixels).resize(777 / 2100).numpy().astype(int)
    assert np.abs(made.numpy() - wanted).mean() < 1


@pytest.mark.parametrize(
    ("name", "bands", "kind", "model"),
    [
        ("grey.png", 1, np.uint8, "b-w"),
        ("grey-alpha.png", 2, np.uint8, "b-w"),
        ("grey16.png", 1, np.uint16, "grey16"),
        ("rgba.png", 4, np.uint8, "srgb"),
        ("rgb16.png", 3, np.uint16, "rgb16"),
        ("rgba16.png", 4, np.uint16, "rgb16"),
        ("cmyk.jpg", 4, np.uint8, "cmyk"),
        ("float.tif", 3, np.float32, "scrgb"),
    ],
)
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_all_kinds_of_pixels_become_8_bit(save, name, bands, kind, model, format):
    top = {np.uint8: 255, np.uint16: 65535, np.float32: 1.0}[kind]
    pixels = np.full((40, 40, bands), top, kind)
    made, _ = make(save(name, pixels, model), size=20, format=format)
    assert (made.width, made.height, made.format) == (20, 20, "uchar")
    assert made.interpretation in ("srgb", "b-w")
    assert model == "cmyk" or made.avg() > 250


def test_colours_of_an_embedded_profile_become_srgb(save, photo):
    source = save("a.png", photo)
    plain, _ = make(source, size=32)
    with open(source.path, "wb") as file:
        file.write(image(photo).icc_transform("p3", input_profile="srgb").pngsave_buffer(profile="p3"))
    converted, _ = make(source, size=32)
    assert not converted.get_typeof("icc-profile-data")
    assert np.abs(plain.numpy().astype(int) - converted.numpy()).mean() < 4


def test_grey_stays_grey_and_as_bright(save):
    made, _ = make(save("a.png", np.full((40, 40, 1), 100, np.uint8), "b-w"), size=20)
    assert made.getpoint(5, 5) == [100]


def test_grey_light_is_shown_by_the_curve_of_screens(save):
    made, _ = make(save("a.tif", np.full((20, 20, 1), 0.2140411, np.float32), "b-w"))
    assert made.getpoint(5, 5) == [127]


def test_jpeg_puts_transparency_on_white(save):
    made, _ = make(save("a.png", np.zeros((20, 20, 4), np.uint8)), format="jpeg")
    assert made.min() > 250


@pytest.mark.parametrize("params", [{"size": 0}, {"size": 4097}, {"format": "bmp"}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(WorkloadError, match=next(iter(params))):
        thumbnail.workload.parse(params)
