import numpy as np
import pytest

from accel.ai.workloads import EmbedImage, embed_image
from accel.workload import Limits, WorkloadError
from tests import pulled
from tests.accel.ai.conftest import raster, scaled


@pytest.fixture(scope="module", autouse=True)
def model():
    pulled.require("efficientnet-lite0")


def bricks(seed):
    """Rows of bricks, each with a shade and place of its own, RGB of 0..1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    row = y // 32
    shades = rng.uniform(0.35, 0.65, (9, 9))
    column = (x + row % 2 * 32 + rng.integers(0, 32)) // 64
    mortar = (y % 32 < 4) | ((x + row % 2 * 32) % 64 < 4)
    red = np.where(mortar, 0.75, shades[row % 9, column % 9])
    return np.clip(np.stack([red, np.where(mortar, 0.73, red * 0.45), np.where(mortar, 0.7, red * 0.35)], -1)
                   + rng.normal(0, 0.03, (256, 256, 1)), 0, 1)  # fmt: skip


def grass(seed):
    """Blades of many greens, RGB of 0..1."""
    rng = np.random.default_rng(seed)
    noise = sum(
        np.kron(rng.random((256 // n, 256 // (n // 4 or 1))), np.ones((n, n // 4 or 1))) for n in (8, 16, 32)
    )
    return np.clip(np.stack([noise * 0.12, 0.15 + noise * 0.2, noise * 0.06], -1), 0, 1)


def vector(values, limits, dtype="uint8", **options):
    return np.array(
        embed_image.operate([raster(scaled(values, dtype), **options)], EmbedImage(), limits).value.vector
    )


def test_pictures_of_one_material_lie_closer_than_those_of_two(limits):
    walls, lawns = ([vector(make(seed), limits) for seed in (1, 2)] for make in (bricks, grass))
    alike = min(walls[0] @ walls[1], lawns[0] @ lawns[1])
    unlike = max(wall @ lawn for wall in walls for lawn in lawns)
    assert alike > unlike + 0.2


def test_a_vector_is_of_length_1_and_says_its_model(limits):
    value = embed_image.operate([raster(scaled(bricks(1), "uint8"))], EmbedImage(), limits).value
    assert (value.model, value.dimensions, len(value.vector)) == ("efficientnet-lite0 1", 1280, 1280)
    assert np.linalg.norm(value.vector) == pytest.approx(1, abs=1e-5)


def test_the_depth_of_a_picture_does_not_matter(limits):
    picture = bricks(3)
    assert vector(picture, limits) @ vector(picture, limits, "uint16") > 0.999
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    assert vector(picture, limits) @ vector(linear, limits, "float32", transfer="linear") > 0.999


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 50, 2), (300, 7, 4)])
def test_any_size_and_number_of_channels_is_taken(limits, shape):
    assert np.isfinite(vector(np.random.default_rng(1).random(shape), limits)).all()


def test_without_the_model_the_error_names_the_command(tmp_path):
    with pytest.raises(WorkloadError, match="popbridge models pull efficientnet-lite0"):
        vector(bricks(1), Limits(models=str(tmp_path)))


def test_white_icons_on_transparency_have_different_vectors(limits):
    y, x = np.mgrid[:64, :64] - 31.5
    shapes = (np.hypot(x, y) < 24, (np.abs(x) < 6) | (np.abs(y) < 6))
    icons = [np.stack([np.ones((64, 64)), shape.astype(float)], -1) for shape in shapes]
    disc, cross = (vector(icon, limits) for icon in icons)
    assert disc @ cross < 0.8
