import numpy as np
import pytest
import pyvips

from accel.gpu_ops.graph import Runner
from accel.gpu_ops.resample import PixelCoding, resize_graph, rings, weights
from accel.image.pixel_coding import coding_of
from accel.image.resample import axis, resample
from tests.accel.conftest import image as vips_image
from tests.accel.gpu_ops.comparison import check_agree
from tests.accel.image.operation_helpers import noise, raster

RUNNER = Runner()
SIZES = [((41, 30), (20, 15)), ((41, 30), (17, 64)), ((16, 16), (1, 1)), ((1, 9), (5, 2)), ((64, 3), (7, 3))]


def both(image, size, kernel, edge="clamp", kind="color"):
    """By the graph, and by the CPU's form."""
    how = coding_of(image, kind, True, True)
    coded, old = PixelCoding.of(how), (image.width, image.height)
    soft = how.weighted and rings(old, size, kernel, edge)
    feed = dict(weights(old, size, kernel, edge, soft=soft), pixels=image.pixels[None])
    if coded.bounded:
        feed["range"] = np.array(how.range, np.float32)
    found = RUNNER.run(resize_graph(coded, soft), feed)["resized"].fetch()[0]
    lines = [axis(one, to, kernel, edge) for one, to in zip(old, size, strict=True)]
    return found, resample(image.pixels, how, *lines)


@pytest.mark.parametrize("old, new", SIZES)
@pytest.mark.parametrize("kernel", ["area", "lanczos"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_resized_images_are_those_of_the_cpu_within_a_step(old, new, kernel, channels):
    image = raster(noise(old[1], old[0], channels))
    check_agree(*both(image, new, kernel))


@pytest.mark.parametrize("kind", ["uint16", "float32"])
@pytest.mark.parametrize("kernel", ["area", "lanczos", "cubic"])
def test_deep_images_keep_their_depth(kind, kernel):
    image = raster(noise(30, 44, 3, kind))
    found, wanted = both(image, (19, 33), kernel, "wrap")
    check_agree(found, wanted, codes=3 / 257)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kernel", ["area", "lanczos"])
def test_cut_outs_keep_the_colours_at_their_edges(kind, kernel):
    pixels = noise(40, 40, 4, kind)
    full = pixels.dtype.type(1 if kind == "float32" else np.iinfo(kind).max)
    pixels[..., 3] = np.where(pixels[..., 3] > full / 2, full, 0)
    pixels[:20, :20, 3] = 0
    found, wanted = both(raster(pixels), (23, 17), kernel)
    check_agree(found[..., 3], wanted[..., 3])
    # What hardly shows has colours that hang on the last bit of its alpha.
    shown = wanted[..., 3] > full / 64
    check_agree(found[shown], wanted[shown])


def test_normals_stay_of_length_one():
    vectors = noise(32, 32, 3)
    found, wanted = both(raster(vectors, "linear"), (11, 13), "area", kind="normal")
    check_agree(found, wanted)
    lengths = np.linalg.norm(found / 127.5 - 1, axis=2)
    assert np.abs(lengths - 1).max() < 0.02


def test_normals_of_floats_may_be_stored_with_their_signs():
    vectors = noise(16, 16, 4, "float32") * 2 - 1
    check_agree(*both(raster(vectors, "linear"), (5, 6), "area", kind="normal"))


def test_area_is_what_libvips_shrinks_by_whole_numbers():
    pixels = noise(48, 36, 3)
    found, _ = both(raster(pixels, "linear"), (12, 16), "area")
    shrunk = np.asarray(vips_image(pixels).shrink(3, 3).numpy())
    check_agree(found, shrunk)


def test_lanczos_is_what_libvips_resizes_by():
    y, x = np.mgrid[:64, :96]
    pixels = (127 + 80 * np.sin(x / 9)[..., None] * np.cos(y / 11)[..., None]).astype(np.uint8)
    found, _ = both(raster(pixels), (48, 32), "lanczos")
    made = vips_image(pixels, "b-w").resize(0.5, kernel=pyvips.enums.Kernel.LANCZOS3).numpy()
    check_agree(found[3:-3, 3:-3], np.asarray(made).reshape(found.shape)[3:-3, 3:-3])
