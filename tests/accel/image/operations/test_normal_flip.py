import numpy as np
import pytest
import pyvips

from accel.image.open_raster import open_raster
from accel.image.operations.normals import NormalFlip, NormalFromHeight, normal_flip, normal_from_height
from accel.image.operations.pipeline import pipeline
from accel.image.pixel_coding import at_depth
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.operation_helpers import operate, random, raster

KINDS = ["uint8", "uint16", "float32"]


def flip(pixels, **params):
    image = pixels if hasattr(pixels, "pixels") else raster(pixels)
    return operate(normal_flip, NormalFlip(**params), image).images["normal"]


def unit(*shape: int):
    """Unit vectors whose z is positive."""
    made = np.random.default_rng(5).normal(size=(*shape, 3))
    made[..., 2] = np.abs(made[..., 2]) + 0.2
    return (made / np.linalg.norm(made, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("format", "kind", "made"),
    [("jpeg", "uint8", "png"), ("hdr", "float32", "exr"), ("tiff", "float32", "tiff")],
)
def test_a_lossy_map_is_written_in_a_format_that_keeps_it(format, kind, made):
    assert flip(raster(random(4, 4, 3, kind=kind), format=format)).format == made


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
def test_green_becomes_full_scale_less_it_and_all_else_stays(kind, channels):
    pixels = random(37, 13, channels, kind=kind)
    made = flip(pixels).pixels
    assert (made[..., 1] == np.iinfo(kind).max - pixels[..., 1]).all() and made.dtype == kind
    others = [index for index in range(channels) if index != 1]
    assert (made[..., others] == pixels[..., others]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 4), (70, 3, 3)])
def test_twice_is_as_before(kind, shape):
    pixels = random(*shape, kind=kind)
    again = flip(flip(pixels, x=True, signed="no"), x=True, signed="no").pixels
    assert np.abs(again - pixels).max() <= 1e-7 if kind == "float32" else (again == pixels).all()


def test_red_is_turned_only_when_asked_for():
    pixels = random(9, 9, 3)
    turned = pixels.copy()
    turned[..., 0] = 255 - turned[..., 0]
    assert (flip(pixels, x=True, y=False).pixels == turned).all()
    assert (flip(pixels, y=False).pixels == pixels).all()


def test_floats_of_minus_one_to_one_change_their_sign():
    vectors = unit(20, 20)
    assert (flip(vectors).pixels == vectors * np.float32([1, -1, 1])).all()
    coded = vectors / 2 + np.float32(0.5)
    assert flip(coded).pixels == pytest.approx(coded * [1, -1, 1] + [0, 1, 0], abs=1e-6)


def test_a_parameter_says_how_floats_are_coded():
    flat = np.full((4, 4, 3), [0, 0.25, 1], np.float32)
    assert flip(flat, signed="yes").pixels[0, 0, 1] == -0.25
    assert flip(flat, signed="no").pixels[0, 0, 1] == 0.75
    assert (flip(np.full((4, 4, 3), [0, 0, 1], np.float32)).pixels == [0, 0, 1]).all()


def test_smaller_levels_are_turned_too():
    image = raster(random(8, 8, 3))
    levelled = image.with_pixels(image.pixels, mips=(image.pixels[::2, ::2].copy(),))
    made = flip(levelled)
    assert (made.mips[0] == made.pixels[::2, ::2]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_mended_without_changing_directions(kind):
    vectors = unit(70, 9) * np.random.default_rng(2).uniform(0.5, 0.9, (70, 9, 1)).astype(np.float32)
    coded = (vectors + 1) / 2
    if kind != "float32":
        coded = np.round(coded * np.iinfo(kind).max)
    full = 1 if kind == "float32" else np.iinfo(kind).max
    made = flip(coded.astype(kind), y=False, normalize="length").pixels / full * 2 - 1
    assert np.linalg.norm(made, axis=2) == pytest.approx(1, abs=0.01)
    expected = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    assert made == pytest.approx(expected, abs=0.03 if kind == "uint8" else 1e-3)


def test_unit_vectors_hardly_change_when_lengths_are_mended():
    coded = np.round((unit(50, 50) + 1) * 127.5).astype(np.uint8)
    made = flip(coded, y=False, normalize="length").pixels
    assert np.abs(made.astype(int) - coded).max() <= 1


def test_blue_is_made_from_red_and_green():
    coded = np.round((unit(50, 50) + 1) * 32767.5).astype(np.uint16)
    two = coded * np.uint16([1, 1, 0])
    made = flip(two, y=False, normalize="z").pixels
    assert np.abs(made.astype(int) - coded).max() <= 20


def test_red_and_green_beyond_length_1_leave_blue_at_0():
    made = flip(np.full((2, 2, 3), [1.0, 1.0, 0.5], np.float32), y=False, normalize="z", signed="no")
    assert made.pixels[0, 0] == pytest.approx([(1 + 0.5**0.5) / 2, (1 + 0.5**0.5) / 2, 0.5], abs=1e-6)


def test_a_vector_without_length_becomes_the_undisturbed_surface():
    made = flip(np.zeros((2, 2, 3), np.float32), normalize="length", signed="yes")
    assert (made.pixels == [0, 0, 1]).all()
    assert (flip(np.full((2, 2, 3), 0.5, np.float32), normalize="length").pixels == [0.5, 0.5, 1]).all()


def test_alpha_stays_when_lengths_are_mended():
    pixels = random(9, 9, 4)
    assert (flip(pixels, normalize="length").pixels[..., 3] == pixels[..., 3]).all()


def test_grey_is_refused_by_name():
    with pytest.raises(WorkloadError, match="a normal map has red, green and blue") as caught:
        flip(random(4, 4, 2))
    assert caught.value.name == "a.png"


def test_a_jpeg_becomes_a_png_and_its_numbers_stay_data(save):
    source = save("n.jpg", random(16, 16, 3), Q=95)
    done = normal_flip([source], NormalFlip(), Limits())
    assert done.value.format == "png"


def test_floats_written_as_integers_are_not_bent_by_srgbs_curve(tmp_path, save):
    coded = unit(8, 8) / 2 + np.float32(0.5)
    source = save("n.tif", coded, "scrgb")
    done = normal_flip([source], NormalFlip(format="png"), Limits())
    path = tmp_path / "n.png"
    path.write_bytes(done.files[0].data)
    read = open_raster(Input("n.png", str(path)), Limits()).pixels
    full = np.iinfo(read.dtype).max
    assert read / full == pytest.approx(coded * [1, -1, 1] + [0, 1, 0], abs=0.51 / full + 1e-6)


def test_linear_input_is_data_and_other_floats_become_srgb(save):
    source = save("n.tif", np.full((2, 2, 3), 0.5, np.float32), "scrgb")
    data, picture = open_raster(source, Limits(), "linear"), open_raster(source, Limits())
    assert at_depth(data, "uint8").pixels[0, 0].tolist() == [128] * 3
    assert at_depth(picture, "uint8").pixels[0, 0].tolist() == [188] * 3


def test_heights_become_a_turned_normal_map_in_one_go(save):
    source = save("h.png", random(20, 20, 1), "b-w")
    steps = [{"workload": "image.normal_from_height"}, {"workload": "image.normal_flip"}]
    done = pipeline([source], pipeline.workload.parse({"steps": steps}), Limits())
    heights = open_raster(source, Limits())
    made = operate(normal_from_height, NormalFromHeight(), heights).images["normal"]
    assert pyvips.Image.new_from_buffer(done.files[0].data, "").numpy().tolist() == flip(made).pixels.tolist()
