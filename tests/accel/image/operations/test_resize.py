import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.gpu_ops.implementations import FORMS
from accel.image.operations.geometry import Resize, resize
from accel.workload import Limits, WorkloadError
from tests.accel.image.operation_helpers import KINDS, done, made, noise, raster

FILTERS = ["lanczos", "area", "cubic", "linear", "nearest"]


def size(old, **params):
    image = made(resize, raster(np.zeros((*old[::-1], 1), np.uint8)), **params)
    return image.width, image.height


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"width": 50}, (50, 30)),
        ({"height": 30}, (50, 30)),
        ({"width": 50, "height": 50}, (50, 50)),
        ({"width": 200}, (100, 60)),
        ({"width": 200, "height": 20}, (100, 20)),
        ({"width": 200, "enlarge": True}, (200, 120)),
        ({"width": 200, "height": 20, "enlarge": True}, (200, 20)),
        ({"longest": 10}, (10, 6)),
        ({"longest": 1000}, (100, 60)),
        ({"longest": 1000, "enlarge": True}, (1000, 600)),
        ({"power_of_two": "nearest"}, (128, 64)),
        ({"power_of_two": "up"}, (128, 64)),
        ({"power_of_two": "down"}, (64, 32)),
        ({"factor": 0.5}, (50, 30)),
        ({"factor": 2}, (200, 120)),
        ({"factor": 0.001}, (1, 1)),
        ({"width": 1}, (1, 1)),
    ],
)
def test_an_image_of_100_by_60_becomes_what_was_asked_for(params, wanted):
    assert size((100, 60), **params) == wanted


@pytest.mark.parametrize(
    ("side", "wanted"), [(1, 1), (2, 2), (5, 4), (6, 8), (90, 64), (91, 128), (128, 128)]
)
def test_the_nearest_power_of_two_is_that_by_ratio(side, wanted):
    assert size((side, side), power_of_two="nearest") == (wanted, wanted)


@pytest.mark.parametrize("params", [{}, {"width": 5, "longest": 5}, {"factor": 1, "power_of_two": "up"}])
def test_a_size_must_be_said_in_exactly_one_way(params):
    with pytest.raises(WorkloadError, match="give one of width or height, longest, power_of_two, factor"):
        size((10, 10), **params)


def test_what_would_be_larger_than_the_limit_is_refused():
    images, params = [raster(np.zeros((10, 10, 3), np.uint8))], Resize(factor=64)
    with pytest.raises(WorkloadError, match="would become 640 x 640") as caught:
        resize.operate(images, params, Limits(max_pixels=1000))
    assert caught.value.code == "too_large"


@settings(max_examples=150, deadline=None)
@given(
    kernel=st.sampled_from(FILTERS),
    kind=st.sampled_from(list(KINDS)),
    channels=st.integers(1, 4),
    old=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    new=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    edge=st.sampled_from(["clamp", "wrap"]),
    share=st.floats(0, 1),
)
def test_one_colour_stays_that_colour(kernel, kind, channels, old, new, edge, share):
    value = np.full((*old, channels), share * KINDS[kind]).astype(kind)
    image = made(resize, raster(value), width=new[0], height=new[1], enlarge=True, kernel=kernel, edge=edge)
    assert image.pixels.shape == (new[1], new[0], channels) and image.pixels.dtype == value.dtype
    if kind == "float32":
        assert image.pixels == pytest.approx(np.full_like(image.pixels, value.flat[0]), abs=2e-5)
    else:
        assert np.ptp(image.pixels) == 0 and image.pixels.flat[0] == value.flat[0]


def checkerboard(kind="uint8"):
    board = (np.indices((8, 8)).sum(axis=0) % 2 * KINDS[kind]).astype(kind)
    return raster(np.repeat(board[..., None], 3, axis=2))


@pytest.mark.parametrize("kernel", ["area", "linear", "lanczos", "cubic"])
def test_black_and_white_in_equal_parts_are_188_as_light_and_128_as_codes(kernel):
    one = {"width": 1, "height": 1, "kernel": kernel}
    assert made(resize, checkerboard(), **one).pixels.ravel().tolist() == [188] * 3
    assert made(resize, checkerboard(), linear_light=False, **one).pixels.ravel().tolist() == [128] * 3
    assert made(resize, checkerboard("uint16"), **one).pixels[0, 0, 0] == pytest.approx(48192, abs=1)
    assert made(resize, checkerboard(), kind="data", **one).pixels[0, 0, 0] == 128


