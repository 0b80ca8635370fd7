import numpy as np
import pytest

from accel.ai import super_resolution
from accel.ai.super_resolution import (
    TileFunction,
    normalize_vectors,
    run_tiled,
    srgb_to_linear,
    tile_function,
)
from accel.ai.workloads import Upscale, upscale
from accel.image.color import encode_srgb
from accel.workload import Limits, WorkloadError
from tests import pulled
from tests.accel.ai.conftest import raster, scaled

KINDS = [("faithful", 2), ("faithful", 4), ("sharp", 2), ("sharp", 4)]


@pytest.fixture(scope="module", autouse=True)
def models():
    for name in (super_resolution.FAITHFUL, super_resolution.SHARP):
        pulled.require(name)


def enlarged(image, limits, **params):
    (made,) = upscale.operate([image], Upscale(**params), limits).images.values()
    return made


def picture(high, wide, channels=3):
    """Soft shades with a few hard edges, 0..1."""
    y, x = np.mgrid[:high, :wide] / 40
    shade = 0.5 + 0.4 * np.sin(x * 3 + np.cos(y * 4))
    edge = ((x + 0.7 * y) % 0.5 < 0.2) * 0.3
    planes = [shade, np.clip(shade * 0.6 + edge, 0, 1), 0.7 - 0.5 * shade, np.clip(shade + edge, 0, 1)]
    return np.stack(planes[:channels], -1)


def averaged(pixels, factor):
    high, wide, channels = pixels.shape
    return pixels.reshape(high // factor, factor, wide // factor, factor, channels).mean((1, 3))


@pytest.mark.parametrize(("style", "factor"), KINDS)
def test_averaged_again_it_is_what_came_in(limits, style, factor):
    given = scaled(picture(40, 52), "uint8")
    made = enlarged(raster(given), limits, style=style, factor=factor)
    assert made.pixels.shape == (40 * factor, 52 * factor, 3) and made.pixels.dtype == np.uint8
    off = np.abs(averaged(made.pixels.astype(float), factor) - given).mean()
    assert off < (3 if style == "faithful" else 8)


@pytest.mark.parametrize(("style", "factor"), KINDS)
def test_tiles_leave_no_seams(limits, style, factor):
    given = picture(75, 90).astype(np.float32)
    whole = tile_function(style, factor, limits)
    results = []
    for tile in (128, 32):
        one = TileFunction(whole.run, whole.factor, whole.margin, tile)
        results.append(run_tiled(one, given, lambda piece: piece, lambda piece: piece, wrap=False))
    # The same but for the order in which floats are added.
    assert np.abs(results[0] - results[1]).max() < 1e-4


@pytest.mark.parametrize(("style", "factor"), KINDS)
def test_a_smaller_margin_would_show(limits, style, factor):
    """That the margin is as wide as the network sees is what the test before rests on."""
    given = picture(40, 40).astype(np.float32)
    whole = tile_function(style, factor, limits)
    rolled = [
        run_tiled(whole, np.roll(given, shift, (0, 1)), lambda piece: piece, lambda piece: piece, wrap=True)
        for shift in (0, 13)
    ]
    # A tile that repeats has no place that is its border: moved around, it comes out moved around.
    assert np.abs(np.roll(rolled[0], 13 * factor, (0, 1)) - rolled[1]).max() < 1e-4


def test_a_tile_that_repeats_continues_at_its_opposite_edge(limits):
    y, x = np.mgrid[:32, :32] / 32 * 2 * np.pi
    given = scaled(
        np.stack([0.5 + 0.4 * np.sin(x + 2), 0.5 + 0.4 * np.cos(y), 0.5 + 0.3 * np.sin(x + y)], -1), "uint8"
    )

    def seam(wrap):
        made = enlarged(raster(given), limits, wrap=wrap).pixels.astype(float)
        return np.abs(made[:, 0] - made[:, -1]).mean() + np.abs(made[0] - made[-1]).mean()

    assert seam(True) < seam(False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bit_depth_and_channels_are_preserved(limits, dtype, channels):
    values = picture(18, 23, channels)
    made = enlarged(raster(scaled(values, dtype), transfer="linear"), limits)
    assert made.pixels.dtype == dtype and made.pixels.shape == (36, 46, channels)
    assert made.has_alpha == (channels in (2, 4))
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    assert np.abs(averaged(made.pixels / top, 2) - values).mean() < 0.02


def test_16_bits_are_more_than_8(limits):
    smooth = np.linspace(0.4, 0.45, 40)[None, :, None].repeat(20, 0).repeat(3, 2)
    made = enlarged(raster(scaled(smooth, "uint16")), limits)
    assert len(np.unique(made.pixels)) > 60


def test_transparency_that_is_one_value_stays_it(limits):
    given = scaled(picture(12, 12, 4), "uint8")
    given[..., 3] = 255
    made = enlarged(raster(given), limits)
    assert made.pixels[..., 3].min() == 255


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("style", "factor"), KINDS)
def test_what_is_opaque_or_not_there_stays_so(limits, style, factor, dtype):
    values = picture(30, 40, 4)
    values[..., 3] = 0
    values[5:25, 6:30, 3] = 1
    made = enlarged(raster(scaled(values, dtype), transfer="linear"), limits, style=style, factor=factor)
    alpha = made.pixels[..., 3]
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    assert (alpha[6 * factor : 24 * factor, 7 * factor : 29 * factor] == top).all()
    assert alpha[:, 31 * factor :].max() == alpha[: 4 * factor].max() == 0
    # Its edge is still the network's.
    assert len(np.unique(alpha)) > 10


@pytest.mark.parametrize("style", ["faithful", "sharp"])
def test_colours_of_transparent_texels_give_no_fringe(limits, style):
    y, x = np.mgrid[:48, :48]
    given = np.zeros((48, 48, 4), np.uint8)
    given[..., 3] = 255 * np.clip(18.5 - np.hypot(x - 23.5, y - 23.5), 0, 1)
    given[given[..., 3] > 0, :3] = (230, 60, 90)

    def off(**params):
        made = enlarged(raster(given), limits, style=style, **params).pixels.astype(float)
        return (np.abs(made[..., :3] - (230, 60, 90)).max(2) * made[..., 3] / 255).max()

    assert off() < 8
    assert off(alpha_weighted=False) > 20


def test_normals_are_of_length_1_again(limits):
    y, x = np.mgrid[:40, :40] / 8
    slope = np.stack([0.7 * np.sin(x), 0.7 * np.cos(y), np.ones_like(x)], -1)
    normals = scaled(slope / np.linalg.norm(slope, axis=2, keepdims=True) / 2 + 0.5, "uint16")

    def lengths(**params):
        made = enlarged(raster(normals), limits, **params)
        assert (made.kind, made.transfer) == (("", "srgb") if params else ("normal", "linear"))
        return np.linalg.norm(made.pixels / 65535 * 2 - 1, axis=2)

    # Told by the texels, unless somebody says otherwise.
    assert lengths() == pytest.approx(1, abs=1e-4)
    assert np.abs(lengths(normals=False) - 1).max() > 1e-3


def test_a_normal_of_no_length_points_out_of_the_surface():
    assert normalize_vectors(np.full((1, 1, 3), 0.5, np.float32)).tolist() == [[[0.5, 0.5, 1.0]]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (17, 1)])
