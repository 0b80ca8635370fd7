import numpy as np
import pytest
import pyvips

from accel.ai.matting import cut_out
from accel.ai.workloads import RemoveBackground, remove_background
from accel.workload import Limits, WorkloadError
from tests import pulled
from tests.accel.ai.conftest import apple, raster, scaled


@pytest.fixture(scope="module", autouse=True)
def model():
    pulled.require("u2netp")


def cut(image, limits, **params):
    (made,) = remove_background.operate([image], RemoveBackground(**params), limits).images.values()
    return made


def overlap(alpha, covered):
    """Intersection over union."""
    found = alpha > 0.5
    return (found & covered).sum() / (found | covered).sum()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_stands_before_the_background_stays(limits, dtype):
    picture, covered = apple()
    values = scaled(picture**2.2 if dtype == "float32" else picture, dtype)
    made = cut(raster(values, transfer="linear" if dtype == "float32" else "srgb"), limits)
    assert made.pixels.dtype == dtype and made.pixels.shape == (200, 200, 4) and made.has_alpha
    assert np.array_equal(made.pixels[..., :3], values)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    assert overlap(made.pixels[..., 3] / top, covered) > 0.95


@pytest.mark.parametrize("edges", ["refined", "soft"])
def test_edges_of_a_large_picture_are_found(limits, edges):
    picture, covered = apple(700)
    made = cut(raster(scaled(picture, "uint8")), limits, edges=edges)
    assert overlap(made.pixels[..., 3] / 255, covered) > 0.95


def test_refined_edges_are_nearer_to_the_picture(limits):
    picture, covered = apple(900)
    wrong = {
        edges: np.abs(
            cut(raster(scaled(picture, "uint8")), limits, edges=edges).pixels[..., 3] / 255 - covered
        )
        for edges in ("soft", "refined")
    }
    ring = np.abs(np.hypot(*(np.mgrid[:900, :900] / 900 - 0.5)) - 0.28) < 0.02
    assert wrong["refined"][ring].mean() < wrong["soft"][ring].mean()


def test_transparency_that_is_there_stays(limits):
    picture, _ = apple()
    alpha = np.full((200, 200, 1), 255, np.uint8)
    alpha[:100] = 0
    made = cut(raster(np.concatenate([scaled(picture, "uint8"), alpha], 2)), limits)
    assert made.pixels[:100, :, 3].max() == 0
    assert made.pixels[110:130, 80:120, 3].min() > 200
    assert made.channels == 4


def test_grey_is_cut_out_too(limits):
    picture, covered = apple()
    made = cut(raster(scaled(picture, "uint8").min(2, keepdims=True), transfer="linear"), limits)
    assert made.channels == 2 and made.colors == 1
    assert overlap(made.pixels[..., 1] / 255, covered) > 0.9


def test_the_result_can_be_the_mask_alone(limits):
    picture, covered = apple()
    made = cut(raster(scaled(picture, "uint8")), limits, result="mask")
    assert made.channels == 1 and not made.has_alpha and made.transfer == "linear"
    assert overlap(made.pixels[..., 0] / 255, covered) > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1), (3, 500)])
def test_any_size_is_taken(limits, shape):
    image = raster(np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8))
    assert cut(image, limits).pixels.shape == (*shape, 4)


def test_a_black_image_does_not_divide_by_zero(limits):
    made = cut(raster(np.zeros((30, 40, 3), np.uint8)), limits)
    assert np.isfinite(made.pixels).all() and made.channels == 4


def test_a_jpeg_becomes_a_png_as_jpeg_holds_no_transparency(limits, save):
    picture, covered = apple()
    output = remove_background([save("a.jpg", scaled(picture, "uint8"), Q=95)], RemoveBackground(), limits)
    (file,) = output.files
    assert (file.name, file.media_type, output.value.channels) == ("cutout", "image/png", 4)
    alpha = pyvips.Image.new_from_buffer(file.data, "").numpy()[..., 3]
    assert overlap(alpha / 255, covered) > 0.95


def test_formats_that_hold_transparency_stay():
    image = raster(np.zeros((2, 2, 3), np.uint8), format="webp")
    assert cut_out(image, np.ones((2, 2), np.float32)).format == "webp"


def test_without_the_model_the_error_names_the_command(tmp_path):
    image = raster(np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(WorkloadError, match="popbridge models pull u2netp"):
        remove_background.operate([image], RemoveBackground(), Limits(models=str(tmp_path)))