@pytest.mark.parametrize("kernel", ["lanczos", "area", "cubic", "linear"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_what_is_transparent_gives_no_fringe(kernel, kind):
    pixels = np.zeros((32, 64, 4), kind)
    # A red disk before a green nothing.
    pixels[..., 1] = KINDS[kind]
    inside = np.hypot(*np.mgrid[-15.5:16, -15.5:16]) < 10
    pixels[:, :32][inside] = np.array([KINDS[kind], 0, 0, KINDS[kind]], kind)
    small = made(resize, raster(pixels), width=22, kernel=kernel).pixels.astype(float) / KINDS[kind]
    seen = small[..., 3] > 0.01
    assert seen.sum() > 20 and small[seen][:, 0].min() > 0.98 and small[seen][:, 1].max() < 0.02
    clear = small[0, -1]
    assert clear[1] > 0.9 and clear[3] == 0
    mixed = made(resize, raster(pixels), width=22, kernel=kernel, alpha_weighted=False).pixels
    assert mixed[seen][:, 1].max() > 0.05 * KINDS[kind]


@pytest.mark.parametrize("kernel", ["lanczos", "area", "cubic", "linear"])
@pytest.mark.parametrize("size", [(40, 24), (37, 29), (100, 90)])
def test_a_texture_that_tiles_still_tiles_with_wrap(kernel, size):
    image = raster(noise(48, 64, 4))
    params = {"kernel": kernel, "enlarge": True}
    tiled = made(resize, image, edge="wrap", width=size[0], height=size[1], **params).pixels
    # As four copies have no edge where they meet, each must come out as the one by itself.
    double = raster(np.tile(image.pixels, (2, 2, 1)))
    for edge, most in (("wrap", 1), ("clamp", 255)):
        four = made(resize, double, edge=edge, width=2 * size[0], height=2 * size[1], **params).pixels
        assert np.abs(four - np.tile(tiled, (2, 2, 1)).astype(int)).max() <= most
    if kernel != "area":
        assert np.abs(four[:, 0] - np.tile(tiled, (2, 2, 1)).astype(int)[:, 0]).max() > 8


@pytest.mark.parametrize("wide", [True, False])
def test_what_is_shrunk_a_lot_is_the_mean_of_all(wide):
    pixels = noise(300, 40, 3, "float32")
    pixels = pixels.swapaxes(0, 1) if wide else pixels
    small = made(resize, raster(pixels), width=2, height=2, kernel="area").pixels
    halves = pixels.reshape(2, pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 3).mean(axis=(1, 3))
    assert small == pytest.approx(halves, abs=1e-5)


@pytest.mark.parametrize("kernel", ["lanczos", "cubic", "linear"])
def test_light_beyond_white_is_kept_in_floats(kernel):
    pixels = noise(64, 64, 3, "float32") * 1000
    small = made(resize, raster(pixels), factor=0.5, kernel=kernel, edge="wrap").pixels
    assert small.max() > 500 and small.mean() == pytest.approx(pixels.mean(), rel=1e-3)


def test_floats_of_a_cut_out_stay_within_what_they_were():
    pixels = noise(40, 40, 4, "float32") * [50, 50, 50, 1]
    pixels[::3, :, 3] = 0
    small = made(resize, raster(pixels.astype(np.float32)), width=17).pixels
    assert np.isfinite(small).all() and small.min() >= 0 and small[..., :3].max() <= 50


@pytest.mark.parametrize("operation", [resize, FORMS["image.resize"]])
@pytest.mark.parametrize("kind", ["color", "data"])
@pytest.mark.parametrize("factor", [0.5, 2])
def test_no_channel_of_floats_rings_beyond_what_it_was(operation, kind, factor):
    pixels = np.full((32, 32, 4), (-3, 0, 0.25, 0), np.float32)
    pixels[:, 16:] = (9, 1, 0.5, 1)
    image = raster(pixels)
    found = made(operation, image, factor=factor, kind=kind, alpha_weighted=False).pixels
    for summed in (np.min, np.max):
        assert summed(found, axis=(0, 1)) == pytest.approx(summed(pixels, axis=(0, 1)), abs=0.02)
    assert (found >= pixels.min((0, 1))).all() and (found <= pixels.max((0, 1))).all()


@pytest.mark.parametrize("kernel", ["lanczos", "cubic"])
@pytest.mark.parametrize("width", [20, 50, 64, 150])
def test_colours_just_outside_of_a_cut_out_are_those_of_its_surroundings(kernel, width):
    pixels = np.random.default_rng(1).integers(60, 180, (128, 128, 4)).astype(np.uint8)
    distance = np.hypot(*np.mgrid[-63.5:64, -63.5:64])
    pixels[..., 3] = np.clip((45 - distance) * 20 + 128, 0, 255)
    pixels[pixels[..., 3] == 0, :3] = 120
    got = made(resize, raster(pixels), width=width, kernel=kernel, enlarge=True).pixels
    clear = got[got[..., 3] == 0][:, :3]
    assert len(clear) > 50 and clear.min() >= 59 and clear.max() <= 181


def test_nearest_invents_no_value():
    pixels = noise(9, 7, 4)
    enlarged = made(resize, raster(pixels), factor=3, kernel="nearest").pixels
    assert (enlarged == pixels.repeat(3, axis=0).repeat(3, axis=1)).all()


def test_an_image_of_that_size_is_given_as_it_is():
    image = raster(noise(8, 8, 4))
    assert made(resize, image, width=8).pixels is image.pixels


def test_lanczos_is_as_sharp_as_that_of_libvips():
    y, x = np.mgrid[:96, :128]
    pixels = ((np.sin(x * x / 900) * np.cos(y / 7) + 1) * 120).astype(np.uint8)[..., None].repeat(3, 2)
    mine = made(resize, raster(pixels), width=64, height=48, linear_light=False).pixels.astype(int)
    peer = pyvips.Image.new_from_array(pixels, interpretation="srgb").resize(0.5, kernel="lanczos3").numpy()
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(mine[inner] - peer[inner]).max() <= 3


def test_normals_keep_their_length(photo):
    vectors = np.random.default_rng(4).normal((0, 0, 1.5), 1, (33, 21, 3))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    for pixels in (np.round((vectors + 1) * 127.5).astype(np.uint8), vectors.astype(np.float32)):
        image = made(resize, raster(pixels), width=10, kind="normal")
        values = image.pixels if pixels.dtype.kind == "f" else image.pixels / 127.5 - 1
        assert np.linalg.norm(values, axis=2) == pytest.approx(1, abs=0.01)
        assert image.transfer == "linear" and image.data


def test_grey_is_no_normal_map():
    with pytest.raises(WorkloadError, match="normal map has three colours") as caught:
        made(resize, raster(noise(8, 8, 1)), width=4, kind="normal")
    assert caught.value.code == "unsupported"


def test_a_file_becomes_a_file(save, photo):
    output = resize([save("a.png", photo)], Resize(longest=16, format="jpeg"), Limits())
    (file,) = output.files
    assert (file.name, file.media_type) == ("resized", "image/jpeg")
    small = pyvips.Image.new_from_buffer(file.data, "")
    assert (output.value.width, output.value.height) == (small.width, small.height) == (16, 12)


def test_no_image_is_made_of_one_that_is_none():
    assert set(done(resize, raster(noise(4, 4, 1)), width=2).images) == {"resized"}


@pytest.mark.parametrize("below", [0.0, 0.002])
@pytest.mark.parametrize("is_signed", [True, False])
def test_vectors_of_floats_are_told_by_their_lengths_not_by_one_value_below_zero(is_signed, below):
    y, x = np.mgrid[:32, :32] / 80
    signed = np.stack([x, y, np.sqrt(1 - x * x - y * y)], -1).astype(np.float32)
    stored = signed if is_signed else signed * np.float32(0.5) + np.float32(0.5)
    stored[0, 0] -= 0 if is_signed else stored[0, 0].min() + np.float32(below)
    small = made(resize, raster(stored), factor=0.5, kernel="area", kind="normal").pixels
    vectors = small if is_signed else small * 2 - 1
    wanted = signed.reshape(16, 2, 16, 2, 3).mean((1, 3))
    assert np.abs(vectors - wanted)[1:, 1:].max() < 0.02