def test_the_smallest_images_are_taken(limits, shape):
    given = np.random.default_rng(3).integers(0, 256, (*shape, 3), np.uint8)
    assert enlarged(raster(given), limits).pixels.shape == (shape[0] * 2, shape[1] * 2, 3)
    assert enlarged(raster(given), limits, wrap=True).pixels.shape == (shape[0] * 2, shape[1] * 2, 3)


def test_the_curve_and_its_inverse_cancel():
    values = np.linspace(0, 1, 1000, dtype=np.float32)
    assert srgb_to_linear(encode_srgb(values)) == pytest.approx(values, abs=2e-6)


def test_light_beyond_1_is_refused(limits):
    given = np.full((4, 4, 3), 3.5, np.float32)
    with pytest.raises(WorkloadError, match=r"from 3.5 to 3.5; .* 0 to 1") as caught:
        enlarged(raster(given, transfer="linear"), limits)
    assert caught.value.code == "unsupported"


def test_a_grey_image_cannot_be_a_normal_map(limits):
    with pytest.raises(WorkloadError, match="three"):
        enlarged(raster(np.zeros((4, 4, 1), np.uint8)), limits, normals=True)


def test_what_would_become_too_large_is_refused_before_anything_is_computed(limits):
    few = Limits(max_pixels=1000, models=limits.models)
    with pytest.raises(WorkloadError, match="would become 80 x 80") as caught:
        enlarged(raster(np.zeros((20, 20, 3), np.uint8)), few, factor=4)
    assert caught.value.code == "too_large"


def test_without_the_model_the_error_names_the_command(tmp_path):
    image = raster(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(WorkloadError, match="popbridge models pull realesr-animevideo-4x"):
        enlarged(image, Limits(models=str(tmp_path)), style="sharp")


def test_it_works_on_files(limits, save):
    output = upscale([save("a.png", scaled(picture(10, 14), "uint8"))], Upscale(), limits)
    assert (output.value.width, output.value.height, output.value.format) == (28, 20, "png")
